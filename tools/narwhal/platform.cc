#include "tools/narwhal/platform.h"

#include <errno.h>
#include <fmt/format.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <string_view>

#include "tools/base/error.h"
#include "tools/narwhal/checks.h"

namespace narwhal::tools {

namespace {

constexpr int kSetSystemCallDispatch = 59;      // PR_SET_SYSCALL_USER_DISPATCH
constexpr unsigned long kUserSegmentBases = 2;  // HWCAP2_FSGSBASE
// The process' filter has room for the descriptors of so many, with the streams and the network.
constexpr size_t kMostFolders = 50;
constexpr unsigned kMostProcessors = 16;  // kMostCpus in kernel/platform/process
constexpr std::string_view kPassedOver = "; the kernel cannot be a process: ";

std::string why_no_process(const std::string& command_name) {
  if ((getauxval(AT_HWCAP2) & kUserSegmentBases) == 0)
    return "this machine does not let programs use FSGSBASE (Linux 5.9 does)";
  if (prctl(kSetSystemCallDispatch, 0, 0, 0, 0) != 0)
    return "this machine's kernel has no Syscall User Dispatch (Linux 5.11 has)";
  // A filter at no address: whoever can install one says EFAULT.
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr) == 0 || errno != EFAULT)
    return "this machine's kernel has no seccomp filters";
  try {
    find_kernel("", command_name, true);
  } catch (const Error& error) {
    return "its image is not there (narwhal_process.elf)";
  }
  return "";
}

bool is_on_path(const std::string& name) {
  const char* const variable = getenv("PATH");
  std::string_view rest = variable != nullptr ? variable : "";
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (access((std::string(folder) + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

Platform machine(const Accelerator& accelerator, bool is_trial, const std::string& more) {
  return {false, accelerator.is_kvm, is_trial, accelerator.reason + more};
}

// Why auto does not take a process; empty: it does.
std::string objection(const Options& options, const HostFacts& facts) {
  const std::string asked = what_needs_machine(options);
  if (!asked.empty()) return asked;
  if (!options.kernel.empty())
    return "--kernel names a machine's kernel, unless --platform process is given";
  if (!facts.no_process.empty()) return facts.no_process;
  if (options.network.kind == Network::Kind::kUser && !facts.no_network.empty())
    return facts.no_network + " (--net none does without)";
  return "";
}

Platform process_or_emulation(const Options& options, const HostFacts& facts,
                              const std::string& no_kvm) {
  const std::string against = objection(options, facts);
  if (against.empty()) {
    return {true, false, true,
            "process, because " + no_kvm +
                "; what isolates the program is a filter of host calls, not a machine "
                "(docs/threat-model.md; --platform vm has a machine)"};
  }
  return machine({false, "software emulation, because " + no_kvm}, false,
                 kPassedOver.data() + against);
}

}  // namespace

HostFacts look_at_host(const std::string& command_name) {
  HostFacts facts;
  facts.machine = look_at_machine();
  facts.no_process = why_no_process(command_name);
  if (!is_on_path("passt")) facts.no_network = "passt, which its network needs, is not installed";
  return facts;
}

std::string what_needs_machine(const Options& options) {
  if (options.processors > kMostProcessors) return "--cpus asks for more than 16 processors";
  if (!options.linux_folder.empty()) return "--linux boots another kernel in a machine";
  if (options.counts_instructions) return "--icount counts a machine's instructions";
  if (options.names_board) return "--machine chooses a machine's board";
  if (!options.qemu.empty()) return "--qemu starts a machine";
  if (options.volumes.size() > kMostFolders) return "-v is there more than 50 times";
  if (options.accelerator != AcceleratorWish::kAuto) return "--accel is about a machine";
  return "";
}

Platform choose_platform(const Options& options, const HostFacts& facts) {
  if (options.platform == PlatformWish::kProcess) {
    const std::string asked = what_needs_machine(options);
    if (!asked.empty()) fail("--platform process: {}; leave one of them away", asked);
    return {true, false, false, "process, as asked for"};
  }
  if (options.counts_instructions)
    return machine({false, "software emulation, for --icount"}, false, "");
  const Accelerator accelerator = choose_accelerator(options.accelerator, facts.machine);
  const bool is_chosen = options.accelerator == AcceleratorWish::kAuto;
  if (options.platform == PlatformWish::kVm || accelerator.is_kvm || !is_chosen)
    return machine(accelerator, accelerator.is_kvm && is_chosen, "");
  return process_or_emulation(options, facts, accelerator.obstacle);
}

Platform next_platform(const Options& options, const HostFacts& facts, const Platform& failed) {
  if (!failed.is_process && options.platform == PlatformWish::kAuto)
    return process_or_emulation(options, facts, "KVM does not run the guest on this machine");
  return {false, false, false, "software emulation, because the other ways do not work here"};
}

}  // namespace narwhal::tools
