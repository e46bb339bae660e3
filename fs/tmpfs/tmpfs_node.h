// The kinds of inodes of a tmpfs. Only for fs/tmpfs.
#pragma once

#include "fs/core/clock.h"
#include "fs/core/create.h"
#include "fs/core/regular_file.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/tmpfs/xattr_list.h"

namespace narwhal {

// Few inodes have extended attributes, and few calls ask: one lock serves all.
extern Mutex<LockRank::kInode> tmpfs_xattr_mutex;

// What all kinds share. Base is Inode or DataInode.
template <typename Base>
class TmpfsNode : public Base {
 public:
  // The caller has charged the account for the inode.
  template <typename... Args>
  TmpfsNode(Ref<TmpfsAccount> account, const TmpFs::Attributes& attributes, Args&&... args)
      : Base(std::forward<Args>(args)...), account_(std::move(account)), born_(attributes.time) {
    this->set_times(attributes.time, attributes.time, attributes.time);
    this->set_special_device(attributes.device);
  }
  ~TmpfsNode() override {
    delete xattrs_;
    account_->release_inode();
  }

  bool has_flags() const override { return this->is_regular() || this->is_directory(); }
  bool shows_flags() const override { return true; }
  bool birth_time(abi::TimeSpec& out) const override {
    out = born_;
    return true;
  }
  Result<> set_attributes(const AttributeChange& change) override {
    if (change.fields & AttributeChange::kSize) TRY(this->truncate(change.size));
    this->apply_attributes(change);
    return {};
  }
  Result<usize> get_xattr(std::string_view name, std::span<std::byte> out) override {
    Guard guard(tmpfs_xattr_mutex);
    if (!xattrs_) return Errno::kNoData;
    return xattrs_->get(name, out);
  }
  Result<> set_xattr(std::string_view name, std::span<const std::byte> value, int flags) override {
    Guard guard(tmpfs_xattr_mutex);
    if (!xattrs_) xattrs_ = new (std::nothrow) XattrList();
    if (!xattrs_) return Errno::kNoMem;
    TRY(xattrs_->set(name, value, flags));
    this->set_changed(current_file_time());
    return {};
  }
  Result<> remove_xattr(std::string_view name) override {
    Guard guard(tmpfs_xattr_mutex);
    if (!xattrs_) return Errno::kNoData;
    TRY(xattrs_->remove(name));
    this->set_changed(current_file_time());
    return {};
  }
  Result<usize> list_xattr(std::span<char> out, bool with_trusted) override {
    Guard guard(tmpfs_xattr_mutex);
    if (!xattrs_) return usize{0};
    return xattrs_->list(out, with_trusted);
  }

 protected:
  TmpfsAccount& account() const { return *account_; }
  const Ref<TmpfsAccount> account_;

 private:
  XattrList* xattrs_ = nullptr;
  const abi::TimeSpec born_;
};

// Devices, FIFOs, sockets.
class TmpfsSpecial final : public TmpfsNode<Inode> {
 public:
  TmpfsSpecial(Ref<TmpfsAccount> account, const TmpFs::Attributes& attributes, TmpFs& fs,
               FileType type, u64 number)
      : TmpfsNode(std::move(account), attributes, fs, type, number, attributes.mode, attributes.uid,
                  attributes.gid) {}
};

class TmpfsSymlink final : public TmpfsNode<Inode> {
 public:
  TmpfsSymlink(Ref<TmpfsAccount> account, const TmpFs::Attributes& attributes, TmpFs& fs,
               u64 number, String target)
      : TmpfsNode(std::move(account), attributes, fs, FileType::kSymlink, number, 0777,
                  attributes.uid, attributes.gid),
        target_(std::move(target)) {}
  Result<> stat(abi::Stat& out) override {
    TRY(Inode::stat(out));
    out.size = i64(target_.size());
    return {};
  }
  Result<String> read_link() override { return String::copy(target_); }
  std::string_view stable_link() const override { return target_; }

 private:
  const String target_;
};

class TmpfsFile final : public TmpfsNode<DataInode> {
 public:
  TmpfsFile(Ref<TmpfsAccount> account, const TmpFs::Attributes& attributes, TmpFs& fs, u64 number,
            Ref<TmpfsData> data)
      : TmpfsNode(std::move(account), attributes, fs, number, attributes.mode, attributes.uid,
                  attributes.gid, std::move(data)) {}
  void allow_seals() { set_initial_seals(0); }
  void seal_execution() { set_initial_seals(kSealExecute); }
  Result<> set_attributes(const AttributeChange& change) override {
    if ((change.fields & AttributeChange::kMode) && ((change.mode ^ mode()) & kAnyExecute) &&
        (seals().value() & kSealExecute))
      return Errno::kPerm;
    return TmpfsNode::set_attributes(change);
  }

 protected:
  bool is_gap(u64 index) override { return !tmpfs_data().has_packed(index); }
  Result<usize> read_gap(u64 index, usize offset, usize size, IoBuffer& to) override;
  void forget_gaps(u64 first, u64 last) override;

 private:
  TmpfsData& tmpfs_data() const { return static_cast<TmpfsData&>(data()); }
};

class TmpfsDirectory final : public TmpfsNode<Inode> {
 public:
  TmpfsDirectory(Ref<TmpfsAccount> account, const TmpFs::Attributes& attributes, TmpFs& fs,
                 u64 number)
      : TmpfsNode(std::move(account), attributes, fs, FileType::kDirectory, number, attributes.mode,
                  attributes.uid, attributes.gid) {
    set_links(2);
  }
  Result<> stat(abi::Stat& out) override;
  Result<Ref<Inode>> create(std::string_view name, FileType type, u32 mode, u64 device,
                            const Credentials& who) override;
  Result<Ref<Inode>> create_symlink(std::string_view name, std::string_view target,
                                    const Credentials& who) override;
  Result<Ref<Inode>> create_unnamed(u32 mode, const Credentials& who) override;
  Result<> link(std::string_view name, Inode& target) override;
  Result<> unlink(std::string_view name, Inode& target) override;
  Result<> rename(std::string_view name, Inode& target, Inode& new_directory,
                  std::string_view new_name, Inode* replaced, u32 flags) override;
  // One entry more; a directory adds its "..".
  void entry_added(const Inode& inode);
  void entry_removed(const Inode& inode);

 private:
  TmpFs& tmpfs() const { return static_cast<TmpFs&>(file_system()); }
  TmpFs::Attributes attributes_for(const Credentials& who, FileType type, u32 mode,
                                   u64 device) const;
  // What is made here gets the directory's flags, but for those that restrict.
  void hand_down_flags(Inode& to) const {
    to.set_flags(flags() & (kInodeNoDump | kInodeNoAccessTime));
  }
  Atomic<u32> entries_{0};
};

}  // namespace narwhal
