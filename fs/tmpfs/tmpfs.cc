#include "fs/tmpfs/tmpfs.h"

#include "fs/core/clock.h"
#include "fs/tmpfs/tmpfs_node.h"
#include "kernel/mm/frame.h"

namespace narwhal {

Result<Ref<TmpFs>> TmpFs::create(const Options& options) {
  Ref<TmpfsAccount> account = TRY(make_ref<TmpfsAccount>());
  const u64 half = memory_statistics().total_frames / 2;
  account->max_pages.store(options.max_pages ? options.max_pages : half);
  account->max_inodes.store(options.max_inodes ? options.max_inodes : half);
  auto fs = Ref<TmpFs>::adopt(new (std::nothrow) TmpFs(std::move(account)));
  if (!fs) return Errno::kNoMem;
  fs->type_name_ = options.type_name;
  fs->mode_ = options.mode;
  fs->first_inode_ = TRY(fs->make_inode(
      FileType::kDirectory, {options.mode, options.uid, options.gid, current_file_time(), 0}));
  TRY(fs->root());
  return fs;
}

Ref<Inode> TmpFs::root_inode() {
  return std::move(first_inode_);
}

Result<FileSystem::Usage> TmpFs::usage() {
  constexpr i64 kMagic = 0x01021994;  // TMPFS_MAGIC
  Usage usage;
  usage.magic = kMagic;
  const u64 pages = account_->max_pages.load(), inodes = account_->max_inodes.load();
  // Without a limit Linux says 0.
  if (pages != TmpfsAccount::kUnlimited) {
    usage.blocks = pages;
    usage.blocks_free = pages > account_->pages() ? pages - account_->pages() : 0;
  }
  if (inodes != TmpfsAccount::kUnlimited) {
    usage.files = inodes;
    usage.files_free = inodes > account_->inodes() ? inodes - account_->inodes() : 0;
  }
  return usage;
}

Result<Ref<Inode>> TmpFs::make_inode(FileType type, const Attributes& attributes) {
  if (type == FileType::kRegular) return make_file(attributes, TRY(make_data()));
  TRY(account_->charge_inode());
  const u64 number = account_->next_inode_number();
  Inode* inode;
  if (type == FileType::kDirectory)
    inode = new (std::nothrow) TmpfsDirectory(account_, attributes, *this, number);
  else
    inode = new (std::nothrow) TmpfsSpecial(account_, attributes, *this, type, number);
  if (!inode) {
    account_->release_inode();
    return Errno::kNoMem;
  }
  return Ref<Inode>::adopt(inode);
}

Result<Ref<Inode>> TmpFs::make_file(const Attributes& attributes, Ref<TmpfsData> data) {
  TRY(account_->charge_inode());
  Inode* inode = new (std::nothrow)
      TmpfsFile(account_, attributes, *this, account_->next_inode_number(), std::move(data));
  if (!inode) {
    account_->release_inode();
    return Errno::kNoMem;
  }
  return Ref<Inode>::adopt(inode);
}

Result<Ref<Inode>> TmpFs::make_symlink(const Attributes& attributes, std::string_view target) {
  String text = TRY(String::copy(target));
  TRY(account_->charge_inode());
  Inode* inode = new (std::nothrow)
      TmpfsSymlink(account_, attributes, *this, account_->next_inode_number(), std::move(text));
  if (!inode) {
    account_->release_inode();
    return Errno::kNoMem;
  }
  return Ref<Inode>::adopt(inode);
}

Result<Ref<Dentry>> TmpFs::add_name(const Ref<Dentry>& parent, std::string_view name,
                                    Ref<Inode> inode) {
  TRY(DentryTree::reserve(*parent));
  Ref<Dentry> dentry = TRY(Dentry::create(parent, name, inode));
  auto& directory = static_cast<TmpfsDirectory&>(parent->inode());
  const abi::TimeSpec modified = directory.modified();
  {
    NamesWriteGuard guard;
    if (DentryTree::find(*parent, name, DentryTree::hash(name))) return Errno::kExist;
    DentryTree::link(*dentry);
  }
  directory.entry_added(*inode);
  directory.set_modified(modified);  // what the archive says stays
  return dentry;
}

namespace {

// The kernel's own instance, without limits, behind memfd_create(2).
constinit Mutex<LockRank::kMounts> memory_files_mutex;
constinit Mount* memory_files TA_GUARDED_BY(memory_files_mutex) = nullptr;

Result<Ref<Mount>> memory_files_mount() {
  Guard guard(memory_files_mutex);
  if (!memory_files) {
    TmpFs::Options options;
    options.max_pages = options.max_inodes = TmpfsAccount::kUnlimited;
    Ref<TmpFs> fs = TRY(TmpFs::create(options));
    Ref<Dentry> root = TRY(fs->root());
    memory_files =
        TRY(make_ref<Mount>(std::move(fs), std::move(root), MountFlags::kInternal)).release();
  }
  return Ref<Mount>(memory_files);
}

Result<Ref<FileSystem>> create_for_mount(std::string_view options) {
  return Ref<FileSystem>(TRY(TmpFs::create(TRY(TmpFs::parse_options(options, {})))));
}

Result<> check_options(std::string_view options) {
  TRY(TmpFs::parse_options(options, {}));
  return {};
}

[[clang::no_destroy]] constinit FileSystemType tmpfs_type{
    {}, "tmpfs", create_for_mount, check_options};

}  // namespace

Result<FileRef> create_memory_file(std::string_view name, OpenFlags flags, bool allow_sealing,
                                   const Credentials& who) {
  Ref<Mount> mount = TRY(memory_files_mount());
  auto& fs = static_cast<TmpFs&>(mount->file_system());
  Ref<Inode> inode =
      TRY(fs.make_inode(FileType::kRegular, {0777, who.fsuid, who.fsgid, current_file_time(), 0}));
  inode->set_links(0);
  if (allow_sealing) static_cast<TmpfsFile&>(*inode).allow_seals();
  Ref<Dentry> dentry = TRY(Dentry::create(nullptr, name, inode));
  dentry->mark_unlinked();
  return RegularFile::open(static_cast<DataInode&>(*inode),
                           Path{std::move(mount), std::move(dentry)}, flags | OpenFlags::kLargeFile,
                           RegularFile::Writer::kDoesNotCount);
}

void seal_against_execution(File& memory_file) {
  Inode& inode = *memory_file.inode();
  inode.set_mode(inode.mode() & ~kAnyExecute);
  static_cast<TmpfsFile&>(inode).seal_execution();
}

constinit Atomic<u32> memory_file_execution{0};

void register_tmpfs() {
  register_file_system_type(tmpfs_type);
}

}  // namespace narwhal
