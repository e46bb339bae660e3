// An open generated file.
#pragma once

#include "fs/generated/generated.h"

namespace narwhal {

// Holds the text as it was when the reading began. No lock is held while it is made: generators
// take whatever locks they need.
class GeneratedTextFile final : public File {
 public:
  GeneratedTextFile(const Path& path, OpenFlags flags) : File(flags), path_(path) {
    if (const TextChanges* changes = generator().changes()) seen_.store(changes->count.load());
  }

  Result<usize> read(IoBuffer& to) override;
  Result<usize> read_at(IoBuffer& to, u64 offset) override;
  Result<usize> write(IoBuffer& from) override;
  Result<usize> write_at(IoBuffer& from, u64) override { return write(from); }
  Result<i64> ioctl(u32 command, UserAddr argument) override {
    return generator().control(command, argument);
  }
  Result<i64> seek(i64 offset, int whence) override;
  bool seekable() const override { return true; }
  // A change since the last time that this was asked is an error condition, as Linux has it.
  PollEvents poll() override;
  WaitQueue* poll_queue() override {
    TextChanges* changes = generator().changes();
    return changes ? &changes->queue : nullptr;
  }
  Result<> stat(abi::Stat& out) override { return path_.dentry->inode().stat(out); }
  Result<> truncate(u64) override { return {}; }
  const Path* path() const override { return &path_; }
  Result<String> link_text() const override;
  Kind kind() const override { return Kind::kRegular; }

 private:
  // Makes the text that a read at `offset` shows.
  Result<> prepare(u64 offset);
  Result<usize> copy_out(IoBuffer& to, u64 offset);
  GeneratedFile& generator() { return static_cast<GeneratedFile&>(path_.dentry->inode()); }

  Path path_;
  Atomic<u64> seen_{0};  // of TextChanges::count
  Mutex<LockRank::kInode> text_mutex_;
  Vector<char> text_ TA_GUARDED_BY(text_mutex_);
  bool generated_ TA_GUARDED_BY(text_mutex_) = false;
};

}  // namespace narwhal
