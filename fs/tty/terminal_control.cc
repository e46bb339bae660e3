// Terminals: settings, sessions and jobs, ioctl_tty(2).
#include "fs/tty/job_control.h"
#include "fs/tty/terminal.h"
#include "kernel/abi/ioctl.h"
#include "kernel/platform/user.h"

namespace narwhal {

namespace {

u32 ask(u32 (*question)()) {
  return question ? question() : 0;
}

}  // namespace

// --- sessions and jobs

u32 Terminal::session() {
  Guard guard(mutex_);
  return session_;
}

u32 Terminal::foreground_group() {
  Guard guard(mutex_);
  return foreground_;
}

Result<> Terminal::set_session(u32 session, u32 foreground_group) {
  Guard guard(mutex_);
  if (session_ != 0 && session_ != session) return Errno::kPerm;
  session_ = session;
  foreground_ = foreground_group;
  return {};
}

bool Terminal::controls_current() {
  const u32 session = ask(job_control().current_session);
  Guard guard(mutex_);
  return session != 0 && session_ == session;
}

void Terminal::opened_by_current() {
  const JobControl& jobs = job_control();
  const u32 session = ask(jobs.current_session);
  if (session == 0 || session != ask(jobs.current_process)) return;
  Guard guard(mutex_);
  if (session_ != 0) return;
  session_ = session;
  foreground_ = ask(jobs.current_group);
}

void Terminal::signal_foreground(Signal signal) {
  const u32 group = foreground_group();
  if (group != 0 && job_control().signal_group) job_control().signal_group(group, signal);
}

Result<> Terminal::check_background(Signal signal) {
  if (!controls_current()) return {};
  const JobControl& jobs = job_control();
  const u32 group = ask(jobs.current_group);
  const u32 foreground = foreground_group();
  if (foreground == 0 || group == foreground) return {};
  if (jobs.current_ignores && jobs.current_ignores(signal)) {
    if (signal == Signal::kTtin) return Errno::kIo;
    return {};
  }
  if (jobs.group_is_orphaned && jobs.group_is_orphaned(group)) return Errno::kIo;
  if (jobs.signal_group) jobs.signal_group(group, signal);
  return Errno::kRestartSys;
}

Result<i64> Terminal::set_foreground(UserAddr argument) {
  auto change = check_change();
  // Who may not change it for being in no job of this terminal is told so below.
  if (change.failed(Errno::kIo)) return Errno::kNotTty;
  if (!change.ok()) return change.error();
  if (!controls_current()) return Errno::kNotTty;
  const i32 group = TRY(load_user<i32>(argument));
  if (group < 0) return Errno::kInval;
  const JobControl& jobs = job_control();
  const u32 session = jobs.session_of_group ? jobs.session_of_group(u32(group)) : 0;
  if (session == 0) return Errno::kSrch;
  if (session != ask(jobs.current_session)) return Errno::kPerm;
  Guard guard(mutex_);
  foreground_ = u32(group);
  return i64{0};
}

Result<i64> Terminal::take_as_controlling() {
  const JobControl& jobs = job_control();
  const u32 session = ask(jobs.current_session);
  if (session == 0 || session != ask(jobs.current_process)) return Errno::kPerm;
  Guard guard(mutex_);
  if (session_ == session) return i64{0};
  if (session_ != 0) return Errno::kPerm;
  session_ = session;
  foreground_ = ask(jobs.current_group);
  return i64{0};
}

Result<i64> Terminal::give_up() {
  if (!controls_current()) return Errno::kNotTty;
  const JobControl& jobs = job_control();
  // Only when the leader leaves it does the session lose its terminal (ioctl_tty(2)).
  if (ask(jobs.current_session) != ask(jobs.current_process)) return i64{0};
  u32 group;
  {
    Guard guard(mutex_);
    group = foreground_;
    session_ = foreground_ = 0;
  }
  if (group != 0 && jobs.signal_group) {
    jobs.signal_group(group, Signal::kHup);
    jobs.signal_group(group, Signal::kCont);
  }
  return i64{0};
}

// --- the window

void Terminal::set_window_size(const abi::WindowSize& size) {
  {
    Guard guard(mutex_);
    if (window_.rows == size.rows && window_.columns == size.columns &&
        window_.x_pixels == size.x_pixels && window_.y_pixels == size.y_pixels)
      return;
    window_ = size;
  }
  signal_foreground(Signal::kWinch);
}

// --- settings

Result<i64> Terminal::get_settings(u32 command, UserAddr argument) {
  abi::Termios2 settings{};
  {
    Guard guard(mutex_);
    settings.base = discipline_.settings();
  }
  constexpr u32 kSpeed = 38400;
  settings.input_speed = settings.output_speed = kSpeed;
  if (command == abi::kTcGets2)
    TRY(store_user(argument, settings));
  else
    TRY(store_user(argument, settings.base));
  return i64{0};
}

Result<i64> Terminal::change_settings(u32 command, UserAddr argument) {
  TRY(check_change());
  const bool extended =
      command == abi::kTcSets2 || command == abi::kTcSetsw2 || command == abi::kTcSetsf2;
  const abi::Termios settings = extended ? TRY(load_user<abi::Termios2>(argument)).base
                                         : TRY(load_user<abi::Termios>(argument));
  Guard guard(mutex_);
  // What was typed before the call is taken under the old settings. Output needs no waiting for: it
  // is in the queue as the old settings wanted it.
  service_locked();
  if (command == abi::kTcSetsf || command == abi::kTcSetsf2) discipline_.discard_input();
  discipline_.set_settings(settings);
  // A line may have come to be, and output may go on.
  service_locked();
  queue_.wake(kPollReadable | kPollWritable, ~usize{0});
  return i64{0};
}

Result<i64> Terminal::flow(u64 action) {
  TRY(check_change());
  constexpr u64 kOutputOff = 0, kOutputOn = 1, kInputOff = 2, kInputOn = 3;
  Guard guard(mutex_);
  switch (action) {
    case kOutputOff:
      discipline_.stop();
      return i64{0};
    case kOutputOn:
      discipline_.start();
      service_locked();
      return i64{0};
    case kInputOff:
    case kInputOn: {
      // Tells the other side by its own character to stop or go on.
      const u8 byte =
          discipline_.settings().characters[action == kInputOff ? abi::kVStop : abi::kVStart];
      if (byte != 0) discipline_.output().push(byte);
      flush_output();
      return i64{0};
    }
    default:
      return Errno::kInval;
  }
}

Result<i64> Terminal::flush_queues(u64 which) {
  TRY(check_change());
  constexpr u64 kInput = 0, kOutput = 1, kBoth = 2;
  if (which > kBoth) return Errno::kInval;
  Guard guard(mutex_);
  service_locked();
  if (which != kOutput) discipline_.discard_input();
  if (which != kInput) discipline_.output().clear();
  if (which != kInput) queue_.wake(kPollWritable, ~usize{0});
  return i64{0};
}

Result<i64> Terminal::ioctl(u32 command, UserAddr argument) {
  switch (command) {
    case abi::kTcGets:
    case abi::kTcGets2:
      return get_settings(command, argument);
    case abi::kTcSets:
    case abi::kTcSetsw:
    case abi::kTcSetsf:
    case abi::kTcSets2:
    case abi::kTcSetsw2:
    case abi::kTcSetsf2:
      return change_settings(command, argument);
    case abi::kTiocGwinsz: {
      abi::WindowSize size;
      {
        Guard guard(mutex_);
        size = window_;
      }
      TRY(store_user(argument, size));
      return i64{0};
    }
    case abi::kTiocSwinsz:
      set_window_size(TRY(load_user<abi::WindowSize>(argument)));
      return i64{0};
    case abi::kTiocGpgrp:
      if (!controls_current()) return Errno::kNotTty;
      TRY(store_user(argument, i32(foreground_group())));
      return i64{0};
    case abi::kTiocSpgrp:
      return set_foreground(argument);
    case abi::kTiocGetSession:
      if (!controls_current()) return Errno::kNotTty;
      TRY(store_user(argument, i32(session())));
      return i64{0};
    case abi::kTiocSctty:
      return take_as_controlling();
    case abi::kTiocNoTty:
      return give_up();
    case abi::kFionRead:
    case abi::kTiocOutq: {
      i32 count;
      {
        Guard guard(mutex_);
        service_locked();
        count = i32(command == abi::kFionRead ? discipline_.bytes_readable()
                                              : discipline_.output().size());
      }
      TRY(store_user(argument, count));
      return i64{0};
    }
    case abi::kTcFlow:
      return flow(argument.value);
    case abi::kTcFlush:
      return flush_queues(argument.value);
    case abi::kTcSendBreak:
    case abi::kTcSendBreakPosix:
      // There is no line to hold down.
      TRY(check_change());
      return i64{0};
    case abi::kTiocGetDiscipline:
      TRY(store_user(argument, i32{0}));  // N_TTY
      return i64{0};
    case abi::kTiocSetDiscipline:
      if (TRY(load_user<i32>(argument)) != 0) return Errno::kInval;
      return i64{0};
    case abi::kTiocSti:
      return Errno::kIo;  // as Linux answers since 6.2, and where the old behaviour is switched off
    default:
      return Errno::kNotTty;
  }
}

}  // namespace narwhal
