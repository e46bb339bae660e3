#include "tools/narwhal/accelerator.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {

MachineFacts look_at_machine() {
  MachineFacts facts;
  const UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  facts.kvm_opens = static_cast<bool>(kvm);
  if (!facts.kvm_opens) facts.kvm_problem = strerror(errno);
  facts.processor_virtualizes = names_virtualization(read_file("/proc/cpuinfo").value_or(""));
  return facts;
}

bool names_virtualization(std::string_view cpuinfo) {
  size_t at = 0;
  while ((at = cpuinfo.find("flags", at)) != std::string_view::npos) {
    const std::string_view line = cpuinfo.substr(at, cpuinfo.find('\n', at) - at);
    const bool at_start = at == 0 || cpuinfo[at - 1] == '\n';
    at += line.size();
    // "vmx flags" is another line of the same file.
    if (!at_start) continue;
    const std::string words = std::string(line) + " ";
    if (words.find(" vmx ") != std::string::npos || words.find(" svm ") != std::string::npos) {
      return true;
    }
  }
  return false;
}

bool tsc_is_clock(std::string_view source, bool invariant) {
  if (source.ends_with('\n')) source.remove_suffix(1);
  if (source == "tsc") return true;
  return invariant && (source.empty() || source == "kvm-clock" || source == "xen" ||
                       source == "hyperv_clocksource_tsc_page");
}

ClockFacts look_at_clock() {
  constexpr unsigned kPowerManagement = 0x80000007, kInvariant = 1 << 8;
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool invariant =
      __get_cpuid(kPowerManagement, &a, &b, &c, &d) != 0 && (d & kInvariant) != 0;
  ClockFacts facts;
  facts.source =
      read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource").value_or("");
  facts.tsc_is_clock = tsc_is_clock(facts.source, invariant);
  if (facts.source.ends_with('\n')) facts.source.pop_back();
  return facts;
}

Accelerator choose_accelerator(AcceleratorWish wish, const MachineFacts& facts) {
  if (wish == AcceleratorWish::kTcg) return {false, "software emulation, as asked for"};
  if (wish == AcceleratorWish::kKvm) {
    if (!facts.kvm_opens) {
      fail("--accel kvm: /dev/kvm: {}; use --accel tcg, or get access (group kvm)",
           facts.kvm_problem);
    }
    return {true, "KVM, as asked for"};
  }
  std::string obstacle;
  if (!facts.kvm_opens) {
    obstacle = "/dev/kvm does not open: " + facts.kvm_problem;
  } else if (!facts.processor_virtualizes) {
    obstacle = "the processor has neither vmx nor svm, whatever /dev/kvm says";
  }
  if (!obstacle.empty()) return {false, "software emulation, because " + obstacle, obstacle};
  return {true, "KVM: /dev/kvm opens and the processor has vmx or svm"};
}

}  // namespace narwhal::tools
