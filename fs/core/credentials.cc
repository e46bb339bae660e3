#include "fs/core/credentials.h"

namespace narwhal {

Result<Ref<Credentials>> Credentials::copy() const {
  Ref<Credentials> fresh = TRY(make_ref<Credentials>());
  fresh->uid = uid;
  fresh->euid = euid;
  fresh->suid = suid;
  fresh->fsuid = fsuid;
  fresh->gid = gid;
  fresh->egid = egid;
  fresh->sgid = sgid;
  fresh->fsgid = fsgid;
  TRY(fresh->groups.append(groups));
  fresh->effective = effective;
  fresh->permitted = permitted;
  fresh->inheritable = inheritable;
  fresh->bounding = bounding;
  fresh->ambient = ambient;
  fresh->securebits = securebits;
  return fresh;
}

}  // namespace narwhal
