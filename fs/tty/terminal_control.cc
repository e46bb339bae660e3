// Terminals: settings, sessions and jobs, ioctl_tty(2).
#include <cstring>

#include "fs/tty/job_control.h"
#include "fs/tty/terminal.h"
#include "kernel/abi/ioctl.h"
#include "kernel/platform/user.h"

namespace narwhal {

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

namespace {

abi::Termio old_form(const abi::Termios& settings) {
  abi::Termio old{};
  old.input = u16(settings.input);
  old.output = u16(settings.output);
  old.control = u16(settings.control);
  old.local = u16(settings.local);
  old.line = settings.line;
  std::memcpy(old.characters, settings.characters, sizeof old.characters);
  return old;
}

// What the old form has no room for stays as it is.
void take_old_form(abi::Termios& settings, const abi::Termio& old) {
  constexpr u32 kUpper = 0xffff0000;
  settings.input = (settings.input & kUpper) | old.input;
  settings.output = (settings.output & kUpper) | old.output;
  settings.control = (settings.control & kUpper) | old.control;
  settings.local = (settings.local & kUpper) | old.local;
  settings.line = old.line;
  std::memcpy(settings.characters, old.characters, sizeof old.characters);
}

}  // namespace

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
  else if (command == abi::kTcGeta)
    TRY(store_user(argument, old_form(settings.base)));
  else
    TRY(store_user(argument, settings.base));
  return i64{0};
}

Result<i64> Terminal::change_settings(u32 command, UserAddr argument) {
  TRY(check_change());
  const bool extended =
      command == abi::kTcSets2 || command == abi::kTcSetsw2 || command == abi::kTcSetsf2;
  const bool is_old =
      command == abi::kTcSeta || command == abi::kTcSetaw || command == abi::kTcSetaf;
  abi::Termios settings{};
  abi::Termio old{};
  if (is_old)
    old = TRY(load_user<abi::Termio>(argument));
  else if (extended)
    settings = TRY(load_user<abi::Termios2>(argument)).base;
  else
    settings = TRY(load_user<abi::Termios>(argument));
  Guard guard(mutex_);
  if (is_old) {
    settings = discipline_.settings();
    take_old_form(settings, old);
  }
  // What was typed before the call is taken under the old settings. Output needs no waiting for: it
  // is in the queue as the old settings wanted it.
  service_locked();
  if (command == abi::kTcSetsf || command == abi::kTcSetsf2 || command == abi::kTcSetaf) {
    discipline_.discard_input();
    note(abi::kPacketFlushRead);
  }
  const abi::Termios before = discipline_.settings();
  const bool stopped = discipline_.stopped();
  discipline_.set_settings(settings);
  note_change(before);
  if (stopped && !discipline_.stopped()) note(abi::kPacketStart);
  // A line may have come to be, and output may go on.
  service_locked();
  queue_.wake_all();
  return i64{0};
}

// A master in packet mode does the flow control itself while it has the usual keys.
void Terminal::note_change(const abi::Termios& before) {
  const auto flow_keys = [](const abi::Termios& settings) {
    constexpr u8 kCtrlS = 'S' & 0x1f, kCtrlQ = 'Q' & 0x1f;
    return (settings.input & abi::kIXOn) && settings.characters[abi::kVStop] == kCtrlS &&
           settings.characters[abi::kVStart] == kCtrlQ;
  };
  const abi::Termios& now = discipline_.settings();
  if (flow_keys(now) != flow_keys(before))
    note(flow_keys(now) ? abi::kPacketDoStop : abi::kPacketNoStop);
  if ((now.local | before.local) & abi::kLExternal) note(abi::kPacketIoctl);
}

Result<i64> Terminal::flow(u64 action) {
  TRY(check_change());
  constexpr u64 kOutputOff = 0, kOutputOn = 1, kInputOff = 2, kInputOn = 3;
  Guard guard(mutex_);
  switch (action) {
    case kOutputOff:
      if (!discipline_.stopped()) note(abi::kPacketStop);
      discipline_.hold();
      return i64{0};
    case kOutputOn:
      if (discipline_.stopped()) {
        discipline_.release();
        if (!discipline_.stopped()) note(abi::kPacketStart);
      }
      service_locked();
      queue_.wake(kPollWritable, ~usize{0});
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
  if (which != kOutput) {
    discipline_.discard_input();
    note(abi::kPacketFlushRead);
  }
  if (which != kInput) {
    discipline_.output().clear();
    note(abi::kPacketFlushWrite);
  }
  if (which != kInput) queue_.wake(kPollWritable, ~usize{0});
  return i64{0};
}

Result<i64> Terminal::ioctl_from_master(u32 command, UserAddr argument) {
  switch (command) {
    case abi::kTiocGpgrp:
      TRY(store_user(argument, i32(foreground_group())));
      return i64{0};
    case abi::kTiocGetSession: {
      const u32 of = session();
      if (of == 0) return Errno::kNotTty;
      TRY(store_user(argument, i32(of)));
      return i64{0};
    }
    case abi::kTiocNoTty:
      return Errno::kNotTty;
    default:
      return ioctl(command, argument);
  }
}

Result<i64> Terminal::ioctl(u32 command, UserAddr argument, bool readable) {
  const auto can = [](Capability capability) {
    return !job_control().current_can || job_control().current_can(capability);
  };
  switch (command) {
    case abi::kTcGets:
    case abi::kTcGets2:
    case abi::kTcGeta:
      return get_settings(command, argument);
    case abi::kTcSets:
    case abi::kTcSetsw:
    case abi::kTcSetsf:
    case abi::kTcSets2:
    case abi::kTcSetsw2:
    case abi::kTcSetsf2:
    case abi::kTcSeta:
    case abi::kTcSetaw:
    case abi::kTcSetaf:
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
      return take_as_controlling(argument.value == 1, readable);
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
    case abi::kTiocGetPeer:
      return Errno::kIo;  // this is no master
    case abi::kTiocExclusive:
      exclusive_.store(true);
      return i64{0};
    case abi::kTiocNotExclusive:
      exclusive_.store(false);
      return i64{0};
    case abi::kTiocGetExclusive:
      TRY(store_user(argument, i32(exclusive_.load())));
      return i64{0};
    case abi::kTiocGetDevice:
      TRY(store_user(argument, u32(device())));
      return i64{0};
    case abi::kTiocHangUp:
      if (!can(Capability::kSysAdmin)) return Errno::kPerm;
      hang_up();
      return i64{0};
    case abi::kTiocSti:
      return Errno::kIo;  // as Linux answers since 6.2, and where the old behaviour is switched off
    default:
      return Errno::kNotTty;
  }
}

}  // namespace narwhal
