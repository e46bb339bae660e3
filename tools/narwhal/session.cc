#include "tools/narwhal/session.h"

#include <errno.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/files.h"

namespace narwhal::tools {

namespace {

constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
constexpr long long kSecond = 1000000;
constexpr long long kInterruptTwice = 2 * kSecond;  // a second Ctrl-C within this means it
// Two that come at once are one: timeout(1) signals its child, and then the group that it is in.
constexpr long long kSameInterrupt = 300000;
// A program with a terminal may take Ctrl-C without a word (an editor's key), so there it takes
// more.
constexpr size_t kTypedInterrupts = 5;
constexpr long long kPowerOffTime = 5 * kSecond;  // after the kernel's last line
constexpr long long kTrialTime = 10 * kSecond;
constexpr size_t kLogLines = 400;
constexpr size_t kMostQemuErrors = 64 << 10;

long long now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec / 1000;
}

}  // namespace

SignalQueue::SignalQueue() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : kForwarded) {
    // nohup(1), or a shell's "&": what our parent had us ignore stays ignored.
    struct sigaction action;
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    sigaddset(&wanted, signal);
  }
  sigaddset(&wanted, SIGWINCH);
  sigaddset(&wanted, SIGCHLD);
  sigaddset(&wanted, SIGCONT);
  signal(SIGCHLD, SIG_DFL);  // ignored, it would take the child's status with it
  // A reader of our output that goes away is noticed by write's error.
  sigaddset(&wanted, SIGPIPE);
  sigprocmask(SIG_BLOCK, &wanted, &before_);
  fd_.reset(signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) fail("cannot wait for signals: {}", strerror(errno));
}

