// Who acts: user and group identities and capabilities (credentials(7), capabilities(7)).
//
// Immutable once shared: a change makes a new object, so readers need no lock.
#pragma once

#include <span>

#include "kernel/base/ref.h"
#include "kernel/base/vector.h"

namespace narwhal {

enum class Capability : u8 {
  kChown = 0,
  kDacOverride = 1,
  kDacReadSearch = 2,
  kFowner = 3,
  kFsetid = 4,
  kKill = 5,
  kSetgid = 6,
  kSetuid = 7,
  kSetpcap = 8,
  kLinuxImmutable = 9,
  kNetBindService = 10,
  kNetBroadcast = 11,
  kNetAdmin = 12,
  kNetRaw = 13,
  kIpcLock = 14,
  kIpcOwner = 15,
  kSysModule = 16,
  kSysRawio = 17,
  kSysChroot = 18,
  kSysPtrace = 19,
  kSysPacct = 20,
  kSysAdmin = 21,
  kSysBoot = 22,
  kSysNice = 23,
  kSysResource = 24,
  kSysTime = 25,
  kSysTtyConfig = 26,
  kMknod = 27,
  kLease = 28,
  kAuditWrite = 29,
  kAuditControl = 30,
  kSetfcap = 31,
  kMacOverride = 32,
  kMacAdmin = 33,
  kSyslog = 34,
  kWakeAlarm = 35,
  kBlockSuspend = 36,
  kAuditRead = 37,
  kPerfmon = 38,
  kBpf = 39,
  kCheckpointRestore = 40,
};
inline constexpr u64 kAllCapabilities = (u64{1} << 41) - 1;

class Credentials : public RefCounted {
 public:
  u32 uid = 0, euid = 0, suid = 0, fsuid = 0;
  u32 gid = 0, egid = 0, sgid = 0, fsgid = 0;
  Vector<u32> groups;  // supplementary
  u64 effective = kAllCapabilities, permitted = kAllCapabilities, inheritable = 0;
  u64 bounding = kAllCapabilities, ambient = 0;
  u32 securebits = 0;

  bool capable(Capability capability) const { return effective >> u8(capability) & 1; }
  bool in_group(u32 group) const {
    if (group == fsgid) return true;
    for (u32 g : groups)
      if (g == group) return true;
    return false;
  }
  // A private copy to change. ENOMEM.
  Result<Ref<Credentials>> copy() const;
};
using CredentialsRef = Ref<const Credentials>;

}  // namespace narwhal
