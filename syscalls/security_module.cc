// lsm_list_modules(2), lsm_get_self_attr(2), lsm_set_self_attr(2): there is but what every Linux
// has, capabilities, and they have no attributes of this kind.
#include "kernel/platform/user.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr u64 kCapabilities = 100;  // LSM_ID_CAPABILITY

struct Context {  // struct lsm_ctx, without what follows
  u64 id, flags, length, context_length;
};

}  // namespace

SysResult sys::lsm_list_modules(Task&, UserAddr ids, UserAddr size, HexInt flags) {
  if (flags.value != 0) return Errno::kInval;
  const u32 room = TRY(load_user<u32>(size));
  TRY(store_user(size, u32{sizeof kCapabilities}));
  if (room < sizeof kCapabilities) return Errno::kTooBig;
  TRY(store_user(ids, kCapabilities));
  return i64{1};
}

SysResult sys::lsm_get_self_attr(Task&, u32 attribute, UserAddr context, UserAddr size,
                                 HexInt flags) {
  constexpr u32 kSingle = 1;  // LSM_FLAG_SINGLE
  if (attribute == 0 || size.value == 0) return Errno::kInval;
  TRY(load_user<u32>(size));
  if (flags.value != 0) {
    if (flags.value != kSingle || context.value == 0) return Errno::kInval;
    if (TRY(load_user<Context>(context)).id == 0) return Errno::kInval;
  }
  TRY(store_user(size, u32{0}));
  return Errno::kOpNotSupp;
}

SysResult sys::lsm_set_self_attr(Task&, u32, UserAddr context, u32 size, HexInt flags) {
  if (flags.value != 0 || size < sizeof(Context)) return Errno::kInval;
  if (size > kPageSize) return Errno::kTooBig;
  const auto given = TRY(load_user<Context>(context));
  u64 needed;
  if (given.length > size || __builtin_add_overflow(sizeof given, given.context_length, &needed) ||
      given.length < needed)
    return Errno::kInval;
  return Errno::kOpNotSupp;
}

}  // namespace narwhal
