#include "fs/tty/terminal_file.h"

#include "fs/core/special_file.h"
#include "fs/tty/job_control.h"
#include "kernel/abi/ioctl.h"
#include "kernel/sched/thread.h"

namespace narwhal {
namespace {

constexpr u32 kMajor = 5;
constexpr u32 kTtyMinor = 0, kConsoleMinor = 1;

constinit SpinLock<LockRank::kSpinOther> console_lock;
[[clang::no_destroy]] constinit Ref<Terminal> console TA_GUARDED_BY(console_lock);

Result<FileRef> open_tty(const Path& path, OpenFlags flags) {
  if (device_minor(path.dentry->inode().special_device()) == kConsoleMinor) {
    // It becomes nobody's controlling terminal by being opened (console(4)).
    Ref<Terminal> terminal = console_terminal();
    if (!terminal) return Errno::kNxIo;
    return TerminalFile::open(std::move(terminal), path, flags);
  }
  const JobControl& jobs = job_control();
  if (jobs.current_left_terminal && jobs.current_left_terminal()) return Errno::kNxIo;
  Ref<Terminal> terminal = Terminal::of_session(jobs.current_session ? jobs.current_session() : 0);
  if (!terminal) return Errno::kNxIo;
  return TerminalFile::open(std::move(terminal), path, flags);
}

// Never 0, whoever asks.
u64 current_token() {
  return u64(reinterpret_cast<uptr>(current_thread())) | 1;
}

[[clang::no_destroy]] constinit DeviceRange tty_devices{
    {}, kMajor, kTtyMinor, kConsoleMinor, "/dev/tty", open_tty};

}  // namespace

Result<FileRef> TerminalFile::open(Ref<Terminal> terminal, const Path& path, OpenFlags flags) {
  TRY(terminal->check_open());
  const bool may_share =
      !job_control().current_can || job_control().current_can(Capability::kSysAdmin);
  if (terminal->exclusive() && !may_share) return Errno::kBusy;
  return FileRef(TRY(make_ref<TerminalFile>(std::move(terminal), path, flags)));
}

TerminalFile::TerminalFile(Ref<Terminal> terminal, const Path& path, OpenFlags flags)
    : DeviceFile(path, flags), terminal_(std::move(terminal)), hangups_(terminal_->hangups()) {
  terminal_->file_opened();
}

// Who waits while the terminal hangs up is told that something went wrong; who comes later sees the
// end of the file.
Result<usize> TerminalFile::read(IoBuffer& to) {
  if (hung_up()) {
    if (waiting_.exchange(0) == current_token()) return Errno::kIo;
    return usize{0};
  }
  auto result = terminal_->read(to, !nonblocking());
  waiting_.store(result.failed(Errno::kAgain) && !nonblocking() ? current_token() : 0);
  return result;
}

Result<usize> TerminalFile::write(IoBuffer& from) {
  if (hung_up()) return Errno::kIo;
  return terminal_->write(from);
}

PollEvents TerminalFile::poll() {
  if (hung_up()) return kPollReadable | kPollWritable | PollEvents::kErr | PollEvents::kHup;
  return terminal_->poll();
}

Result<i64> TerminalFile::ioctl(u32 command, UserAddr argument) {
  if (hung_up()) return command == abi::kTiocSpgrp ? Errno::kNotTty : Errno::kIo;
  return terminal_->ioctl(command, argument, readable());
}

void tty_init() {
  register_device(FileType::kCharacterDevice, tty_devices);
}

void set_console_terminal(Ref<Terminal> terminal) {
  SpinGuard guard(console_lock);
  std::swap(console, terminal);
}

Ref<Terminal> console_terminal() {
  SpinGuard guard(console_lock);
  return console;
}

}  // namespace narwhal
