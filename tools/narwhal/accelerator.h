// Hardware or software: which of QEMU's ways to run a guest this machine has.
#pragma once

#include <string>
#include <string_view>

namespace narwhal::tools {

enum class AcceleratorWish { kAuto, kKvm, kTcg };

// What can be seen of this machine.
struct MachineFacts {
  bool kvm_opens = false;
  std::string kvm_problem;             // why /dev/kvm does not open
  bool processor_virtualizes = false;  // vmx or svm among the processor's flags
};
MachineFacts look_at_machine();

// Does /proc/cpuinfo's text name vmx or svm? A /dev/kvm without them is no hardware virtualization
// (platform machines with a paravirtual KVM have one); ordinary kernels crawl or crash there.
bool names_virtualization(std::string_view cpuinfo);

// Whether the time-stamp counter can be a process's clock. `source` is what the host's kernel keeps
// its time by (/sys/devices/system/clocksource), empty where it does not say; `invariant` what the
// processor says of the counter. Linux drops it when it finds that the processors' counters differ.
bool tsc_is_clock(std::string_view source, bool invariant);
// The same of this machine, and in words where not.
struct ClockFacts {
  bool tsc_is_clock = false;
  std::string source;
};
ClockFacts look_at_clock();

struct Accelerator {
  bool is_kvm = false;
  std::string reason;         // one line
  std::string obstacle = {};  // why it is not KVM, where that was not the user's wish
};

// Throws Error when KVM is demanded and cannot be had.
Accelerator choose_accelerator(AcceleratorWish wish, const MachineFacts& facts);

}  // namespace narwhal::tools
