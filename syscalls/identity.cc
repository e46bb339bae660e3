// Users and groups, credentials(7): getuid(2), setresuid(2), setgroups(2) and their relatives.
#include <algorithm>

#include "process/core_settings.h"
#include "syscalls/credential_change.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr u32 kKeep = ~u32{0};  // -1: leave this one as it is
constexpr u32 kMostGroups = 65536;

// Who may do what to files, given up and got back with the file system user (capabilities(7)).
constexpr u64 bit_of(Capability capability) {
  return u64{1} << u8(capability);
}
constexpr u64 kFileCapabilities = bit_of(Capability::kChown) | bit_of(Capability::kDacOverride) |
                                  bit_of(Capability::kDacReadSearch) | bit_of(Capability::kFowner) |
                                  bit_of(Capability::kFsetid) |
                                  bit_of(Capability::kLinuxImmutable) | bit_of(Capability::kMknod) |
                                  bit_of(Capability::kMacOverride);

bool is_any(u32 id, u32 a, u32 b, u32 c) {
  return id == a || id == b || id == c;
}

// capabilities(7), "Effect of user ID changes on capabilities".
void follow_users(const Credentials& old, Credentials& fresh) {
  if (old.securebits & kSecureNoSetuidFixup) return;
  const bool was_root = old.uid == 0 || old.euid == 0 || old.suid == 0;
  const bool is_root = fresh.uid == 0 || fresh.euid == 0 || fresh.suid == 0;
  if (was_root && !is_root) {
    if (!(old.securebits & kSecureKeepCaps)) fresh.permitted = fresh.effective = 0;
    fresh.ambient = 0;
  }
  if (old.euid == 0 && fresh.euid != 0) fresh.effective = 0;
  if (old.euid != 0 && fresh.euid == 0) fresh.effective = fresh.permitted;
}

void follow_file_user(const Credentials& old, Credentials& fresh) {
  if (old.securebits & kSecureNoSetuidFixup) return;
  if (old.fsuid == 0 && fresh.fsuid != 0) fresh.effective &= ~kFileCapabilities;
  if (old.fsuid != 0 && fresh.fsuid == 0) fresh.effective |= fresh.permitted & kFileCapabilities;
}

// Puts changed credentials in place. Whoever becomes somebody else is not to be looked into, and
// gets no signal at a parent's death any more (prctl(2)).
void commit(Task& task, Ref<Credentials> fresh) {
  const Credentials& old = task.credentials();
  const bool other = old.euid != fresh->euid || old.egid != fresh->egid ||
                     old.fsuid != fresh->fsuid || old.fsgid != fresh->fsgid;
  if (other) {
    task.process().dumpable.store(suid_dumpable());
    task.parent_death_signal = Signal::kNone;
  }
  task.set_credentials(std::move(fresh));
}

struct ThreeIds {
  UserOut<u32> real, effective, saved;
  Result<> store(u32 r, u32 e, u32 s) const {
    TRY(real.store(r));
    TRY(effective.store(e));
    return saved.store(s);
  }
};

}  // namespace

// --- asking

SysResult sys::getuid(Task& task) {
  return i64{task.credentials().uid};
}
SysResult sys::geteuid(Task& task) {
  return i64{task.credentials().euid};
}
SysResult sys::getgid(Task& task) {
  return i64{task.credentials().gid};
}
SysResult sys::getegid(Task& task) {
  return i64{task.credentials().egid};
}

SysResult sys::getresuid(Task& task, UserOut<u32> real, UserOut<u32> effective,
                         UserOut<u32> saved) {
  const Credentials& who = task.credentials();
  TRY(ThreeIds(real, effective, saved).store(who.uid, who.euid, who.suid));
  return i64{0};
}

SysResult sys::getresgid(Task& task, UserOut<u32> real, UserOut<u32> effective,
                         UserOut<u32> saved) {
  const Credentials& who = task.credentials();
  TRY(ThreeIds(real, effective, saved).store(who.gid, who.egid, who.sgid));
  return i64{0};
}

// --- users

SysResult sys::setuid(Task& task, u32 uid) {
  if (uid == kKeep) return Errno::kInval;
  const Credentials& old = task.credentials();
  auto fresh = TRY(old.copy());
  if (old.capable(Capability::kSetuid))
    fresh->uid = fresh->suid = uid;
  else if (uid != old.uid && uid != old.suid)
    return Errno::kPerm;
  fresh->euid = fresh->fsuid = uid;
  follow_users(old, *fresh);
  commit(task, std::move(fresh));
  return i64{0};
}

SysResult sys::setreuid(Task& task, u32 real, u32 effective) {
  const Credentials& old = task.credentials();
  const bool any = old.capable(Capability::kSetuid);
  auto fresh = TRY(old.copy());
  if (real != kKeep) {
    if (!any && real != old.uid && real != old.euid) return Errno::kPerm;
    fresh->uid = real;
  }
  if (effective != kKeep) {
    if (!any && !is_any(effective, old.uid, old.euid, old.suid)) return Errno::kPerm;
    fresh->euid = effective;
  }
  if (real != kKeep || (effective != kKeep && effective != old.uid)) fresh->suid = fresh->euid;
  fresh->fsuid = fresh->euid;
  follow_users(old, *fresh);
  commit(task, std::move(fresh));
  return i64{0};
}

