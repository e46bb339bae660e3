// arch_prctl(2): what only x86-64 has.
#include "process/task.h"
#include "syscalls/handlers.h"

namespace narwhal {

SysResult sys::arch_prctl(Task&, HexInt code, u64 argument) {
  constexpr u32 kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003, kGetGs = 0x1004;
  constexpr u32 kGetCpuid = 0x1011, kSetCpuid = 0x1012;
  switch (code.value) {
    case kSetGs:
      TRY(platform::set_gs_base(argument));
      return i64{0};
    case kSetFs:
      TRY(platform::set_fs_base(argument));
      return i64{0};
    case kGetFs:
      TRY(store_user(UserAddr(argument), platform::fs_base()));
      return i64{0};
    case kGetGs:
      TRY(store_user(UserAddr(argument), platform::gs_base()));
      return i64{0};
    case kGetCpuid:
      return i64{1};  // programs may use the instruction
    case kSetCpuid:
      return Errno::kNoDev;  // as on a CPU that can't make it fault
    default:
      return Errno::kInval;
  }
}

}  // namespace narwhal
