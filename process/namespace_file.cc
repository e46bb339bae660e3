#include "process/namespace_file.h"

#include "fs/core/inode.h"
#include "kernel/base/format.h"

namespace narwhal {

Result<String> NamespaceKind::text() const {
  Text<32> out;
  out << name << ":[" << inode << ']';
  return String::copy(out.view());
}

Result<> NamespaceFile::stat(abi::Stat& out) {
  return path_.dentry->inode().stat(out);
}

Result<i64> NamespaceFile::ioctl(u32 command, UserAddr argument) {
  constexpr u32 kUser = 0xb701, kParent = 0xb702, kType = 0xb703, kOwner = 0xb704;
  switch (command) {
    case kUser:
      return Errno::kPerm;
    case kParent:
      // Only these two have parents, and those of the first of each are nobody's to see.
      return has(CloneFlags::kNewPid | CloneFlags::kNewUser, kind_.flag) ? Errno::kPerm
                                                                       : Errno::kInval;
    case kType:
      return i64(raw(kind_.flag));
    case kOwner:
      if (kind_.flag != CloneFlags::kNewUser) return Errno::kInval;
      TRY(store_user(argument, u32{0}));
      return i64{0};
    default:
      return Errno::kNotTty;
  }
}

}  // namespace narwhal