SysResult sys::setresuid(Task& task, u32 real, u32 effective, u32 saved) {
  const Credentials& old = task.credentials();
  const bool any = old.capable(Capability::kSetuid);
  auto fresh = TRY(old.copy());
  for (const u32 id : {real, effective, saved})
    if (!any && id != kKeep && !is_any(id, old.uid, old.euid, old.suid)) return Errno::kPerm;
  if (real != kKeep) fresh->uid = real;
  if (effective != kKeep) fresh->euid = effective;
  if (saved != kKeep) fresh->suid = saved;
  fresh->fsuid = fresh->euid;
  follow_users(old, *fresh);
  commit(task, std::move(fresh));
  return i64{0};
}

// setfsuid(2) says what was before, and never whether it did anything.
SysResult sys::setfsuid(Task& task, u32 uid) {
  const Credentials& old = task.credentials();
  const i64 before = old.fsuid;
  const bool allowed = uid == old.fsuid || is_any(uid, old.uid, old.euid, old.suid) ||
                       old.capable(Capability::kSetuid);
  if (uid == kKeep || uid == old.fsuid || !allowed) return before;
  auto fresh = old.copy();
  if (!fresh.ok()) return before;
  fresh.value()->fsuid = uid;
  follow_file_user(old, *fresh.value());
  commit(task, fresh.take());
  return before;
}

// --- groups

SysResult sys::setgid(Task& task, u32 gid) {
  if (gid == kKeep) return Errno::kInval;
  const Credentials& old = task.credentials();
  auto fresh = TRY(old.copy());
  if (old.capable(Capability::kSetgid))
    fresh->gid = fresh->sgid = gid;
  else if (gid != old.gid && gid != old.sgid)
    return Errno::kPerm;
  fresh->egid = fresh->fsgid = gid;
  commit(task, std::move(fresh));
  return i64{0};
}

SysResult sys::setregid(Task& task, u32 real, u32 effective) {
  const Credentials& old = task.credentials();
  const bool any = old.capable(Capability::kSetgid);
  auto fresh = TRY(old.copy());
  if (real != kKeep) {
    if (!any && real != old.gid && real != old.egid) return Errno::kPerm;
    fresh->gid = real;
  }
  if (effective != kKeep) {
    if (!any && !is_any(effective, old.gid, old.egid, old.sgid)) return Errno::kPerm;
    fresh->egid = effective;
  }
  if (real != kKeep || (effective != kKeep && effective != old.gid)) fresh->sgid = fresh->egid;
  fresh->fsgid = fresh->egid;
  commit(task, std::move(fresh));
  return i64{0};
}

SysResult sys::setresgid(Task& task, u32 real, u32 effective, u32 saved) {
  const Credentials& old = task.credentials();
  const bool any = old.capable(Capability::kSetgid);
  auto fresh = TRY(old.copy());
  for (const u32 id : {real, effective, saved})
    if (!any && id != kKeep && !is_any(id, old.gid, old.egid, old.sgid)) return Errno::kPerm;
  if (real != kKeep) fresh->gid = real;
  if (effective != kKeep) fresh->egid = effective;
  if (saved != kKeep) fresh->sgid = saved;
  fresh->fsgid = fresh->egid;
  commit(task, std::move(fresh));
  return i64{0};
}

SysResult sys::setfsgid(Task& task, u32 gid) {
  const Credentials& old = task.credentials();
  const i64 before = old.fsgid;
  const bool allowed = is_any(gid, old.gid, old.egid, old.sgid) || old.capable(Capability::kSetgid);
  if (gid == kKeep || gid == old.fsgid || !allowed) return before;
  auto fresh = old.copy();
  if (!fresh.ok()) return before;
  fresh.value()->fsgid = gid;
  commit(task, fresh.take());
  return before;
}

SysResult sys::getgroups(Task& task, i32 size, UserOut<u32> out) {
  if (size < 0) return Errno::kInval;
  const Vector<u32>& groups = task.credentials().groups;
  if (size != 0) {
    if (groups.size() > usize(size)) return Errno::kInval;
    TRY(out.store_array(groups));
  }
  return i64(groups.size());
}

SysResult sys::setgroups(Task& task, u32 size, UserIn<u32> list) {
  if (!task.credentials().capable(Capability::kSetgid)) return Errno::kPerm;
  if (size > kMostGroups) return Errno::kInval;
  Vector<u32> groups = TRY(list.load_array(size));
  for (const u32 group : groups)
    if (group == kKeep) return Errno::kInval;
  std::sort(groups.begin(), groups.end());
  auto fresh = TRY(task.credentials().copy());
  fresh->groups = std::move(groups);
  commit(task, std::move(fresh));
  return i64{0};
}

}  // namespace narwhal
