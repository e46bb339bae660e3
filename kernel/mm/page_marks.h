// Marks on the pages of a memory object: those that have changed since they were written back.
// No lock of its own: its owner's, a spinlock, guards it.
#pragma once

#include "kernel/base/vector.h"

namespace narwhal {

class PageMarks : NonCopyable {
 public:
  PageMarks() = default;
  ~PageMarks();

  // ENOMEM, but never for a page that was marked before: what must not fail is done once in
  // advance.
  Result<> mark(u64 index);
  bool is_marked(u64 index) const;
  u64 count() const { return count_; }
  struct Run {
    u64 first = 0;
    u64 count = 0;  // 0: there is none
  };
  // Takes the marks off the first run of marked pages in [from, to), of at most `most` of them.
  Run take_run(u64 from, u64 to, u64 most);
  // Takes those of [first, last) off.
  void clear(u64 first, u64 last);

 private:
  // Parts stay once they are made. One is for 16 MiB of content.
  static constexpr u64 kWordBits = 64, kWords = 64, kPartPages = kWordBits * kWords;
  struct Part {
    u64 words[kWords] = {};
    u32 count = 0;
  };
  // The first marked page at or after `from`; `to` if there is none before it.
  u64 find(u64 from, u64 to) const;
  void unmark(u64 index);

  Vector<Part*> parts_;
  u64 count_ = 0;
};

}  // namespace narwhal
