#include "syscalls/file_owner.h"

#include "kernel/abi/file_control.h"
#include "process/file_signal.h"

namespace narwhal {
namespace {

FileOwner owner_of(const File& file) {
  const AsyncSignals* signals = file.async_signals_if_any();
  FileOwner owner = signals ? signals->owner() : FileOwner();
  if (owner.id != 0 && !owner_exists(owner)) owner.id = 0;
  return owner;
}

Result<> set_owner(Task& task, File& file, FileOwner::Type type, i32 id) {
  AsyncSignals* signals = TRY(file.async_signals());
  FileOwner owner = signals->owner();
  owner.type = type;
  owner.id = id;
  if (id != 0 && !owner_exists(owner)) return Errno::kSrch;
  owner.uid = task.credentials().uid;
  owner.effective_uid = task.credentials().euid;
  signals->set_owner(owner);
  return {};
}

}  // namespace

Result<> set_file_owner(Task& task, File& file, i32 who) {
  if (who == INT32_MIN) return Errno::kInval;
  return who < 0 ? set_owner(task, file, FileOwner::Type::kGroup, -who)
                 : set_owner(task, file, FileOwner::Type::kProcess, who);
}

i32 file_owner(const File& file) {
  const FileOwner owner = owner_of(file);
  return owner.type == FileOwner::Type::kGroup ? -owner.id : owner.id;
}

Result<> load_file_owner(Task& task, File& file, UserAddr from) {
  const auto wanted = TRY(load_user<abi::OwnerEx>(from));
  if (u32(wanted.type) > u32(FileOwner::Type::kGroup)) return Errno::kInval;
  return set_owner(task, file, FileOwner::Type(wanted.type), wanted.pid);
}

Result<> store_file_owner(const File& file, UserAddr to) {
  const FileOwner owner = owner_of(file);
  TRY(store_user(to, abi::OwnerEx{i32(owner.type), owner.id}));
  return {};
}

Result<> set_file_signal(File& file, u64 signal) {
  if (signal > u64(Signal::kMax)) return Errno::kInval;
  AsyncSignals* signals = TRY(file.async_signals());
  FileOwner owner = signals->owner();
  owner.signal = u8(signal);
  signals->set_owner(owner);
  return {};
}

u8 file_signal(const File& file) {
  const AsyncSignals* signals = file.async_signals_if_any();
  return signals ? signals->owner().signal : 0;
}

Result<> own_if_nobody_does(Task& task, File& file) {
  if (TRY(file.async_signals())->owner().id != 0) return {};
  return set_owner(task, file, FileOwner::Type::kProcess, i32(task.process().pid()));
}

bool can_be_asynchronous(const File& file) {
  switch (file.kind()) {
    case File::Kind::kPipe:
    case File::Kind::kSocket:
    case File::Kind::kTerminal:
    case File::Kind::kInotify:
    case File::Kind::kHostStream:
      return true;
    default:
      return false;
  }
}

Result<> switch_asynchronous(Task& task, File& file, i32 fd, bool on) {
  AsyncSignals* signals = TRY(file.async_signals());
  if (!on) {
    signals->disable();
    return {};
  }
  TRY(signals->enable(fd));
  if (file.kind() != File::Kind::kTerminal) return {};
  // A terminal's belongs to who reads it, unless the program named somebody.
  const u32 foreground = file.foreground_group();
  if (foreground != 0 && signals->owner().id == 0)
    return set_owner(task, file, FileOwner::Type::kGroup, i32(foreground));
  return own_if_nobody_does(task, file);
}

}  // namespace narwhal
