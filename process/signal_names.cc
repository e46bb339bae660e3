#include "process/signals.h"

namespace narwhal {

namespace {

constexpr std::string_view kNames[] = {
    "0",        "SIGHUP",   "SIGINT",    "SIGQUIT",  "SIGILL",   "SIGTRAP",   "SIGABRT",
    "SIGBUS",   "SIGFPE",   "SIGKILL",   "SIGUSR1",  "SIGSEGV",  "SIGUSR2",   "SIGPIPE",
    "SIGALRM",  "SIGTERM",  "SIGSTKFLT", "SIGCHLD",  "SIGCONT",  "SIGSTOP",   "SIGTSTP",
    "SIGTTIN",  "SIGTTOU",  "SIGURG",    "SIGXCPU",  "SIGXFSZ",  "SIGVTALRM", "SIGPROF",
    "SIGWINCH", "SIGIO",    "SIGPWR",    "SIGSYS",   "SIGRTMIN", "SIGRT_1",   "SIGRT_2",
    "SIGRT_3",  "SIGRT_4",  "SIGRT_5",   "SIGRT_6",  "SIGRT_7",  "SIGRT_8",   "SIGRT_9",
    "SIGRT_10", "SIGRT_11", "SIGRT_12",  "SIGRT_13", "SIGRT_14", "SIGRT_15",  "SIGRT_16",
    "SIGRT_17", "SIGRT_18", "SIGRT_19",  "SIGRT_20", "SIGRT_21", "SIGRT_22",  "SIGRT_23",
    "SIGRT_24", "SIGRT_25", "SIGRT_26",  "SIGRT_27", "SIGRT_28", "SIGRT_29",  "SIGRT_30",
    "SIGRT_31", "SIGRT_32",
};
static_assert(std::size(kNames) == usize(Signal::kMax) + 1);

constexpr SignalSet kStops = signal_set(Signal::kStop, Signal::kTstp, Signal::kTtin, Signal::kTtou);
constexpr SignalSet kIgnored = signal_set(Signal::kChld, Signal::kUrg, Signal::kWinch);
constexpr SignalSet kDumps =
    signal_set(Signal::kQuit, Signal::kIll, Signal::kTrap, Signal::kAbrt, Signal::kBus,
               Signal::kFpe, Signal::kSegv, Signal::kXcpu, Signal::kXfsz, Signal::kSys);

}  // namespace

// The table of signal(7).
DefaultAction default_action(Signal signal) {
  if (signal == Signal::kCont) return DefaultAction::kContinue;
  if (kIgnored.has(signal)) return DefaultAction::kIgnore;
  if (kStops.has(signal)) return DefaultAction::kStop;
  if (kDumps.has(signal)) return DefaultAction::kCore;
  return DefaultAction::kTerminate;
}

std::string_view signal_name(Signal signal) {
  const i32 number = i32(signal);
  return number >= 0 && usize(number) < std::size(kNames) ? kNames[number] : "SIG?";
}

}  // namespace narwhal
