#include "syscalls/path_argument.h"

namespace narwhal {

Result<> UserText::load(UserString from, usize capacity) {
  const usize first = capacity < sizeof small_ ? capacity : sizeof small_;
  auto loaded = from.load(std::span<char>(small_, first));
  if (loaded.failed(Errno::kNameTooLong) && first < capacity) {
    if (!large_) large_ = static_cast<char*>(::operator new(capacity, std::nothrow));
    if (!large_) return Errno::kNoMem;
    view_ = TRY(from.load(std::span<char>(large_, capacity)));
    return {};
  }
  view_ = TRY(std::move(loaded));
  return {};
}

Result<> PathArgument::load(Task& task, DirFd dir, UserString path, u32 flags) {
  TRY(text_.load(path));
  const std::string_view text = view();
  if (text.empty() && !(flags & kAtEmptyPath)) return Errno::kNoEnt;
  if (text.starts_with('/') || dir.value == kAtFdCwd) return {};
  file_ = TRY(task.files().get_any(dir.value));
  if (const Path* place = file_->path())
    start_ = *place;
  else if (!text.empty())
    return Errno::kNotDir;
  return {};
}

Result<Path> PathArgument::find(const vfs::Actor& actor, u32 flags) const {
  if (file_itself() && !start_) return Errno::kBadF;
  LookupFlags lookup = LookupFlags::kNone;
  if (!(flags & kAtSymlinkNoFollow)) lookup |= LookupFlags::kFollow;
  if (flags & kAtEmptyPath) lookup |= LookupFlags::kEmptyPath;
  return vfs::lookup(actor, start_, view(), lookup);
}

}  // namespace narwhal
