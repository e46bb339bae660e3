// Files whose content is made when they are read: what /proc and /sys are built of.
//
//   auto root = TRY(make_ref<GeneratedDirectory>(file_system, 0555));
//   TRY(root->add("uptime", TRY(make_text_file(file_system, show_uptime))));
//
// A text file's generator writes into a TextSink. It is run when the file is read from its
// beginning, and again with a larger buffer when the text was cut, so it must be a pure look at the
// present state.
#pragma once

#include "fs/core/dentry.h"
#include "fs/core/file_system.h"
#include "kernel/base/format.h"

namespace narwhal {

// A file system of generated files. Its root is set once, before it is mounted.
class GeneratedFileSystem : public FileSystem {
 public:
  // What a program is told that tries to make a name: proc says ENOENT to all; sysfs says EACCES to
  // open(2), and EPERM to the others.
  enum class Creation : u8 { kNoEntry, kRefused };
  GeneratedFileSystem(std::string_view type_name, i64 magic, Creation creation)
      : FileSystem(Names::kMadeUp), type_name_(type_name), magic_(magic), creation_(creation) {}
  Errno creation_error(FileType type) const {
    if (creation_ == Creation::kNoEntry) return Errno::kNoEnt;
    return type == FileType::kRegular ? Errno::kAcces : Errno::kPerm;
  }
  std::string_view type_name() const override { return type_name_; }
  Ref<Inode> root_inode() override { return root_; }
  Result<Usage> usage() override { return Usage{magic_, kPageSize, 0, 0, 0, 0}; }
  void set_root(Ref<Inode> root) { root_ = std::move(root); }
  u64 next_inode_number() { return last_inode_.fetch_add(1, Order::kRelaxed) + 1; }

 private:
  std::string_view type_name_;
  i64 magic_;
  Creation creation_;
  Ref<Inode> root_;
  Atomic<u64> last_inode_{1};
};

// What all generated inodes share: their content is of this moment, and so are their times.
class GeneratedInode : public Inode {
 public:
  GeneratedInode(GeneratedFileSystem& fs, FileType type, u32 mode, u32 uid = 0, u32 gid = 0)
      : Inode(fs, type, fs.next_inode_number(), mode, uid, gid) {}
  Result<> stat(abi::Stat& out) override;
};

class GeneratedDirectory : public GeneratedInode {
 public:
  GeneratedDirectory(GeneratedFileSystem& fs, u32 mode, u32 uid = 0, u32 gid = 0)
      : GeneratedInode(fs, FileType::kDirectory, mode, uid, gid) {}

  // Fixed entries; made while the tree is built. `name` is a constant string. ENOMEM.
  Result<> add(std::string_view name, Ref<Inode> inode);

  // Among the fixed entries only; null when it is not there.
  Ref<Inode> find(std::string_view name) const;

  Result<Ref<Inode>> lookup(std::string_view name) override;
  Result<> read_directory(i64 offset, DirectoryVisitor& visitor) override;
  Result<Ref<Inode>> create(std::string_view, FileType type, u32, u64,
                            const Credentials&) override {
    return static_cast<GeneratedFileSystem&>(file_system()).creation_error(type);
  }
  Result<Ref<Inode>> create_symlink(std::string_view, std::string_view,
                                    const Credentials&) override {
    return static_cast<GeneratedFileSystem&>(file_system()).creation_error(FileType::kSymlink);
  }

 protected:
  // Entries that come and go (/proc/PID); after the fixed ones. `offset` counts from 0; entries are
  // shown with `base` added to theirs.
  virtual Result<Ref<Inode>> lookup_changing(std::string_view) { return Errno::kNoEnt; }
  virtual Result<> read_changing(i64 offset, i64 base, DirectoryVisitor& visitor) {
    return static_cast<void>(offset), static_cast<void>(base), static_cast<void>(visitor),
           Result<>();
  }

 private:
  struct Entry {
    std::string_view name;
    Ref<Inode> inode;
  };
  Vector<Entry> entries_;
};

// Changes of what a file's text speaks of, for those who poll(2) it; outlives the file.
struct TextChanges {
  WaitQueue queue;
  Atomic<u64> count{0};
  void announce() {
    count.fetch_add(1);
    queue.wake(PollEvents::kErr | PollEvents::kPri, ~usize{0});
  }
};

// A regular file of text.
class GeneratedFile : public GeneratedInode {
 public:
  GeneratedFile(GeneratedFileSystem& fs, u32 mode, u32 uid = 0, u32 gid = 0)
      : GeneratedInode(fs, FileType::kRegular, mode, uid, gid) {}
  virtual Result<> show(TextSink& out) = 0;
  // A write of the whole new content (one write(2)). EACCES unless overridden.
  virtual Result<> store(std::string_view) { return Errno::kAcces; }
  // ioctl(2), for the few that know any.
  virtual Result<i64> control(u32 command, UserAddr argument) {
    return static_cast<void>(command), static_cast<void>(argument), Errno::kNotTty;
  }
  // Null: nobody tells of changes, and poll(2) has nothing to wait for.
  virtual TextChanges* changes() { return nullptr; }
  Result<FileRef> open(const Path& path, OpenFlags flags) override;
  // O_TRUNC, which shells use to write to /proc/sys: nothing to cut.
  Result<> truncate(u64) override { return {}; }
};

// The plain case: a function.
using ShowFunction = Result<> (*)(TextSink& out);
using StoreFunction = Result<> (*)(std::string_view text);
Result<Ref<Inode>> make_text_file(GeneratedFileSystem& fs, ShowFunction show,
                                  StoreFunction store = nullptr);
// A file that always says the same; `text` is a constant string.
Result<Ref<Inode>> make_constant_file(GeneratedFileSystem& fs, std::string_view text);
// A symbolic link whose target is a constant string.
Result<Ref<Inode>> make_link(GeneratedFileSystem& fs, std::string_view target);
Result<Ref<GeneratedDirectory>> make_directory(GeneratedFileSystem& fs);

// Adds `inode` as `name` in `directory` ("a/b" below the file system's root, "" for the root
// itself), making directories on the way. Both names are constant strings. ENOMEM.
Result<> generated_add(GeneratedFileSystem& fs, std::string_view directory, std::string_view name,
                       Ref<Inode> inode);

// Runs a generator into a buffer that is large enough for its text.
Result<Vector<char>> generate_text(GeneratedFile& file);

}  // namespace narwhal
