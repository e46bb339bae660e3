// Path arguments: the text, and where it begins.
#pragma once

#include "process/task.h"
#include "syscalls/types.h"

namespace narwhal {

// <fcntl.h>: flags of the *at() calls.
enum AtFlags : u32 {
  kAtSymlinkNoFollow = 0x100,
  kAtRemoveDir = 0x200,        // unlinkat(2)
  kAtEffectiveAccess = 0x200,  // faccessat2(2)
  kAtSymlinkFollow = 0x400,
  kAtNoAutomount = 0x800,
  kAtEmptyPath = 0x1000,
};

// A string of the program's. Most are short and stay on the stack; the others go to the heap.
class UserText : NonCopyable {
 public:
  UserText() = default;
  ~UserText() {
    if (large_) ::operator delete(large_);
  }
  // At most `capacity` bytes with the NUL. EFAULT, ENAMETOOLONG, ENOMEM.
  Result<> load(UserString from, usize capacity = kMaxPath);
  std::string_view view() const { return view_; }

 private:
  char small_[200];
  char* large_ = nullptr;
  std::string_view view_;
};

// The pair (directory descriptor, path) of the *at() calls.
class PathArgument : NonCopyable {
 public:
  // With kAtEmptyPath in `flags`, "" means the descriptor itself. ENOENT for "" else; EBADF;
  // ENOTDIR when the descriptor is no directory and the path needs one.
  Result<> load(Task& task, DirFd dir, UserString path, u32 flags = 0);
  Result<> load(Task& task, UserString path) { return load(task, DirFd{kAtFdCwd}, path); }

  const Path& start() const { return start_; }
  std::string_view view() const { return text_.view(); }
  // The file that "" stands for, when a descriptor was given.
  File* file_itself() const { return view().empty() ? file_.get() : nullptr; }
  // Where it leads. `flags` as the *at() calls have them: kAtSymlinkNoFollow, kAtEmptyPath.
  // EBADF for "" and a descriptor without a place among names (a pipe, a socket).
  Result<Path> find(const vfs::Actor& actor, u32 flags = 0) const;

 private:
  UserText text_;
  FileRef file_;
  Path start_;
};

}  // namespace narwhal
