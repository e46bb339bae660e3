// Making an entry of a directory, for all who do. Only for fs/core/.
#pragma once

#include <cstring>

#include "fs/core/vfs.h"

namespace narwhal::vfs {

// A copy of a path's last component, which lies in memory that a walk's end may take away.
class NewName {
 public:
  explicit NewName(std::string_view name) : size_(u8(name.size())) {
    ASSERT(name.size() <= kMaxName);
    if (size_ != 0) std::memcpy(text_, name.data(), size_);
  }
  std::string_view view() const { return {text_, size_}; }

 private:
  char text_[kMaxName];
  u8 size_;
};

// Makes an inode and its name. EEXIST when the name is there by now; rights to create are checked.
Result<Ref<Dentry>> create_entry(const Credentials& who, const Path& directory, const NewName& name,
                                 FileType type, u32 mode, u64 device);

// Who owns a new inode and with what mode: the directory's set-group-ID bit passes the group on
// (inode(7)).
struct NewOwner {
  u32 mode, uid, gid;
};
// Permission bits that a program asked for, without those of the umask; set-group-ID is lost as
// new_inode_owner() has it.
u32 new_mode(const Inode& directory, const Credentials& who, u32 mode, u32 umask);
NewOwner new_inode_owner(const Inode& directory, const Credentials& who, FileType type, u32 mode);

}  // namespace narwhal::vfs
