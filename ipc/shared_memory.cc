#include "ipc/shared_memory.h"

#include "fs/core/clock.h"
#include "ipc/table_row.h"

namespace narwhal::sysv {

constinit SpinLock<LockRank::kSpinOther> shm_lock;

namespace {

// SHMMAX and SHMALL: nearly no limit, but sums of few of them do not wrap.
constexpr u64 kNearlyUnlimited = ~u64{0} - (u64{1} << 24);
constexpr u64 kMaxIds = 4096;
constexpr u32 kHugePagesGroup = 0;  // /proc/sys/vm/hugetlb_shm_group

[[clang::no_destroy]] constinit IdTable<Segment> segments TA_GUARDED_BY(shm_lock);
constinit u64 total_pages TA_GUARDED_BY(shm_lock) = 0;
constinit u32 (*pid_source)() = nullptr;

}  // namespace

constinit Atomic<u64> SharedMemory::max_bytes{kNearlyUnlimited};
constinit Atomic<u64> SharedMemory::max_pages{kNearlyUnlimited};
constinit Atomic<u64> SharedMemory::max_ids{kMaxIds};
constinit Atomic<i32> SharedMemory::next_id{-1};

void set_current_pid_source(u32 (*source)()) {
  pid_source = source;
}
u32 current_pid() {
  return pid_source ? pid_source() : 0;
}

// How /proc/PID/maps shows it. The name stays when the key has changed.
class Segment::Source final : public MappingSource {
 public:
  explicit Source(const Entry& entry) : key_(entry.key), id_(entry.id) {}
  void describe(TextSink& path, u64& device, u64& inode) const override {
    constexpr u64 kSharedMemoryDevice = 1;  // 00:01, where Linux has its unnamed tmpfs
    path << "/SYSV" << hex_digits(u32(key_), 8) << " (deleted)";
    device = kSharedMemoryDevice;
    inode = u64(id_);
  }

