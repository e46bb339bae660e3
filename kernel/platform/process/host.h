// Every call that this home makes to the host, in one place: what seccomp will have to leave open.
//
// The functions return the host's answer as a Result, or a plain value where a failure is a bug of
// ours and ends in a panic.
#pragma once

#include <span>

#include "kernel/base/result.h"
#include "kernel/base/types.h"

namespace narwhal::host {

// Numbers and structures as the host's Linux has them on x86-64 (include/uapi).
struct TimeSpec {
  i64 seconds;
  i64 nanoseconds;
};
struct PollFd {
  i32 fd;
  i16 events;
  i16 happened;
};
inline constexpr i16 kPollIn = 1, kPollOut = 4, kPollError = 8, kPollHangUp = 16,
                     kPollPeerDone = 0x2000;

// The calls (arch/x86/entry/syscalls/syscall_64.tbl).
enum class Number : u64 {
  kRead = 0,
  kWrite = 1,
  kOpen = 2,
  kClose = 3,
  kLseek = 8,
  kMmap = 9,
  kMprotect = 10,
  kMunmap = 11,
  kSigaction = 13,
  kSigprocmask = 14,
  kSigreturn = 15,
  kPread = 17,
  kReadv = 19,
  kWritev = 20,
  kMadvise = 28,
  kGetpid = 39,
  kFork = 57,
  kWait4 = 61,
  kFcntl = 72,
  kFtruncate = 77,
  kGetppid = 110,
  kGetpgrp = 111,
  kCapset = 126,
  kSigaltstack = 131,
  kPrctl = 157,
  kGettid = 186,
  kFutex = 202,
  kSchedSetAffinity = 203,
  kSchedGetAffinity = 204,
  kTimerCreate = 222,
  kTimerSettime = 223,
  kClockGettime = 228,
  kExitGroup = 231,
  kTgkill = 234,
  kPpoll = 271,
  kFallocate = 285,
  kPrlimit = 302,
  kGetrandom = 318,
  kMemfdCreate = 319,
  kCloseRange = 436,
  kLandlockCreateRuleset = 444,
  kLandlockRestrictSelf = 446,
};

// struct iovec.
struct Piece {
  void* data;
  usize size;
};
// UIO_MAXIOV: the most pieces of one call.
inline constexpr usize kMostPieces = 1024;

struct SignalAction {
  void (*handler)(int, void*, void*);
  u64 flags;
  void (*restorer)();
  u64 mask;
};
struct SignalStack {
  void* start;
  i32 flags;
  u64 size;
};

// mmap's flags for all that is shared: MAP_SHARED | MAP_FIXED, and MAP_POPULATE where asked for.
inline constexpr u32 kSharedFixed = 0x11, kPresent = 0x8000;

enum class Rights : u32 { kNone = 0, kRead = 1, kReadWrite = 3, kReadExecute = 5, kAll = 7 };

// --- memory. All are at fixed addresses.
// ENOMEM; EEXIST when something is there.
Result<> reserve(u64 at, u64 size);
// EACCES, ENOMEM (too many mappings). `present`: all pages will be used soon.
Result<> map_shared(u64 at, u64 size, u32 rights, int fd, u64 offset, bool present = false);
Result<> map_private(u64 at, u64 size, u32 rights, int fd, u64 offset);
// Private memory, all zero; the only one here that other host processes do not see.
Result<> map_anonymous(u64 at, u64 size);
Result<> unmap(u64 at, u64 size);
// MADV_DONTNEED: pages of files stay what they are and are mapped again when they are touched.
inline constexpr u32 kDontNeed = 4;
Result<> forget_mapped(u64 at, u64 size);
// MADV_COLLAPSE: makes one huge page of what is mapped there, 2 MiB of which the host has some.
// EINVAL where it can't.
inline constexpr u32 kCollapse = 25;
Result<> make_huge(u64 at, u64 size);
Result<> protect(u64 at, u64 size, u32 rights);
Result<int> make_memory_file();
Result<> set_file_size(int fd, u64 size);
// FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE: the pages are the host's again, and zero.
inline constexpr u32 kPunchHole = 3;
Result<> punch_hole(int fd, u64 offset, u64 size);
// The memory file keeps its size, and can't be executed as a program. EPERM where whoever made it
// did not allow for seals.
Result<> seal_memory_file(int fd);

// --- descriptors
Result<usize> read(int fd, std::span<std::byte> to);
Result<usize> read_at(int fd, std::span<std::byte> to, u64 offset);
Result<usize> write(int fd, std::span<const std::byte> from);
// readv(2), writev(2).
Result<usize> read_pieces(int fd, std::span<const Piece> to);
Result<usize> write_pieces(int fd, std::span<const Piece> from);
Result<int> open_read_only(const char* path);
void close(int fd);
// From now on, when there is something to be read, SIGIO is sent (F_SETOWN and O_ASYNC in fcntl(2))
// to this thread, or to all of this process' group. Of descriptors that can't do it, EINVAL.
Result<> signal_input(int fd, bool to_group);
// To whom that signal goes, without asking for it yet.
Result<> direct_signals(int fd, bool to_group);
// Whether it is sent, of a descriptor that does not block and has no other flags.
inline constexpr u32 kSetFlags = 4, kNonBlocking = 04000, kAsynchronous = 020000;  // F_SETFL, O_...
void switch_signals(int fd, bool on);
// Whether read(2) and write(2) may have to wait for others: never on a regular file, and not where
// O_NONBLOCK is set.
enum class Transfers : u8 { kMayWait, kNeverWait, kOfFile };
Transfers kind_of_transfers(int fd);
// How many are ready now, or so much later at the latest. EINTR.
Result<usize> poll_now(std::span<PollFd> polled);
Result<usize> poll_for(std::span<PollFd> polled, u64 most_ns);

// --- time
inline constexpr u32 kRealtime = 0, kMonotonic = 1;  // CLOCK_*
u64 monotonic_ns();
i64 wall_clock_ns();
// Whether reading the time stamp counter is a fault of this thread's (PR_SET_TSC in prctl(2)).
inline constexpr u32 kSetTimeStamp = 26, kReadable = 1, kFault = 2;
void hide_time_stamp(bool hide);
// A timer that sends `signal` to a thread of this process, once.
Result<int> make_timer(int signal, int thread);
// From now; 0 stops it.
void set_timer(int timer, u64 wait_ns);

// --- signals and system calls
Result<> set_action(int signal, const SignalAction& action);
Result<> set_signal_stack(const SignalStack& stack);
inline constexpr u32 kUnblock = 1;  // SIG_UNBLOCK
void unblock_all_signals();
// A set of signals, as in sigset_t: bit N - 1 is signal N.
constexpr u64 signal_bit(int signal) {
  return u64{1} << (signal - 1);
}
void unblock_signals(u64 set);
void block_all_signals();
void block_all_signals_but(int signal);
inline constexpr int kChildEnded = 17;  // SIGCHLD
// From now on a `syscall` outside of [start, start + size) is a SIGSYS
// (Documentation/admin-guide/syscall-user-dispatch.rst).
Result<> dispatch_system_calls(u64 start, u64 size);

// --- what this process gives up (README.md: confinement)
// close_range(2): before Linux 5.9 nothing is closed.
void close_range(u32 first, u32 last);
enum class Limit : u32 {
  kCoreFile = 4,
  kDescriptors = 7,
  kLockedMemory = 8,
  kAddressSpace = 9,
  kMessageQueues = 12
};
Result<> set_limit(Limit which, u64 most);
// No core files, and nobody but root looks into this process (PR_SET_DUMPABLE in prctl(2)).
void forbid_dumps();
// What ps(1) shows; at most 15 characters.
void set_process_name(const char* name);
Result<> drop_capabilities();
// Landlock without a single rule: no file may be opened, no port bound or connected to, no process
// outside signalled. The version that the host has; ENOSYS, EOPNOTSUPP.
Result<int> restrict_by_landlock();
// No program that is executed gets more rights than this one; which Landlock and seccomp want.
Result<> forbid_new_privileges();
// A seccomp filter of classic BPF, for good.
Result<> install_filter(const void* instructions, u16 count);

// --- host processes and their threads
int process_id();
int thread_id();
// Gives this thread a number that it can read without a call: `lsl` of kThreadSegment gives it, and
// clears ZF in threads that have none. It is the limit of an entry for threads in the table of
// segments (set_thread_area(2)); threads and processes that this one makes inherit it. False where
// the host takes no calls of 32-bit programs: for the first thread, which survives the fault.
inline constexpr u32 kThreadSegment = 0x63;
bool number_thread(u32 number);
// Processors of the host's, as cpu_set_t has them.
struct Processors {
  static constexpr usize kWords = 16;
  u64 bits[kWords] = {};

