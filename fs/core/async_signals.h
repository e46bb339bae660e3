// Signals about an open file: O_ASYNC, F_SETOWN, F_SETSIG (fcntl(2)).
//
// While O_ASYNC is on, the file's queue has a waiter more. Wake-ups come in any context and under
// the locks of whatever happened, where no signal can be sent; so they are noted here, and told
// when the thread that caused them returns to its program, or by a thread of the kernel if that
// comes first. What a signal is, and who gets it, process/ knows.
#pragma once

#include "kernel/base/list.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {

class File;

// Who is told, and how.
struct FileOwner {
  enum class Type : u8 { kTask, kProcess, kGroup } type = Type::kProcess;
  u8 signal = 0;  // F_SETSIG; 0: SIGIO, without saying what happened
  i32 id = 0;     // 0: nobody
  // Of who named the owner: the signal is sent with that user's right.
  u32 uid = 0, effective_uid = 0;
};

struct FileNews {
  FileOwner owner;
  i32 fd = -1;                          // as the program knew the file when it asked to be told
  i32 code = 0;                         // POLL_IN and its kin, <bits/siginfo-consts.h>
  PollEvents band = PollEvents::kNone;  // the same in the bits of poll(2)
};
inline constexpr i32 kNewsInput = 1;
inline constexpr i32 kNewsOutput = 2;
inline constexpr i32 kNewsMessage = 3;
inline constexpr i32 kNewsError = 4;
inline constexpr i32 kNewsHangUp = 6;
// siginfo's band for one of these codes.
PollEvents band_of(i32 code);

// What an open file keeps about this; made when a program first asks for any of it.
class AsyncSignals final : NonCopyable {
 public:
  explicit AsyncSignals(File& file);
  ~AsyncSignals();

  FileOwner owner() const;
  void set_owner(const FileOwner& owner);

  // O_ASYNC: `fd` is told from now on. ENOMEM.
  Result<> enable(i32 fd);
  void disable();
  // For news that do not come by the file's queue: makes post() possible, and tells of `fd`.
  // ENOMEM.
  Result<> expect_posts(i32 fd);
  // In any context, under locks that kEpollReady may be taken under.
  void post(i32 code);
  // Sockets and terminals tell of room only who lacked it before.
  void lacks_room() { lacks_room_.store(true, Order::kRelaxed); }

  ListNode news_node;  // of the list of those that have news

  // How news are told: process/ says when the machine starts.
  static void set_signaller(void (*signaller)(const FileNews& news));
  // Tells what has been noted. May take thread_list_lock.
  static void tell();

 private:
  struct Watch : Waiter {
    AsyncSignals* signals = nullptr;
  };
  static bool note(Waiter& waiter, PollEvents events);
  static bool take(FileNews& out);
  i32 code_of(PollEvents events);
  Result<> prepare(i32 fd);
  void stop_watching();

  File& file_;
  WaitQueue* queue_ = nullptr;  // while it is on
  Watch watch_;
  Atomic<bool> lacks_room_{false};
  // --- guarded by the lock of that list
  FileOwner owner_;
  i32 fd_ = -1;
  u32 codes_ = 0;  // bit n: news of code n
};

}  // namespace narwhal
