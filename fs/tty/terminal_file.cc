#include "fs/tty/terminal_file.h"

#include "fs/core/special_file.h"
#include "fs/tty/job_control.h"

namespace narwhal {
namespace {

constexpr u32 kMajor = 5;
constexpr u32 kTtyMinor = 0, kConsoleMinor = 1;

constinit SpinLock<LockRank::kSpinOther> console_lock;
[[clang::no_destroy]] constinit Ref<Terminal> console TA_GUARDED_BY(console_lock);

Result<FileRef> open_tty(const Path& path, OpenFlags flags) {
  Ref<Terminal> terminal = console_terminal();
  if (!terminal) return Errno::kNxIo;
  const JobControl& jobs = job_control();
  if (device_minor(path.dentry->inode().special_device()) == kTtyMinor) {
    const u32 session = jobs.current_session ? jobs.current_session() : 0;
    if (session == 0 || terminal->session() != session) return Errno::kNxIo;
  } else if (!has(flags, OpenFlags::kNoControllingTty)) {
    terminal->opened_by_current();
  }
  return FileRef(TRY(make_ref<TerminalFile>(std::move(terminal), path, flags)));
}

[[clang::no_destroy]] constinit CharacterDevice tty_devices{
    {}, kMajor, kTtyMinor, kConsoleMinor, "/dev/tty", open_tty};

}  // namespace

void tty_init() {
  register_character_device(tty_devices);
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
