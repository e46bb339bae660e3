// Base of files without a name or an inode: pipes, eventfd, epoll, timers. They all live on one
// pretended device, as on Linux (anon_inodefs, pipefs).
#pragma once

#include "fs/core/file.h"

namespace narwhal {

class AnonymousFile : public File {
 public:
  // `label` is what /proc/PID/fd shows: "anon_inode:[eventfd]". A constant string.
  AnonymousFile(OpenFlags flags, std::string_view label, u32 mode)
      : File(flags), label_(label), mode_(mode) {}

  Result<> stat(abi::Stat& out) override;
  Result<String> link_text() const override { return String::copy(label_); }

 private:
  std::string_view label_;
  u32 mode_;
};

// A number for an object without an inode of its own, never given twice.
u64 next_anonymous_inode();

}  // namespace narwhal
