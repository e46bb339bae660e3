#include "fs/tmpfs/tmpfs_node.h"

namespace narwhal {

constinit Mutex<LockRank::kInode> tmpfs_xattr_mutex;

Result<usize> TmpfsFile::read_gap(u64 index, usize offset, usize size, IoBuffer& to) {
  TmpfsData& content = tmpfs_data();
  if (!content.has_packed(index)) return to.write_zeros(size);
  Guard guard(lock_);
  // A page may have been made meanwhile; then that is what counts.
  FrameRef page = TRY(
      static_cast<MemoryObject&>(content).MemoryObject::page(index, MemoryObject::Access::kRead));
  if (page) return to.write(page.data() + offset, size);
  if (!content.has_packed(index)) return to.write_zeros(size);
  const std::span<const std::byte> bytes = content.packed();
  if (offset >= bytes.size()) return to.write_zeros(size);
  return to.write(bytes.data() + offset,
                  bytes.size() - offset < size ? bytes.size() - offset : size);
}

void TmpfsFile::forget_gaps(u64 first, u64 last) {
  TmpfsData& content = tmpfs_data();
  const u64 index = content.packed_index();
  if (content.has_packed(index) && first <= index && index < last) content.drop_packed();
}

Result<> TmpfsDirectory::stat(abi::Stat& out) {
  // A directory takes no blocks here; Linux pretends this much for each entry, "." and ".."
  // included.
  constexpr i64 kEntrySize = 20;
  TRY(Inode::stat(out));
  out.size = (i64(entries_.load(Order::kRelaxed)) + 2) * kEntrySize;
  return {};
}

void TmpfsDirectory::entry_added(const Inode& inode) {
  entries_.fetch_add(1, Order::kRelaxed);
  if (inode.is_directory()) set_links(links() + 1);
  set_modified(current_file_time());
}

void TmpfsDirectory::entry_removed(const Inode& inode) {
  entries_.fetch_sub(1, Order::kRelaxed);
  if (inode.is_directory()) set_links(links() - 1);
  set_modified(current_file_time());
}

TmpFs::Attributes TmpfsDirectory::attributes_for(const Credentials& who, FileType type, u32 mode,
                                                 u64 device) const {
  const vfs::NewOwner owner = vfs::new_inode_owner(*this, who, type, mode);
  return {owner.mode, owner.uid, owner.gid, current_file_time(), device};
}

Result<Ref<Inode>> TmpfsDirectory::create(std::string_view, FileType type, u32 mode, u64 device,
                                          const Credentials& who) {
  Ref<Inode> inode = TRY(tmpfs().make_inode(type, attributes_for(who, type, mode, device)));
  hand_down_flags(*inode);
  entry_added(*inode);
  return inode;
}

Result<Ref<Inode>> TmpfsDirectory::create_symlink(std::string_view, std::string_view target,
                                                  const Credentials& who) {
  Ref<Inode> inode =
      TRY(tmpfs().make_symlink(attributes_for(who, FileType::kSymlink, 0777, 0), target));
  hand_down_flags(*inode);
  entry_added(*inode);
  return inode;
}

Result<Ref<Inode>> TmpfsDirectory::create_unnamed(u32 mode, const Credentials& who) {
  Ref<Inode> inode =
      TRY(tmpfs().make_inode(FileType::kRegular, attributes_for(who, FileType::kRegular, mode, 0)));
  hand_down_flags(*inode);
  inode->set_links(0);
  return inode;
}

Result<> TmpfsDirectory::link(std::string_view, Inode& target) {
  target.set_links(target.links() + 1);
  target.set_changed(current_file_time());
  entry_added(target);
  return {};
}

Result<> TmpfsDirectory::unlink(std::string_view, Inode& target) {
  entry_removed(target);
  target.set_links(target.is_directory() ? 0 : target.links() - 1);
  target.set_changed(current_file_time());
  return {};
}

Result<> TmpfsDirectory::rename(std::string_view, Inode& target, Inode& new_directory,
                                std::string_view, Inode* replaced, u32 flags) {
  auto& to = static_cast<TmpfsDirectory&>(new_directory);
  const abi::TimeSpec now = current_file_time();
  if (flags & vfs::kRenameExchange) {
    entry_removed(target);
    to.entry_removed(*replaced);
    to.entry_added(target);
    entry_added(*replaced);
    replaced->set_changed(now);
  } else {
    if (replaced) TRY(to.unlink({}, *replaced));
    entry_removed(target);
    to.entry_added(target);
  }
  target.set_changed(now);
  return {};
}

}  // namespace narwhal