  void add(u32 number) {
    if (number < kWords * 64) bits[number / 64] |= u64{1} << number % 64;
  }
  usize count() const {
    usize sum = 0;
    for (const u64 word : bits) sum += usize(__builtin_popcountll(word));
    return sum;
  }
};
// Those that this thread may run on (sched_setaffinity(2)). EINVAL: the host has more of them than
// fit, or this thread may use none of these.
Result<> allowed_processors(Processors& allowed);
Result<> run_on(const Processors& allowed);
// Sends a signal to a thread (tgkill(2)).
void signal_thread(int process, int thread, int signal);
// fork(2): shares what is mapped shared; else a copy. The child gets 0.
i64 fork();
// A child that has ended, if there is one, and its status as wait(2) has it.
bool take_ended_child(i32& status);
// SIGKILL when the parent ends (PR_SET_PDEATHSIG). ESRCH: it is gone already, or never was
// `parent`.
Result<> die_with_parent(int parent);
// futex(2), among processes; no others of its operations.
inline constexpr u32 kFutexWait = 0, kFutexWake = 1;
// Sleeps as long as the word is `value`, or for less.
void wait(u32& word, u32 value);
void wake(u32& word);

Result<usize> random(std::span<std::byte> out);
[[noreturn]] void exit(u8 status);

}  // namespace narwhal::host
