// wait4(2), waitid(2).
#include "process/family.h"
#include "syscalls/handlers.h"
#include "syscalls/pidfd_argument.h"

namespace narwhal {
namespace {

constexpr u32 kNoHang = 1, kUntraced = 2, kStopped = 2, kExited = 4, kContinued = 8;
constexpr u32 kNoWait = 0x0100'0000;    // WNOWAIT
constexpr u32 kNoThread = 0x2000'0000;  // __WNOTHREAD
constexpr u32 kWall = 0x4000'0000;      // __WALL
constexpr u32 kWclone = 0x8000'0000;    // __WCLONE

using Request = Family::WaitRequest;
using Found = Family::WaitResult;

// A result with pid 0: WNOHANG, and nothing yet. ECHILD, kRestartSys.
Result<Found> wait_for_child(Task& task, const Request& request, bool no_hang) {
  Process& parent = task.process();
  auto attempt = [&]() -> Result<Found> {
    Found found = TRY(Family::poll_children(parent, request));
    if (found.pid == 0 && !no_hang) return Errno::kAgain;
    return found;
  };
  return block_until_ready(parent.child_events, PollEvents::kAll, platform::kNoDeadline, attempt);
}

Request make_request(const Task& task, u32 options) {
  Request request;
  if (options & kNoThread) request.thread = task.tid();
  request.exited = options & kExited;
  request.stopped = options & kStopped;
  request.continued = options & kContinued;
  request.keep = options & kNoWait;
  request.clones_too = options & kWall;
  request.clones_only = options & kWclone;
  return request;
}

// What waitid(2) writes; the rest of siginfo_t stays as it was.
struct WaitInfo {
  i32 number, error, code, padding;
  i32 pid;
  u32 uid;
  i32 status;
};
static_assert(sizeof(WaitInfo) == 28);

WaitInfo wait_info(const Found& found) {
  WaitInfo info{};
  if (found.pid == 0) return info;
  info.number = i32(Signal::kChld);
  info.pid = i32(found.pid);
  info.uid = found.uid;
  const i32 signal = found.wait_status & 0x7f;
  if (found.is_trap) {
    constexpr i32 kTrapped = 4;  // CLD_TRAPPED
    info.code = kTrapped;
    info.status = found.wait_status >> 8;
  } else if (found.is_stop) {
    info.code = abi::kChildStopped;
    info.status = found.wait_status >> 8 & 0xff;
  } else if (found.is_continue) {
    info.code = abi::kChildContinued;
    info.status = i32(Signal::kCont);
  } else if (signal == 0) {
    info.code = abi::kChildExited;
    info.status = found.wait_status >> 8 & 0xff;
  } else {
    info.code = found.wait_status & 0x80 ? abi::kChildDumped : abi::kChildKilled;
    info.status = signal;
  }
  return info;
}

// Number, error and code; then, behind four bytes that stay, pid, user and status.
Result<> store_wait_info(UserAddr to, const WaitInfo& info) {
  TRY(store_user(to, info.number));
  TRY(store_user(to + offsetof(WaitInfo, error), info.error));
  TRY(store_user(to + offsetof(WaitInfo, code), info.code));
  TRY(store_user(to + offsetof(WaitInfo, pid), info.pid));
  TRY(store_user(to + offsetof(WaitInfo, uid), info.uid));
  return store_user(to + offsetof(WaitInfo, status), info.status);
}

}  // namespace

SysResult sys::wait4(Task& task, Pid pid, UserOut<i32> status, HexInt options,
                     UserOut<abi::ResourceUsage> usage) {
  if (options.value & ~(kNoHang | kUntraced | kContinued | kNoThread | kWclone | kWall))
    return Errno::kInval;
  if (pid.value == INT32_MIN) return Errno::kSrch;
  Request request = make_request(task, options.value | kExited);
  if (pid.value > 0) {
    request.which = Request::Which::kPid;
    request.number = u32(pid.value);
  } else if (pid.value != -1) {
    request.which = Request::Which::kGroup;
    request.number = u32(-pid.value);
  }
  const Found found = TRY(wait_for_child(task, request, options.value & kNoHang));
  if (found.pid == 0) return i64{0};
  TRY(status.store_if_wanted(found.wait_status));
  TRY(usage.store_if_wanted(found.usage.to_abi()));
  return i64(found.pid);
}

SysResult sys::waitid(Task& task, i32 which, Pid id, UserAddr info, HexInt options,
                      UserOut<abi::ResourceUsage> usage) {
  constexpr u32 kStates = kExited | kStopped | kContinued;
  if (options.value & ~(kNoHang | kNoWait | kStates | kNoThread | kWclone | kWall))
    return Errno::kInval;
  if (!(options.value & kStates)) return Errno::kInval;
  Request request = make_request(task, options.value);
  Ref<PidFd> pidfd;
  constexpr i32 kAll = 0, kPid = 1, kGroup = 2, kPidFd = 3;  // P_ALL, ...
  switch (which) {
    case kAll:
      break;
    case kPid:
      if (id.value <= 0) return Errno::kInval;
      request.which = Request::Which::kPid;
      request.number = u32(id.value);
      break;
    case kGroup:
      if (id.value < 0) return Errno::kInval;
      request.which = Request::Which::kGroup;
      request.number = u32(id.value);
      break;
    case kPidFd:
      if (id.value < 0) return Errno::kInval;
      pidfd = TRY(load_pidfd(task, Fd{id.value}));
      if (pidfd->of_member()) return Errno::kChild;
      request.which = Request::Which::kProcess;
      request.process = &pidfd->process();
      break;
    default:
      return Errno::kInval;
  }
  const bool no_hang = options.value & kNoHang, only_try = pidfd && pidfd->nonblocking();
  auto found = wait_for_child(task, request, no_hang || only_try);
  if (found.ok() && found.value().pid != 0)
    TRY(usage.store_if_wanted(found.value().usage.to_abi()));
  // Linux writes it, all zero, even when there is nothing to tell.
  if (info.value != 0)
    TRY(store_wait_info(info, found.ok() ? wait_info(found.value()) : WaitInfo{}));
  if (!found.ok()) return found.error();
  if (found.value().pid == 0 && only_try && !no_hang) return Errno::kAgain;
  return i64{0};
}

}  // namespace narwhal
