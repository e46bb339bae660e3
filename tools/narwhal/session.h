// One run of a guest from its start to its end: streams, signals, the control channel, and the end
// itself.
#pragma once

#include <functional>

#include "tools/narwhal/channels.h"
#include "tools/narwhal/outcome.h"
#include "tools/narwhal/raw_terminal.h"
#include "tools/narwhal/vm_process.h"

namespace narwhal::tools {

// Blocks the signals that a session takes care of, and reads them from a descriptor. Made before
// the machine is started, so that no signal is lost.
class SignalQueue {
 public:
  SignalQueue();
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  int fd() const { return fd_.get(); }
  // The next signal's number, or 0.
  int take();

 private:
  sigset_t before_;
  UniqueFd fd_;
};

struct SessionSettings {
  bool show_kernel_log = false;
  bool waits_for_debugger = false;
  // The machine may turn out not to work, and the caller will then try another one: the program's
  // input waits until the program was started, and that must happen within kTrialTime.
  bool is_trial = false;
  // The guest's terminal stands in for the user's, which only passes bytes meanwhile.
  bool has_terminal = false;
  // Called once, before the program's first output or when the kernel says that the program was
  // started.
  std::function<void()> on_first_sign;
  // Called when the kernel, a process, waits for gdb, with where it has put itself.
  std::function<void(uint64_t image)> on_wait_for_debugger;
};

// Our ends of the guest's ports.
struct SessionChannels {
  UniqueFd stdin_fd;
  UniqueFd stdout_fd;
  UniqueFd stderr_fd;
  UniqueFd control_fd;
  UniqueFd serial_fd;
};

class Session {
 public:
  Session(SessionSettings settings, SessionChannels channels, VmProcess& vm, SignalQueue& signals);

  // Returns when the machine is gone and all of the program's output has been passed on.
  Outcome run();

 private:
  using Time = long long;  // microseconds of the monotonic clock

  bool is_over();
  void handle_signal(int signal);
  void handle_interrupt(int signal);
  void handle_typed_interrupts(size_t count);
  void switch_off(int signal);
  void handle_control_line(const std::string& line);
  void handle_kernel_line(const std::string& told);
  void send_window_size();
  void first_sign();
  int time_to_wait() const;
  double milliseconds_since_start() const;

  SessionSettings settings_;
  VmProcess& vm_;
  SignalQueue& signals_;
  RawTerminal terminal_;
  InputPump input_;
  OutputPump output_;
  OutputPump errors_;
  LineChannel control_;
  LineChannel serial_;
  LineChannel qemu_;
  Outcome outcome_;
  bool saw_first_sign_ = false;
  bool gone_ = false;
  Time last_interrupt_ = -1;
  bool guest_reacted_ = false;   // since then
  size_t typed_interrupts_ = 0;  // in a row, with no sign of life from the guest
  Time start_;
  Time end_by_ = -1;  // the machine is switched off then; -1: never
};

}  // namespace narwhal::tools
