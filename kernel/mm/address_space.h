// One address space: what is mapped where, and why. The mmap(2) family, brk(2), faults.
//
// Every public call takes the lock itself, and none may be made with a lock at or below
// LockRank::kAddressSpace held.
#pragma once

#include <span>

#include "kernel/base/string.h"
#include "kernel/base/vector.h"
#include "kernel/mm/memory_object.h"
#include "kernel/platform/pmap.h"
#include "kernel/platform/rewrite/stub.h"

namespace narwhal {

enum class MapFlags : u32 {
  kNone = 0,
  kShared = 0x01,
  kPrivate = 0x02,
  kFixed = 0x10,
  kAnonymous = 0x20,
  k32Bit = 0x40,
  kGrowsDown = 0x100,
  kDenyWrite = 0x800,
  kExecutable = 0x1000,
  kLocked = 0x2000,
  kNoReserve = 0x4000,
  kPopulate = 0x8000,
  kNonBlock = 0x10000,
  kStack = 0x20000,
  kHugeTlb = 0x40000,
  kSync = 0x80000,
  kFixedNoReplace = 0x100000,
};
ENABLE_FLAGS(MapFlags);

// What stands behind a mapping of a file, so that /proc/PID/maps can name it and its open file
// stays alive. fs/core derives from it.
class MappingSource : public RefCounted {
 public:
  // Path as /proc/PID/maps shows it, device and inode numbers.
  virtual void describe(class TextSink& path, u64& device, u64& inode) const = 0;
};

// What a program calls some of its anonymous memory (PR_SET_VMA(2const)).
class MappingName : public RefCounted {
 public:
  explicit MappingName(String text) : text_(std::move(text)) {}
  std::string_view text() const { return text_; }

 private:
  const String text_;
};

struct MapRequest {
  UserAddr hint;
  usize length = 0;
  Protection protection = Protection::kNone;
  Protection max_protection = Protection::kRead | Protection::kWrite | Protection::kExecute;
  MapFlags flags = MapFlags::kNone;
  Ref<MemoryObject> object;            // null: private anonymous memory
  u64 object_offset = 0;               // bytes, page-aligned
  Ref<MappingSource> source;           // null for anonymous memory
  const char* special_name = nullptr;  // "[stack]", "[heap]", "[vdso]", ... a constant string
};

// /proc/sys/vm/max_map_count: how many mappings one address space may have.
extern Atomic<u32> max_map_count;

class AddressSpace : public RefCounted {
 public:
  struct Limits {
    u64 data = ~u64{0};           // RLIMIT_DATA
    u64 stack = 8 * kMiB;         // RLIMIT_STACK
    u64 address_space = ~u64{0};  // RLIMIT_AS
    u64 locked = ~u64{0};         // RLIMIT_MEMLOCK
  };
  struct Statistics {  // pages
    u64 total, resident_anonymous, resident_file, data, stack, executable, locked, peak_total,
        peak_resident;
  };

  // Mappings in order of address, counters, and the lock (mm/address_space_state.h).
  struct State;
  class Session;

  static Result<Ref<AddressSpace>> create();
  ~AddressSpace() override;

  // mmap(2). EINVAL, ENOMEM, EEXIST, EPERM, EACCES as there.
  Result<UserAddr> map(const MapRequest& request);
  Result<> unmap(UserAddr start, usize length);
  // shmdt(2): takes away every mapping of the first object found that `matches` and shows its first
  // byte at `start`, or would if that part were still there. EINVAL when there is none.
  Result<> unmap_object(UserAddr start, bool (*matches)(const MemoryObject& object));
  Result<> protect(UserAddr start, usize length, Protection protection);
  Result<UserAddr> remap(UserAddr old_start, usize old_length, usize new_length, u32 flags,
                         UserAddr new_start);
  Result<> advise(UserAddr start, usize length, int advice);
  // PR_SET_THP_DISABLE in prctl(2). A child inherits it.
  void allow_huge_pages(bool on);
  bool huge_pages_allowed() const;
  Result<> sync(UserAddr start, usize length, int flags);
  Result<> lock_pages(UserAddr start, usize length, bool on_fault);
  Result<> unlock_pages(UserAddr start, usize length);
  Result<> lock_all(int flags);
  // mseal(2): a range stays mapped as it is from now on, in children too. ENOMEM where nothing is.
  Result<> seal(UserAddr start, usize length);
  // PR_SET_VMA_ANON_NAME; null takes a name away. EINVAL; EBADF for memory of a file; ENOMEM where
  // nothing is mapped.
  Result<> set_name(UserAddr start, usize length, Ref<MappingName> name);
  bool maps_above(UserAddr address);  // whether something is mapped there, or higher
  // mincore(2): one byte per page into `out`.
  Result<> residency(UserAddr start, usize pages, std::span<u8> out);

  // mbind(2), get_mempolicy(2): a mapping's policy, whose meaning is the callers' own; 0 at first.
  // EFAULT where nothing is mapped.
  Result<> set_memory_policy(UserAddr start, usize length, u32 policy);
  Result<u32> memory_policy(UserAddr address);
  // /proc/PID/pagemap: a word for each page from `start` on, as proc_pid_pagemap(5) describes them.
  void page_map(UserAddr start, std::span<u64> out);
  // move_pages(2): EFAULT where nothing is mapped, ENOENT where there is no page yet.
  Result<> find_page(UserAddr address);
  // remap_file_pages(2): shows another part of the file there. `populate`: kPopulate, kNonBlock.
  // EINVAL when it is not a shared mapping of one file.
  Result<> remap_file_pages(UserAddr start, usize length, u64 object_offset, MapFlags populate);

