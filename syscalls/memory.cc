// mmap(2) and its family, brk(2).
#include "kernel/abi/mman.h"
#include "process/task.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr u64 kProtectionKnown = 7;
constexpr u64 kProtectionSemaphore = 8;  // PROT_SEM: means nothing on this architecture
constexpr u32 kMapTypeMask = 3;
constexpr u32 kMapSharedValidate = 3;

Protection protection_of(ProtectionBits bits) {
  return Protection(u8(bits.value & kProtectionKnown));
}

// The flags that MAP_SHARED_VALIDATE lets through (mmap(2)).
constexpr MapFlags kValidated =
    MapFlags::kShared | MapFlags::kPrivate | MapFlags::kFixed | MapFlags::kAnonymous |
    MapFlags::kDenyWrite | MapFlags::kExecutable | MapFlags::kGrowsDown | MapFlags::kLocked |
    MapFlags::kNoReserve | MapFlags::kPopulate | MapFlags::kNonBlock | MapFlags::kStack |
    MapFlags::kHugeTlb | MapFlags::k32Bit | MapFlags::kFixedNoReplace;

// Asks the file for the memory behind it. Rights first: reading is always needed, writing for what
// others shall see.
Result<> map_file(File& file, MapRequest& request) {
  const bool shared = has(request.flags, MapFlags::kShared);
  if (!file.readable()) return Errno::kAcces;
  if (shared && has(request.protection, Protection::kWrite) && !file.writable())
    return Errno::kAcces;
  // What the descriptor must not write can't be made writable later either.
  if (shared && !file.writable()) request.max_protection &= ~Protection::kWrite;
  return file.mmap(request);
}

}  // namespace

SysResult sys::mmap(Task& task, UserAddr address, usize length, ProtectionBits protection,
                    MapFlags flags, Fd fd, u64 offset) {
  if (!is_aligned(offset, kPageSize)) return Errno::kInval;
  const bool anonymous = has(flags, MapFlags::kAnonymous);
  FileRef file;
  if (!anonymous) {
    file = TRY(task.files().get(fd.value));
    if (has(flags, MapFlags::kHugeTlb)) return Errno::kInval;
  }
  MapRequest request;
  request.hint = address;
  request.length = length;
  request.protection = protection_of(protection);
  request.flags = flags;
  request.object_offset = offset;
  switch (raw(flags) & kMapTypeMask) {
    case kMapSharedValidate:
      // There is no driver behind anonymous memory that could validate.
      if (has(flags, MapFlags::kAnonymous)) return Errno::kInval;
      if (!has_only(flags, kValidated)) return Errno::kOpNotSupp;
      request.flags = flags & ~MapFlags::kPrivate;
      break;
    case raw(MapFlags::kShared):
    case raw(MapFlags::kPrivate):
      break;
    default:
      return Errno::kInval;
  }
  if (length == 0) return Errno::kInval;
  const u64 size = align_up(length, kPageSize);
  if (size < length) return Errno::kNoMem;
  if (offset + size < offset) return Errno::kOverflow;
  if (has(request.flags, MapFlags::kGrowsDown) && has(request.flags, MapFlags::kShared))
    return Errno::kInval;
  if (anonymous) {
    // There is no pool of huge pages to take from.
    if (has(flags, MapFlags::kHugeTlb)) return Errno::kNoMem;
    request.object_offset = 0;
  } else {
    TRY(map_file(*file, request));
  }
  return i64(TRY(task.memory().map(request)).value);
}

SysResult sys::munmap(Task& task, UserAddr address, usize length) {
  TRY(task.memory().unmap(address, length));
  return i64{0};
}

SysResult sys::mprotect(Task& task, UserAddr address, usize length, ProtectionBits protection) {
  if (protection.value & ~(kProtectionKnown | kProtectionSemaphore)) return Errno::kInval;
  TRY(task.memory().protect(address, length, protection_of(protection)));
  return i64{0};
}

