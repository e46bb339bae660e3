// Writes that a virtual CPU leaves to another host thread (writer.h): a ring between one who posts
// and one who writes.
//
// A job's place belongs to who posts until post(), to who writes until written(), and to the former
// again, who takes it back in the same order: so nobody locks anything.
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/platform/process/host.h"

namespace narwhal::process_home {

// One call of writev(2).
struct WriteJob {
  // A frame of 64 KiB from the pages of a file, with its headers.
  static constexpr usize kMostPieces = 20;
  static constexpr usize kHeaderSize = 12;

  int fd;
  u32 count;
  void* token;  // of who posts
  // A place for what stands before the frame, for a piece to point to.
  alignas(8) std::byte header[kHeaderSize];
  // What they point to stays as it is until the job is taken back.
  host::Piece pieces[kMostPieces];
};

class WriteQueue : NonCopyable {
 public:
  static constexpr u32 kMostJobs = 128;

  // --- by who posts, one caller at a time

  bool is_full() const { return posted_.load(Order::kRelaxed) - taken_back_ == kMostJobs; }
  bool is_empty() const { return posted_.load(Order::kRelaxed) == written_.load(Order::kAcquire); }
  // The next one, to be filled in. Not while the queue is full.
  WriteJob& next() { return jobs_[posted_.load(Order::kRelaxed) % kMostJobs]; }
  // `wake(word)` wakes who sleeps there.
  template <typename Wake>
  void post(Wake wake) {
    posted_.fetch_add(1);
    // Either this sees that the writer is about to sleep, or that one sees the job.
    if (sleeping_.load() != 0 && sleeping_.exchange(0) != 0) wake(word());
  }
  // The first that was written and not taken back yet, until the next post(); or null.
  const WriteJob* take_back() {
    if (taken_back_ == written_.load(Order::kAcquire)) return nullptr;
    return &jobs_[taken_back_++ % kMostJobs];
  }

  // --- by who writes

  // `pause` is called a few times while there is none, for the next often comes at once; then
  // `sleep(word, value)`, which sleeps while the word is `value`, or for less.
  template <typename Pause, typename Sleep>
  WriteJob& wait_for_job(Pause pause, Sleep sleep) {
    const u32 mine = written_.load(Order::kRelaxed);
    for (u32 pauses = 0; posted_.load(Order::kAcquire) == mine;) {
      if (++pauses < kMostPauses) {
        pause();
        continue;
      }
      sleeping_.store(1);
      if (posted_.load() == mine) sleep(word(), 1);
      sleeping_.store(0);
    }
    return jobs_[mine % kMostJobs];
  }
  void written() { written_.fetch_add(1, Order::kRelease); }

 private:
  // A wake-up costs the one who posts as much as a short write does. But who waits for longer takes
  // the processor from the packets' reader.
  static constexpr u32 kMostPauses = 100;

  u32& word() { return *reinterpret_cast<u32*>(&sleeping_); }

  // All three count on for ever.
  alignas(64) Atomic<u32> posted_{0};
  u32 taken_back_ = 0;
  alignas(64) Atomic<u32> written_{0};
  alignas(64) Atomic<u32> sleeping_{0};
  WriteJob jobs_[kMostJobs] = {};
};

}  // namespace narwhal::process_home
