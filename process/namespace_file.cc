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
    case kParent:
      return Errno::kPerm;
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