SysResult sys::pkey_mprotect(Task& task, UserAddr address, usize length, ProtectionBits protection,
                             i32 key) {
  // There are no protection keys: -1 asks for none.
  if (key != -1) return Errno::kInval;
  return mprotect(task, address, length, protection);
}

SysResult sys::pkey_alloc(Task&, u64 flags, u64 rights) {
  constexpr u64 kKnownRights = 3;
  if (flags != 0 || (rights & ~kKnownRights)) return Errno::kInval;
  return Errno::kNoSpc;
}

SysResult sys::pkey_free(Task&, i32) {
  return Errno::kInval;
}

SysResult sys::brk(Task& task, UserAddr address) {
  return i64(task.memory().set_break(address).value);
}

SysResult sys::mremap(Task& task, UserAddr old_address, usize old_length, usize new_length,
                      HexInt flags, UserAddr new_address) {
  return i64(TRY(task.memory().remap(old_address, old_length, new_length, flags.value, new_address))
                 .value);
}

SysResult sys::madvise(Task& task, UserAddr address, usize length, i32 advice) {
  TRY(task.memory().advise(address, length, advice));
  return i64{0};
}

SysResult sys::remap_file_pages(Task& task, UserAddr address, usize length, u64 protection,
                                u64 page, MapFlags flags) {
  if (protection != 0) return Errno::kInval;
  const usize size = align_down(length, kPageSize);
  const UserAddr start = address.page();
  if (start.value + size <= start.value) return Errno::kInval;
  if (page + size / kPageSize < page || page > ~u64{0} / kPageSize) return Errno::kInval;
  TRY(task.memory().remap_file_pages(start, size, page * kPageSize,
                                     flags & (MapFlags::kPopulate | MapFlags::kNonBlock)));
  return i64{0};
}

SysResult sys::msync(Task& task, UserAddr address, usize length, HexInt flags) {
  TRY(task.memory().sync(address, length, i32(flags.value)));
  return i64{0};
}

SysResult sys::mincore(Task& task, UserAddr address, usize length, UserAddr vector) {
  if (!address.page_aligned()) return Errno::kInval;
  if (!user_range_ok(address, length)) return Errno::kNoMem;
  const usize pages = div_round_up(length, kPageSize);
  constexpr usize kPiece = 256;
  u8 piece[kPiece];
  for (usize done = 0; done < pages;) {
    const usize count = pages - done < kPiece ? pages - done : kPiece;
    TRY(task.memory().residency(address + done * kPageSize, count, {piece, count}));
    if (platform::copy_to_user(vector + done, piece, count) != 0) return Errno::kFault;
    done += count;
  }
  return i64{0};
}

SysResult sys::mlock(Task& task, UserAddr address, usize length) {
  TRY(task.memory().lock_pages(address, length, false));
  return i64{0};
}

SysResult sys::mlock2(Task& task, UserAddr address, usize length, HexInt flags) {
  constexpr u32 kOnFault = 1;
  if (flags.value & ~kOnFault) return Errno::kInval;
  TRY(task.memory().lock_pages(address, length, flags.value & kOnFault));
  return i64{0};
}

SysResult sys::munlock(Task& task, UserAddr address, usize length) {
  TRY(task.memory().unlock_pages(address, length));
  return i64{0};
}

SysResult sys::mlockall(Task& task, HexInt flags) {
  constexpr u32 kKnown = abi::kLockCurrent | abi::kLockFuture | abi::kLockOnFault;
  if (flags.value == 0 || (flags.value & ~kKnown) || flags.value == u32(abi::kLockOnFault))
    return Errno::kInval;
  TRY(task.memory().lock_all(i32(flags.value)));
  return i64{0};
}

SysResult sys::munlockall(Task& task) {
  TRY(task.memory().lock_all(0));
  return i64{0};
}

SysResult sys::mseal(Task& task, UserAddr start, usize length, u64 flags) {
  if (flags != 0) return Errno::kInval;
  TRY(task.memory().seal(start, length));
  return i64{0};
}

}  // namespace narwhal