  // brk(2): returns the break after the call, the old one on failure.
  UserAddr set_break(UserAddr wanted);
  // Where the loader says that the heap begins.
  void set_heap_start(UserAddr start) { set_heap(start, start); }
  // The same after the start (PR_SET_MM(2const)); mappings stay as they are.
  void set_heap(UserAddr start, UserAddr end);
  struct Heap {
    UserAddr start, end;
  };
  Heap heap();
  // Below here mmap looks for free space, downwards (the stack and its gap are above). Set by the
  // loader, ASLR included.
  void set_mmap_base(UserAddr base);

  // PR_SET_MDWE(2const): what may be written never becomes executable, and what was not executable
  // from the start stays so. Bits of WriteExecRule; kept by children unless they say otherwise.
  enum WriteExecRule : u8 { kRefuseExecGain = 1, kDoNotInherit = 2 };
  u8 write_exec_rule();
  Result<> set_write_exec_rule(u8 rule);  // EPERM: there is another one
  u8 inherited_write_exec_rule();         // what a child or a program executed gets

  // The auxiliary vector that others see once the program has set one of its own (PR_SET_MM_AUXV);
  // empty before. ENOMEM.
  Result<> set_auxiliary_words(std::span<const u64> words);
  Result<Vector<u64>> auxiliary_words();

  // Handles an access that the page tables refused. EFAULT: nothing is mapped there (SIGSEGV,
  // SEGV_MAPERR); EACCES: mapped without the right (SEGV_ACCERR); EIO: beyond the end of the object
  // (SIGBUS, BUS_ADRERR); ENOMEM.
  Result<> handle_fault(UserAddr address, Protection access);

  // For futexes between address spaces: the object and byte offset behind an address of a shared
  // mapping; a null object when the mapping is private. EFAULT when nothing is mapped.
  struct SharedLocation {
    Ref<MemoryObject> object;
    u64 offset = 0;
  };
  Result<SharedLocation> shared_location(UserAddr address);

  // Copies between the kernel and an address space that need not be the current one (cmdline of
  // another process, process_vm_readv(2)). How many bytes could be copied; fewer than asked for
  // when something is not mapped, or not with that right.
  usize read_memory(UserAddr from, std::span<std::byte> to);
  usize write_memory(UserAddr to, std::span<const std::byte> from);
  // For core dumps: copies one page, whatever its protection, and brings nothing in. False when it
  // would read as zeros or can't be read: nothing was copied.
  bool peek_page(UserAddr page, std::span<std::byte, kPageSize> to);

  // A copy for fork(2): private pages are shared copy-on-write.
  Result<Ref<AddressSpace>> clone();

  // Calls `visit` for each mapping in order of address, under the lock: it must not touch the
  // program's memory.
  struct MappingInfo {
    UserAddr start, end;
    Protection protection;
    bool shared;
    bool grows_down;
    bool keep_from_dump;  // MADV_DONTDUMP
    bool huge_pages;      // MADV_HUGEPAGE
    u64 offset;
    const MappingSource* source;
    const char* special_name;
    const MappingName* name;
    u64 resident_pages, private_dirty_pages, large_pages, locked;
  };
  void for_each_mapping(void (*visit)(const MappingInfo& info, void* argument), void* argument,
                        bool with_residency);

  // --- system calls that become direct calls (address_space_calls.cc)

  // What a home brings that wants it.
  struct CallRewriter {
    u64 entry;  // where stubs go on in the kernel
    // As rewrite::find_site().
    bool (*find_site)(std::span<const std::byte> before, u64 call, u64 number, rewrite::Site& out);
  };
  static void set_call_rewriter(const CallRewriter* with);
  // The `syscall` at this address has come the slow way. True: the next will not.
  bool note_caught_call(UserAddr call, u64 number);
  // All calls are what they were and stay so, until execve(2): somebody looks at the program.
  void keep_calls();
  // The same for one whose instruction before is at `site`, for now.
  void undo_call(UserAddr site);
  // The site of the stub that an address lies in, or null; `begun`: beyond its first instruction.
  // Takes no lock: for the handler of a signal, in this address space.
  const rewrite::Site* stub_at(UserAddr address, bool& begun) const;

  // For MemoryObject: drops what is mapped of its pages [first, last), which it has let go of.
  void drop_object_pages(const MemoryObject& object, u64 first, u64 last);

  void set_limits(const Limits& limits);
  // Who may lock more than Limits::locked: asked about the running task. Told by process/ when the
  // machine starts.
  static void set_lock_privilege(bool (*privileged)());
  Statistics statistics();
  Pmap& pmap() { return *pmap_; }

  // Layout facts for /proc/PID/stat and auxv; written by the loader, read by procfs.
  struct Layout {
    UserAddr code_start, code_end, data_start, data_end, heap_start, stack_start, args_start,
        args_end, env_start, env_end, vdso;
  };
  Layout layout{};

 private:
  AddressSpace() = default;

  Own<Pmap> pmap_;
  State* state_ = nullptr;
};

}  // namespace narwhal
