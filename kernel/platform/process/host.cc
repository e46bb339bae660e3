#include "kernel/platform/process/host.h"

namespace narwhal::host {
namespace {

using enum Number;

constexpr u64 kMapPrivate = 2, kMapFixed = 0x10, kMapAnonymous = 0x20, kMapNoReserve = 0x4000,
              kMapFixedNoReplace = 0x100000;

i64 call(Number number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0, u64 f = 0) {
  i64 result;
  register u64 r10 asm("r10") = d;
  register u64 r8 asm("r8") = e;
  register u64 r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
u64 word(T* pointer) {
  return reinterpret_cast<u64>(pointer);
}

bool failed(i64 result) {
  return result < 0 && result >= -4095;
}
Errno error(i64 result) {
  return Errno(-result);
}
Result<> outcome(i64 result) {
  if (failed(result)) return error(result);
  return {};
}
Result<usize> count(i64 result) {
  if (failed(result)) return error(result);
  return usize(result);
}
Result<int> descriptor(i64 result) {
  if (failed(result)) return error(result);
  return int(result);
}

u64 clock(u64 which) {
  TimeSpec time{};
  call(kClockGettime, which, word(&time));
  return u64(time.seconds) * kNanosPerSecond + u64(time.nanoseconds);
}

void set_signal_mask(u64 mask) {
  constexpr u64 kSetMask = 2;
  call(kSigprocmask, kSetMask, word(&mask), 0, 8);
}

}  // namespace

Result<> reserve(u64 at, u64 size) {
  const i64 got = call(kMmap, at, size, 0,
                       kMapPrivate | kMapAnonymous | kMapNoReserve | kMapFixedNoReplace, ~u64{0});
  if (failed(got)) return error(got);
  // Linux before 4.17 takes the address for a wish.
  if (u64(got) != at) return Errno::kExist;
  return {};
}

Result<> map_shared(u64 at, u64 size, u32 rights, int fd, u64 offset, bool present) {
  const u64 flags = kSharedFixed | (present ? kPresent : 0);
  return outcome(call(kMmap, at, size, rights, flags, u64(fd), offset));
}
Result<> map_private(u64 at, u64 size, u32 rights, int fd, u64 offset) {
  return outcome(call(kMmap, at, size, rights, kMapPrivate | kMapFixed, u64(fd), offset));
}
Result<> map_anonymous(u64 at, u64 size) {
  return outcome(call(kMmap, at, size, u64(Rights::kReadWrite),
                      kMapPrivate | kMapAnonymous | kMapFixed, ~u64{0}));
}
Result<> unmap(u64 at, u64 size) {
  return outcome(call(kMunmap, at, size));
}
Result<> forget_mapped(u64 at, u64 size) {
  return outcome(call(kMadvise, at, size, kDontNeed));
}
Result<> make_huge(u64 at, u64 size) {
  return outcome(call(kMadvise, at, size, kCollapse));
}
Result<> protect(u64 at, u64 size, u32 rights) {
  return outcome(call(kMprotect, at, size, rights));
}
Result<int> make_memory_file() {
  constexpr u64 kCloseOnExec = 1, kAllowSealing = 2, kNoExecSeal = 8;
  const char name[] = "narwhal-memory";
  const i64 made = call(kMemfdCreate, word(name), kCloseOnExec | kAllowSealing | kNoExecSeal);
  // Linux before 6.3 does not know the last one.
  if (!failed(made)) return int(made);
  return descriptor(call(kMemfdCreate, word(name), kCloseOnExec | kAllowSealing));
}
Result<> punch_hole(int fd, u64 offset, u64 size) {
  return outcome(call(kFallocate, u64(fd), kPunchHole, offset, size));
}
Result<> set_file_size(int fd, u64 size) {
  return outcome(call(kFtruncate, u64(fd), size));
}

Result<> seal_memory_file(int fd) {
  constexpr u64 kAddSeals = 1033, kSeal = 1, kShrink = 2, kGrow = 4;
  return outcome(call(kFcntl, u64(fd), kAddSeals, kSeal | kShrink | kGrow));
}

Result<usize> read(int fd, std::span<std::byte> to) {
  return count(call(kRead, u64(fd), word(to.data()), to.size()));
}
Result<usize> read_at(int fd, std::span<std::byte> to, u64 offset) {
  return count(call(kPread, u64(fd), word(to.data()), to.size(), offset));
}
Result<usize> write(int fd, std::span<const std::byte> from) {
  return count(call(kWrite, u64(fd), word(from.data()), from.size()));
}
Result<usize> read_pieces(int fd, std::span<const Piece> to) {
  return count(call(kReadv, u64(fd), word(to.data()), to.size()));
}
Result<usize> write_pieces(int fd, std::span<const Piece> from) {
  return count(call(kWritev, u64(fd), word(from.data()), from.size()));
}
Result<int> open_read_only(const char* path) {
  constexpr u64 kCloseOnExec = 02000000;
  return descriptor(call(kOpen, word(path), kCloseOnExec));
}
void close(int fd) {
  call(kClose, u64(fd));
}
Transfers kind_of_transfers(int fd) {
  constexpr u64 kGetFlags = 3, kFromHere = 1;
  // What has a position; pipes, sockets and terminals have none (ESPIPE).
  if (!failed(call(kLseek, u64(fd), 0, kFromHere))) return Transfers::kOfFile;
  const i64 flags = call(kFcntl, u64(fd), kGetFlags);
  return !failed(flags) && flags & kNonBlocking ? Transfers::kNeverWait : Transfers::kMayWait;
}
Result<> direct_signals(int fd, bool to_group) {
  constexpr u64 kSetOwner = 15;
  constexpr i32 kThread = 0, kGroup = 2;
  const struct {
    i32 kind, id;
  } owner{to_group ? kGroup : kThread, i32(call(to_group ? kGetpgrp : kGettid))};
  return outcome(call(kFcntl, u64(fd), kSetOwner, word(&owner)));
}
Result<> signal_input(int fd, bool to_group) {
  constexpr u64 kGetFlags = 3;
  TRY(direct_signals(fd, to_group));
  const i64 flags = call(kFcntl, u64(fd), kGetFlags);
  if (failed(flags)) return error(flags);
  return outcome(call(kFcntl, u64(fd), kSetFlags, u64(flags) | kAsynchronous));
}
void switch_signals(int fd, bool on) {
  call(kFcntl, u64(fd), kSetFlags, kNonBlocking | (on ? kAsynchronous : 0));
}
Result<usize> poll_now(std::span<PollFd> polled) {
  return poll_for(polled, 0);
}
Result<usize> poll_for(std::span<PollFd> polled, u64 most_ns) {
  const TimeSpec most{i64(most_ns / kNanosPerSecond), i64(most_ns % kNanosPerSecond)};
  return count(call(kPpoll, word(polled.data()), polled.size(), word(&most), 0, 8));
}

u64 monotonic_ns() {
  return clock(kMonotonic);
}
i64 wall_clock_ns() {
  return i64(clock(kRealtime));
}

void hide_time_stamp(bool hide) {
  call(kPrctl, kSetTimeStamp, hide ? kFault : kReadable);
}

Result<int> make_timer(int signal, int thread) {
  constexpr i32 kToThread = 4;  // SIGEV_THREAD_ID
  struct {
    u64 value = 0;
    i32 signal;
    i32 notify = kToThread;
    i32 thread;
    i32 rest[11] = {};
  } event;
  static_assert(sizeof event == 64);
  event.signal = signal;
  event.thread = thread;
  i32 timer = -1;
  const i64 result = call(kTimerCreate, kMonotonic, word(&event), word(&timer));
  if (failed(result)) return error(result);
  return int(timer);
}

void set_timer(int timer, u64 wait_ns) {
  const struct {
    TimeSpec interval{};
    TimeSpec value;
  } setting{.value = {i64(wait_ns / kNanosPerSecond), i64(wait_ns % kNanosPerSecond)}};
  call(kTimerSettime, u64(timer), 0, word(&setting));
}

Result<> set_action(int signal, const SignalAction& action) {
  return outcome(call(kSigaction, u64(signal), word(&action), 0, 8));
}
Result<> set_signal_stack(const SignalStack& stack) {
  return outcome(call(kSigaltstack, word(&stack)));
}
void unblock_all_signals() {
  set_signal_mask(0);
}
void unblock_signals(u64 set) {
  call(kSigprocmask, kUnblock, word(&set), 0, sizeof set);
}
void block_all_signals() {
  set_signal_mask(~u64{0});
}
void block_all_signals_but(int signal) {
  set_signal_mask(~signal_bit(signal));
}
Result<> dispatch_system_calls(u64 start, u64 size) {
  constexpr u64 kSetDispatch = 59, kOn = 1;
  return outcome(call(kPrctl, kSetDispatch, kOn, start, size, 0));
}

void close_range(u32 first, u32 last) {
  call(kCloseRange, first, last);
}
Result<> forbid_new_privileges() {
  constexpr u64 kNoNewPrivileges = 38;
  return outcome(call(kPrctl, kNoNewPrivileges, 1));
}
Result<> install_filter(const void* instructions, u16 count) {
  constexpr u64 kSetSeccomp = 22, kFilterMode = 2;
  const struct {
    u16 count;
    const void* instructions;
  } program{count, instructions};
  return outcome(call(kPrctl, kSetSeccomp, kFilterMode, word(&program)));
}
Result<> set_limit(Limit which, u64 most) {
  const u64 soft_and_hard[] = {most, most};
  return outcome(call(kPrlimit, 0, u64(which), word(soft_and_hard)));
}
void forbid_dumps() {
  constexpr u64 kSetDumpable = 4;
  call(kPrctl, kSetDumpable, 0);
}
void set_process_name(const char* name) {
  constexpr u64 kSetName = 15;
  call(kPrctl, kSetName, word(name));
}
Result<> drop_capabilities() {
  constexpr u32 kVersion3 = 0x20080522;
  const struct {
    u32 version = kVersion3;
    i32 process = 0;
  } header;
  const u32 none[6] = {};  // effective, permitted and inheritable, twice 32 bits of each
  return outcome(call(kCapset, word(&header), word(none)));
}
Result<int> restrict_by_landlock() {
  // struct landlock_ruleset_attr (linux/landlock.h), as long as the version knows it.
  struct {
    u64 files, network, scopes;
  } all{};
  constexpr u64 kAskVersion = 1;
  const i64 version = call(kLandlockCreateRuleset, 0, 0, kAskVersion);
  if (failed(version)) return error(version);
  if (version < 1) return Errno::kOpNotSupp;
  constexpr u8 kFileRights[] = {13, 14, 15, 15, 16};  // by version; the last for all later ones
  all.files = (u64{1} << kFileRights[version <= 5 ? version - 1 : 4]) - 1;
  all.network = version >= 4 ? 3 : 0;
  all.scopes = version >= 6 ? 3 : 0;
  const u64 size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const i64 rules = call(kLandlockCreateRuleset, word(&all), size);
  if (failed(rules)) return error(rules);
  const i64 done = call(kLandlockRestrictSelf, u64(rules), 0);
  call(kClose, u64(rules));
  if (failed(done)) return error(done);
  return int(version);
}

int process_id() {
  return int(call(kGetpid));
}
int thread_id() {
  return int(call(kGettid));
}
bool number_thread(u32 number) {
  // struct user_desc (asm/ldt.h); the call takes addresses of 32 bits.
  struct Segment {
    u32 entry, base, limit, flags;
  };
  constexpr u64 kLow = 0x40, kSize = 4 * kKiB;
  constexpr u32 kOf32Bits = 1, kUseable = 1 << 6;
  const i64 at =
      call(kMmap, 0, kSize, u64(Rights::kReadWrite), kMapPrivate | kMapAnonymous | kLow, ~u64{0});
  if (failed(at)) return false;
  auto* const segment = reinterpret_cast<Segment*>(at);
  *segment = {kThreadSegment / 8, 0, number, kOf32Bits | kUseable};
  i64 result = 243;  // of the calls of 32-bit programs
  asm volatile(
      "1: int $0x80\n"
      "2:\n\t"
      ".pushsection .exception_table, \"a\", @progbits\n\t"
      ".long 1b - .\n\t"
      ".long 2b - .\n\t"
      ".popsection"
      : "+a"(result)
      : "b"(segment)
      : "r8", "r9", "r10", "r11", "memory");
  call(kMunmap, u64(at), kSize);
  return i32(result) == 0;
}
Result<> allowed_processors(Processors& allowed) {
  allowed = {};
  return outcome(call(kSchedGetAffinity, 0, sizeof allowed, word(&allowed)));
}
Result<> run_on(const Processors& allowed) {
  return outcome(call(kSchedSetAffinity, 0, sizeof allowed, word(&allowed)));
}
void signal_thread(int process, int thread, int signal) {
  call(kTgkill, u64(process), u64(thread), u64(signal));
}
bool take_ended_child(i32& status) {
  constexpr u64 kAny = ~u64{0}, kDoNotWait = 1;
  return call(kWait4, kAny, word(&status), kDoNotWait) > 0;
}
i64 fork() {
  return call(kFork);
}
Result<> die_with_parent(int parent) {
  constexpr u64 kSetParentDeathSignal = 1, kKill = 9;
  TRY(outcome(call(kPrctl, kSetParentDeathSignal, kKill)));
  // In a process id namespace of its own, a parent outside of it is 0.
  const i64 now = call(kGetppid);
  if (now != 0 && now != parent) return Errno::kSrch;
  return {};
}
void wait(u32& at, u32 value) {
  call(kFutex, word(&at), kFutexWait, value);
}
void wake(u32& at) {
  call(kFutex, word(&at), kFutexWake, 1);
}

Result<usize> random(std::span<std::byte> out) {
  return count(call(kGetrandom, word(out.data()), out.size()));
}
void exit(u8 status) {
  for (;;) call(kExitGroup, status);
}

}  // namespace narwhal::host