 private:
  const i32 key_, id_;
};

Segment::Segment(u64 bytes, u32 creator) : bytes_(bytes), creator_(creator) {
  set_size(align_up(bytes, kPageSize));
}

void Segment::mapping_added() {
  SpinGuard guard(shm_lock);
  ++attachments_;
  attached_at_ = current_file_time().seconds;
  last_user_ = current_pid();
}

void Segment::mapping_removed() {
  {
    SpinGuard guard(shm_lock);
    detached_at_ = current_file_time().seconds;
    last_user_ = current_pid();
  }
  release();
}

void Segment::release() {
  Ref<Segment> dropped;
  SpinGuard guard(shm_lock);
  if (--attachments_ != 0 || !(entry.mode & abi::kShmDestroyed) || entry.removed) return;
  dropped = segments.remove(*this);
  total_pages -= pages();
  guard.release();
}

abi::ShmStatus Segment::status() const {
  abi::ShmStatus out{};
  out.permission = entry.to_abi();
  out.size = bytes_;
  out.attached = attached_at_;
  out.detached = detached_at_;
  out.changed = changed_at_;
  out.creator = i32(creator_);
  out.last_user = i32(last_user_);
  out.attachments = attachments_;
  return out;
}

Result<i32> SharedMemory::make(const Caller& caller, i32 key, u64 size, u32 flags) {
  if (size == 0 || size > max_bytes.load()) return Errno::kInval;
  const u64 pages = div_round_up(size, kPageSize);
  if (align_up(size, kPageSize) < size) return Errno::kNoSpc;
  // There is no pool of huge pages to take from.
  if (flags & abi::kShmHugeTlb) {
    const bool allowed = caller.who.capable(Capability::kIpcLock) ||
                         caller.who.in_group(kHugePagesGroup) || size <= caller.lock_limit;
    return allowed ? Errno::kNoMem : Errno::kPerm;
  }
  auto made = TRY(make_ref<Segment>(size, caller.pid));
  const i64 now = current_file_time().seconds;
  Segment& segment = *made;
  i32 id;
  {
    SpinGuard guard(shm_lock);
    // Somebody may have been faster.
    if (segments.find_key(key)) return Errno::kAgain;
    if (total_pages + pages < total_pages || total_pages + pages > max_pages.load())
      return Errno::kNoSpc;
    segment.changed_at_ = now;
    id = TRY(segments.add(made, key, flags, caller.who, u32(max_ids.load()), next_id));
    total_pages += pages;
  }
  auto source = make_ref<Segment::Source>(segment.entry);
  SpinGuard guard(shm_lock);
  if (source.ok()) {
    segment.source_ = source.take();
    return id;
  }
  auto dropped = segments.remove(segment);
  total_pages -= pages;
  guard.release();
  return Errno::kNoMem;
}

Result<i32> SharedMemory::get(const Caller& caller, i32 key, u64 size, u32 flags) {
  for (;;) {
    const auto check = [&](Segment& found) -> Result<> {
      return found.bytes() < size ? Result<>(Errno::kInval) : Result<>();
    };
    bool is_new = false;
    const auto note = [&]() -> Result<i32> {
      is_new = true;
      return i32{0};
    };
    i32 id;
    {
      SpinGuard guard(shm_lock);
      id = TRY(sysv::get(segments, caller, key, flags, check, note));
    }
    if (!is_new) return id;
    auto made = make(caller, key, size, flags);
    if (!made.failed(Errno::kAgain)) return made;
  }
}

Result<UserAddr> SharedMemory::attach(const Caller& caller, AddressSpace& space, i32 id,
                                      UserAddr at, u32 flags) {
  const bool remap = flags & abi::kShmRemap;
  u64 address = at.value;
  if (id < 0) return Errno::kInval;
  if (address == 0) {
    if (remap) return Errno::kInval;
  } else if (!is_aligned(address, kPageSize)) {
    if (!(flags & abi::kShmRound)) return Errno::kInval;
    address = align_down(address, kPageSize);
    if (address == 0 && remap) return Errno::kInval;
  }
  MapRequest request;
  u32 wanted = kRead;
  request.protection = Protection::kRead;
  request.flags = MapFlags::kShared;
  if (flags & abi::kShmReadOnly) {
    request.max_protection = Protection::kRead | Protection::kExecute;
  } else {
    request.protection |= Protection::kWrite;
    wanted |= kWrite;
  }
  if (flags & abi::kShmExecute) {
    request.protection |= Protection::kExecute;
    wanted |= 0111;
  }
  if (at.value != 0)
    request.flags |= remap ? MapFlags::kFixed : MapFlags::kFixed | MapFlags::kFixedNoReplace;
  request.hint = UserAddr(address);
  Ref<Segment> segment;
  {
    SpinGuard guard(shm_lock);
    segment = Ref<Segment>(TRY(segments.find(id)));
    TRY(check_access(segment->entry, caller.who, wanted));
    ++segment->attachments_;  // so that nobody takes it away before it is mapped
    request.source = segment->source_;
  }
  request.length = segment->size();
  request.object = segment;
  auto mapped = space.map(request);
  segment->release();
  if (mapped.failed(Errno::kExist)) return Errno::kInval;
  return mapped;
}

Result<> SharedMemory::detach(AddressSpace& space, UserAddr at) {
  if (!at.page_aligned()) return Errno::kInval;
  return space.unmap_object(at, [](const MemoryObject& object) {
    // A mapped segment is in the table.
    SpinGuard guard(shm_lock);
    bool found = false;
    segments.for_each([&](Segment& segment) { found = found || &segment == &object; });
    return found;
  });
}

Result<SharedMemory::Found> SharedMemory::stat(const Caller& caller, i32 id) {
  SpinGuard guard(shm_lock);
  return Found{id, TRY(segments.find_readable(id, caller.who))->status()};
}

Result<SharedMemory::Found> SharedMemory::stat_index(const Caller& caller, i32 index, bool any) {
  SpinGuard guard(shm_lock);
  Segment& segment = *TRY(segments.readable_at(index, caller.who, any));
  return Found{segment.entry.id, segment.status()};
}

Result<> SharedMemory::remove(const Caller& caller, i32 id) {
  Ref<Segment> dropped;
  SpinGuard guard(shm_lock);
  Segment& segment = *TRY(segments.find(id));
  TRY(check_owner(segment.entry, caller.who));
  if (segment.attachments_ != 0) {
    segment.entry.mode |= abi::kShmDestroyed;
    segment.entry.key = abi::kIpcPrivate;
  } else {
    dropped = segments.remove(segment);
    total_pages -= segment.pages();
  }
  guard.release();
  return {};
}

Result<> SharedMemory::set(const Caller& caller, i32 id, const abi::IpcPermission& wanted) {
  SpinGuard guard(shm_lock);
  Segment& segment = *TRY(segments.find(id));
  TRY(check_owner(segment.entry, caller.who));
  TRY(set_permission(segment.entry, wanted));
  segment.changed_at_ = current_file_time().seconds;
  return {};
}

Result<> SharedMemory::lock(const Caller& caller, i32 id, bool locked) {
  SpinGuard guard(shm_lock);
  Segment& segment = *TRY(segments.find(id));
  Entry& entry = segment.entry;
  if (!caller.who.capable(Capability::kIpcLock)) {
    if (caller.who.euid != entry.uid && caller.who.euid != entry.cuid) return Errno::kPerm;
    if (locked && caller.lock_limit == 0) return Errno::kPerm;
  }
  entry.mode = locked ? entry.mode | abi::kShmLocked : entry.mode & ~abi::kShmLocked;
  return {};
}

abi::ShmLimits SharedMemory::limits() {
  abi::ShmLimits out{};
  out.max = max_bytes.load();
  out.min = 1;
  out.max_ids = out.max_per_process = max_ids.load();
  out.total = max_pages.load();
  return out;
}

abi::ShmUsage SharedMemory::usage() {
  abi::ShmUsage out{};
  SpinGuard guard(shm_lock);
  out.used_ids = i32(segments.in_use());
  out.total = total_pages;
  segments.for_each([&](Segment& segment) { out.resident += segment.page_count(); });
  return out;
}

i32 SharedMemory::highest_index() {
  SpinGuard guard(shm_lock);
  return segments.highest();
}

Result<> SharedMemory::show(TextSink& out) {
  out << "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  "
         "cgid      atime      dtime      ctime                   rss                  swap\n";
  SpinGuard guard(shm_lock);
  segments.for_each([&](Segment& segment) TA_REQUIRES(shm_lock) {
    const abi::ShmStatus s = segment.status();
    TableRow row(out);
    row.begin(s.permission, segment.entry.id).number(s.size, 21).number(s.creator, 5);
    row.number(s.last_user, 5).gap().number(s.attachments, 5).owners(s.permission);
    row.number(s.attached, 10).number(s.detached, 10).number(s.changed, 10);
    row.number(segment.page_count() * kPageSize, 21).number(0, 21);
  });
  return {};
}

}  // namespace narwhal::sysv
