// How a guest ended, and what that means for the user and for the caller's exit status.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace narwhal::tools {

struct Outcome {
  std::optional<int> exit_status;    // the program ended by itself
  std::optional<int> killed_by;      // the program was ended by this signal
  std::vector<std::string> errors;   // why it could not be started
  std::vector<std::string> missing;  // names of system calls that it made and that are not there
  std::vector<std::string> absent;   // paths that were looked for and are not there
  std::optional<std::string> panic;  // the kernel stopped
  std::string calls;                 // how many system calls came each way, in words
  bool started = false;
  // A kernel that is a process waits for gdb: where it has put itself.
  std::optional<uint64_t> waiting_at;

  // Milliseconds from the start of QEMU; -1: it did not happen.
  double time_to_program = -1;
  double time_to_output = -1;
  double time_to_end = -1;

  bool stopped_by_user = false;  // we killed the machine because the guest did not react
  int stop_signal = 0;           // the signal that the user then sent

  bool is_process = false;             // the kernel was a process, and not in QEMU
  int qemu_status = 0;                 // as waitpid(2) has it
  std::string qemu_errors;             // what QEMU itself said
  std::deque<std::string> kernel_log;  // its last lines
  std::vector<std::string> kills;      // whom the kernel killed for want of memory

  // The lines come from a kernel that may be in the program's hands: they are kept without what a
  // terminal would obey, and not without end.

  // One line from narwhal.control. Unknown lines are kept out of the way: a newer kernel may say
  // more.
  void take_control_line(std::string_view line);
  // One line of the kernel's log. A kernel that panics has no more than the serial port to say so.
  void take_kernel_line(std::string_view line);

  // The machine ended, or was stuck, before the kernel had anything to say about the program.
  bool never_ran() const {
    return !started && !stopped_by_user && !is_complete() && !panic && errors.empty();
  }
  bool is_complete() const { return exit_status.has_value() || killed_by.has_value(); }
};

// A line without control characters: a question mark stands for each.
std::string printable(std::string_view line);

struct Report {
  int status = 0;    // for exit(2)
  std::string text;  // for stderr; empty or whole lines
};

// `program` is the name that the user gave. `verbose` tells about system calls that were missed
// even if all went well; `for_people` adds what a shell would print for a program that a signal
// ended.
Report make_report(const Outcome& outcome, std::string_view program, bool verbose, bool for_people);

}  // namespace narwhal::tools
