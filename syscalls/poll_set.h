// The heart of poll(2) and select(2): wait until one of several files is ready.
#pragma once

#include "fs/core/file.h"
#include "kernel/base/vector.h"

namespace narwhal {

class Task;

class PollSet : NonCopyable {
 public:
  struct Entry {
    FileRef file;  // null: an entry without a file, never ready by itself
    PollEvents wanted = PollEvents::kNone;
    PollEvents ready = PollEvents::kNone;  // out; kNval when the descriptor was not open
  };

  ~PollSet();
  // Makes room for `count` entries. ENOMEM.
  Result<> reserve(usize count) { return entries_.reserve(count); }
  Result<> add(Entry entry) { return entries_.push_back(std::move(entry)); }
  std::span<Entry> entries() { return {entries_.data(), entries_.size()}; }

  // Asks every file; if none is ready, waits for one. Returns how many entries are ready: 0 when
  // the deadline passed. kRestartNoHand when a signal came.
  Result<usize> wait(u64 deadline_ns);

 private:
  usize ask();
  Result<> register_all();

  Vector<Entry> entries_;
  ScopedWait* waits_ = nullptr;  // one for each entry that can be waited for
  usize wait_count_ = 0;
};

}  // namespace narwhal
