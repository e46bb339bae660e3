// tmpfs(5): a file system in memory. Names are dentries, content is memory objects; there is
// nothing else behind them.
#pragma once

#include "fs/core/file_system.h"
#include "fs/tmpfs/account.h"
#include "fs/tmpfs/tmpfs_data.h"

namespace narwhal {

class TmpFs final : public FileSystem {
 public:
  struct Options {
    u64 max_pages = 0;   // 0: half of the memory, as mount(8)'s default
    u64 max_inodes = 0;  // likewise
    u32 mode = 01777;
    u32 uid = 0, gid = 0;
    std::string_view type_name = "tmpfs";  // a constant string
  };
  static Result<Ref<TmpFs>> create(const Options& options);
  // "size=10%,nr_inodes=1k,mode=755,uid=0". EINVAL.
  static Result<Options> parse_options(std::string_view text, Options options);
  ~TmpFs() override { drop_names(); }

  std::string_view type_name() const override { return type_name_; }
  Ref<Inode> root_inode() override;
  Result<Usage> usage() override;
  void describe_options(TextSink& out) const override;
  Result<> reconfigure(std::string_view options) override;

  // --- for those who fill it before any program runs, without rights and locks (fs/archive)
  struct Attributes {
    u32 mode = 0;
    u32 uid = 0, gid = 0;
    abi::TimeSpec time{};
    u64 device = 0;
  };
  Result<Ref<Inode>> make_inode(FileType type, const Attributes& attributes);
  Result<Ref<Inode>> make_file(const Attributes& attributes, Ref<TmpfsData> data);
  Result<Ref<Inode>> make_symlink(const Attributes& attributes, std::string_view target);
  // Gives an inode a name; EEXIST. Counts links as mkdir and link would.
  Result<Ref<Dentry>> add_name(const Ref<Dentry>& parent, std::string_view name, Ref<Inode> inode);
  Result<Ref<TmpfsData>> make_data() { return make_ref<TmpfsData>(account_); }
  TmpfsAccount& account() { return *account_; }

 private:
  explicit TmpFs(Ref<TmpfsAccount> account)
      : FileSystem(Names::kPinned), account_(std::move(account)) {}

  const Ref<TmpfsAccount> account_;
  std::string_view type_name_ = "tmpfs";
  u32 mode_ = 01777;        // of the root at first, for describe_options()
  Ref<Inode> first_inode_;  // until root() asks for it
};

// Makes "tmpfs" known to mount(2).
void register_tmpfs();

// A file without a name, for memfd_create(2) and shared anonymous memory. `name` is what /proc
// shows.
Result<FileRef> create_memory_file(std::string_view name, OpenFlags flags, bool allow_sealing,
                                   const Credentials& who);
// MFD_NOEXEC_SEAL: nobody may execute it, and that stays so. Right after it was made.
void seal_against_execution(File& memory_file);

// /proc/sys/vm/memfd_noexec: what memfd_create(2) makes of calls that do not say whether the file
// may be executed (0: it may), and whether it refuses those that want it so (2).
extern Atomic<u32> memory_file_execution;

}  // namespace narwhal
