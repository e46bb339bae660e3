#include "process/access.h"

namespace narwhal {

bool may_inspect(const Task& actor, const Task& target, bool by_fs_ids) {
  if (&actor.process() == &target.process()) return true;
  const Credentials& who = actor.credentials();
  // The target may change its credentials while they are looked at.
  const CredentialsRef whose_ref = target.credentials_copy();
  const Credentials& whose = *whose_ref;
  if (who.capable(Capability::kSysPtrace)) return true;
  const u32 uid = by_fs_ids ? who.fsuid : who.uid;
  const u32 gid = by_fs_ids ? who.fsgid : who.gid;
  const bool same = uid == whose.euid && uid == whose.suid && uid == whose.uid &&
                    gid == whose.egid && gid == whose.sgid && gid == whose.gid;
  if (!same || target.process().dumpable.load() != 1) return false;
  return (whose.permitted & ~who.permitted) == 0;
}

}  // namespace narwhal
