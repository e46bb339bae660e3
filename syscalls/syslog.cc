// syslog(2): a log without messages. What the kernel has to say goes to the host (`--kernel-log`).
#include "fs/proc/settings.h"
#include "process/task.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

enum Action : i32 {
  kClose = 0,
  kOpen = 1,
  kRead = 2,
  kReadAll = 3,
  kReadClear = 4,
  kClear = 5,
  kConsoleOff = 6,
  kConsoleOn = 7,
  kConsoleLevel = 8,
  kSizeUnread = 9,
  kSizeBuffer = 10,
};
constexpr i64 kBufferSize = 16384;

// Looking at everything is open to all, as /proc/sys/kernel/dmesg_restrict says.
bool is_allowed(const Credentials& who, i32 action) {
  if (action == kReadAll || action == kSizeBuffer) return true;
  return who.capable(Capability::kSyslog) || who.capable(Capability::kSysAdmin);
}

// Sleeps until there is a message, which is never.
Result<> wait_for_message() {
  for (;;) {
    prepare_to_sleep();
    if (auto slept = sleep(); !slept.ok()) return Errno::kRestartSys;
  }
}

}  // namespace

SysResult sys::syslog(Task& task, i32 action, UserAddr buffer, i32 size) {
  if (!is_allowed(task.credentials(), action)) return Errno::kPerm;
  switch (action) {
    case kRead:
    case kReadAll:
    case kReadClear:
      if (buffer.value == 0 || size < 0) return Errno::kInval;
      if (size == 0) return i64{0};
      if (!user_range_ok(buffer, usize(size))) return Errno::kFault;
      if (action == kRead) TRY(wait_for_message());
      return i64{0};
    case kConsoleLevel:
      if (size < 1 || size > 8) return Errno::kInval;
      console_levels[0].store(size);
      return i64{0};
    case kSizeBuffer:
      return kBufferSize;
    case kClose:
    case kOpen:
    case kClear:
    case kConsoleOff:
    case kConsoleOn:
    case kSizeUnread:
      return i64{0};
    default:
      return Errno::kInval;
  }
}

}  // namespace narwhal
