#include "ipc/id_table.h"

namespace narwhal::sysv {

abi::IpcPermission Entry::to_abi() const {
  abi::IpcPermission out{};
  out.key = key;
  out.uid = uid;
  out.gid = gid;
  out.cuid = cuid;
  out.cgid = cgid;
  out.mode = mode;
  out.sequence = sequence;
  return out;
}

Result<> check_access(const Entry& entry, const Credentials& who, u32 flags) {
  const u32 wanted = (flags >> 6 | flags >> 3 | flags) & 7;
  u32 granted = entry.mode;
  if (who.euid == entry.cuid || who.euid == entry.uid)
    granted >>= 6;
  else if (who.in_group(entry.cgid) || who.in_group(entry.gid))
    granted >>= 3;
  if ((wanted & ~granted) && !who.capable(Capability::kIpcOwner)) return Errno::kAcces;
  return {};
}

Result<> check_owner(const Entry& entry, const Credentials& who) {
  if (who.euid == entry.cuid || who.euid == entry.uid) return {};
  return who.capable(Capability::kSysAdmin) ? Result<>() : Result<>(Errno::kPerm);
}

Result<> set_permission(Entry& entry, const abi::IpcPermission& wanted) {
  constexpr u32 kNobody = ~u32{0};
  if (wanted.uid == kNobody || wanted.gid == kNobody) return Errno::kInval;
  entry.uid = wanted.uid;
  entry.gid = wanted.gid;
  entry.mode = (entry.mode & ~u32{0777}) | (wanted.mode & 0777);
  return {};
}

}  // namespace narwhal::sysv