SignalQueue::~SignalQueue() {
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

int SignalQueue::take() {
  signalfd_siginfo info;
  return read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

Session::Session(SessionSettings settings, SessionChannels channels, VmProcess& vm,
                 SignalQueue& signals)
    : settings_(std::move(settings)),
      vm_(vm),
      signals_(signals),
      terminal_(STDIN_FILENO),
      input_(STDIN_FILENO, std::move(channels.stdin_fd)),
      output_(std::move(channels.stdout_fd), STDOUT_FILENO),
      errors_(std::move(channels.stderr_fd), STDERR_FILENO),
      control_(std::move(channels.control_fd)),
      serial_(std::move(channels.serial_fd)),
      qemu_(vm.take_errors()),
      start_(now()) {
  if (settings_.is_trial) end_by_ = now() + kTrialTime;
}

Outcome Session::run() {
  std::vector<pollfd> polled;
  while (!is_over()) {
    polled.clear();
    polled.push_back({signals_.fd(), POLLIN, 0});
    if (outcome_.started && settings_.has_terminal) terminal_.enter();
    if (outcome_.started || !settings_.is_trial) input_.wait_for(polled);
    output_.wait_for(polled);
    errors_.wait_for(polled);
    control_.wait_for(polled);
    serial_.wait_for(polled);
    qemu_.wait_for(polled);
    if (poll(polled.data(), polled.size(), time_to_wait()) < 0 && errno != EINTR) {
      fail("cannot wait for the machine: {}", strerror(errno));
    }
    // Lines first: "started" erases the progress line before the program's output comes after it.
    // And who has seen output of the program's, which it may write without us, may send a signal.
    for (const std::string& line : control_.step(polled)) handle_control_line(line);
    if (polled.front().revents != 0)
      while (const int signal = signals_.take()) handle_signal(signal);
    for (const std::string& line : serial_.step(polled)) handle_kernel_line(line);
    for (const std::string& line : qemu_.step(polled)) {
      if (outcome_.qemu_errors.size() < kMostQemuErrors) outcome_.qemu_errors += line + "\n";
    }
    input_.step(polled);
    handle_typed_interrupts(input_.take_interrupts());
    for (OutputPump* const pump : {&output_, &errors_}) {
      if (pump->step(polled)) {
        if (outcome_.time_to_output < 0) outcome_.time_to_output = milliseconds_since_start();
        guest_reacted_ = true;
        first_sign();
      }
      // What the program would have got here from its own kernel.
      if (pump->take_broken()) control_.send(fmt::format("signal {}", SIGPIPE));
    }
    if (end_by_ >= 0 && now() >= end_by_) {
      end_by_ = -1;
      vm_.kill();
    }
  }
  terminal_.leave();
  first_sign();
  outcome_.time_to_end = milliseconds_since_start();
  outcome_.qemu_status = vm_.poll_ended().value_or(0);
  return std::move(outcome_);
}

// When the machine is gone, its sockets end too, and what they still hold is passed on first.
bool Session::is_over() {
  if (!gone_) gone_ = vm_.poll_ended().has_value();
  return gone_ && output_.is_finished() && errors_.is_finished() && control_.is_finished() &&
         serial_.is_finished() && qemu_.is_finished();
}

int Session::time_to_wait() const {
  const int retry = input_.retry_time();
  if (end_by_ < 0) return retry;
  // Rounded up, or the last millisecond would be spent in a busy loop.
  const int left =
      static_cast<int>((std::clamp<Time>(end_by_ - now(), 0, kTrialTime) + 999) / 1000);
  return retry < 0 ? left : std::min(retry, left);
}

double Session::milliseconds_since_start() const {
  return static_cast<double>(now() - start_) / 1000;
}

void Session::handle_signal(int signal) {
  if (signal == SIGCHLD || signal == SIGPIPE) return;  // is_over() and the pumps look
  if (signal == SIGWINCH) return send_window_size();
  if (signal == SIGCONT) return terminal_.forget();
  if (signal == SIGINT || signal == SIGTERM) handle_interrupt(signal);
  control_.send(fmt::format("signal {}", signal));
}

// Before there is a program, an interrupt ends everything, as it would have ended the program. Then
// the first one goes to the program, which may take it as it likes. A second one soon after, with
// no sign of life from the guest in between, is for us.
void Session::handle_interrupt(int signal) {
  const Time time = now();
  const long long since = last_interrupt_ >= 0 ? time - last_interrupt_ : kInterruptTwice + 1;
  if (outcome_.started && since < kSameInterrupt) return;
  const bool again = since <= kInterruptTwice;
  if (!outcome_.started || (again && !guest_reacted_)) switch_off(signal);
  last_interrupt_ = time;
  guest_reacted_ = false;
}

// The guest's terminal makes signals of these, if it is alive. When nothing comes back, they are
// for us.
void Session::handle_typed_interrupts(size_t count) {
  if (count == 0 || !terminal_.is_raw()) return;
  const Time time = now();
  if (guest_reacted_ || time - last_interrupt_ > kInterruptTwice) typed_interrupts_ = 0;
  guest_reacted_ = false;
  last_interrupt_ = time;
  typed_interrupts_ += count;
  if (typed_interrupts_ >= kTypedInterrupts) switch_off(SIGINT);
}

void Session::switch_off(int signal) {
  outcome_.stopped_by_user = true;
  outcome_.stop_signal = signal;
  vm_.kill();
}

void Session::handle_control_line(const std::string& line) {
  guest_reacted_ = true;
  const bool had_started = outcome_.started;
  outcome_.take_control_line(line);
  if (outcome_.waiting_at && settings_.on_wait_for_debugger)
    settings_.on_wait_for_debugger(*std::exchange(outcome_.waiting_at, std::nullopt));
  if (outcome_.started && !had_started) {
    outcome_.time_to_program = milliseconds_since_start();
    first_sign();
    end_by_ = -1;
  }
  const bool last = outcome_.is_complete() || outcome_.panic.has_value();
  if (last && end_by_ < 0 && !settings_.waits_for_debugger) end_by_ = now() + kPowerOffTime;
}

void Session::handle_kernel_line(const std::string& told) {
  if (told.empty()) return;
  const std::string line = printable(told);
  if (outcome_.kernel_log.size() == kLogLines) outcome_.kernel_log.pop_front();
  outcome_.kernel_log.push_back(line);
  outcome_.take_kernel_line(line);
  if (!settings_.show_kernel_log) return;
  first_sign();
  write_all(STDERR_FILENO, line + (terminal_.is_raw() ? "\r\n" : "\n"));
}

void Session::send_window_size() {
  winsize size = {};
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) continue;
    control_.send(fmt::format("winsize {} {}", size.ws_row, size.ws_col));
    return;
  }
}

void Session::first_sign() {
  if (std::exchange(saw_first_sign_, true)) return;
  if (settings_.on_first_sign) settings_.on_first_sign();
}

}  // namespace narwhal::tools
