#include "process/proc/links.h"

#include "fs/core/mount.h"
#include "fs/core/vfs.h"

namespace narwhal {
namespace {

// --- cwd, root, exe

using PlaceOf = Result<Path> (*)(const ProcSubject& subject);

class PlaceLink final : public GeneratedInode {
 public:
  PlaceLink(GeneratedFileSystem& fs, const ProcTarget& target, PlaceOf place_of)
      : GeneratedInode(fs, FileType::kSymlink, 0777), target_(target), place_of_(place_of) {}

  Result<Path> follow_magic_link() override {
    const ProcSubject subject = TRY(target_.resolve());
    if (!subject.inspectable()) return subject.task ? Errno::kAcces : Errno::kNoEnt;
    return place_of_(subject);
  }
  Result<String> read_link() override {
    const Path place = TRY(follow_magic_link());
    return vfs::path_text(current_task().fs(), place);
  }
  bool still_valid() const override { return target_.resolve().ok(); }

 private:
  ProcTarget target_;
  PlaceOf place_of_;
};

Result<Path> working_directory_of(const ProcSubject& subject) {
  auto fs = subject.fs();
  if (!fs) return Errno::kNoEnt;
  return fs->working_directory();
}
Result<Path> root_of(const ProcSubject& subject) {
  auto fs = subject.fs();
  if (!fs) return Errno::kNoEnt;
  return fs->root();
}
Result<Path> executable_of(const ProcSubject& subject) {
  Path path = subject.process->executable();
  if (!path) return Errno::kNoEnt;
  return path;
}

// --- descriptors of files that have no path: pipes, sockets, streams of the host

// Stands for such a file where a path is expected: whoever opens it opens the file anew.
class ReopenInode final : public Inode {
 public:
  ReopenInode(FileSystem& fs, FileType type, const abi::Stat& stat, FileRef file)
      : Inode(fs, type, stat.inode, stat.mode & 07777, stat.uid, stat.gid),
        file_(std::move(file)) {}
  Result<> stat(abi::Stat& out) override { return file_->stat(out); }
  Result<FileRef> open(const Path&, OpenFlags flags) override { return file_->reopen(flags); }

 private:
  FileRef file_;
};

constinit GeneratedFileSystem* reopen_file_system = nullptr;  // live as long as the machine
constinit Mount* reopen_mount = nullptr;

Result<Path> path_for_reopening(FileRef file) {
  abi::Stat stat{};
  TRY(file->stat(stat));
  const auto type = FileType(stat.mode & kFileTypeMask);
  // Anonymous inodes have a mode without a type; they can't be opened in any case.
  const String name = TRY(file->link_text());
  auto inode = TRY(make_ref<ReopenInode>(*reopen_file_system, type, stat, std::move(file)));
  const std::string_view shown = name.view().substr(0, 255);
  auto dentry = TRY(Dentry::create(nullptr, shown, Ref<Inode>(std::move(inode))));
  return Path{Ref<Mount>(reopen_mount), std::move(dentry)};
}

// --- fd/N

class FdLink final : public GeneratedInode {
 public:
  FdLink(GeneratedFileSystem& fs, const ProcTarget& target, int fd, u32 mode, u32 uid, u32 gid)
      : GeneratedInode(fs, FileType::kSymlink, mode, uid, gid), target_(target), fd_(fd) {}

  static u32 mode_of(const File& file) {
    return (file.readable() ? 0500 : 0) | (file.writable() ? 0300 : 0);
  }
  Result<Path> follow_magic_link() override {
    auto file = TRY(this->file());
    if (const Path* path = file->path()) return *path;
    return path_for_reopening(std::move(file));
  }
  Result<String> read_link() override { return TRY(file())->link_text(); }
  Result<> stat(abi::Stat& out) override {
    TRY(GeneratedInode::stat(out));
    out.size = 64;
    return {};
  }
  bool still_valid() const override {
    auto now = file();
    return now.ok() && mode_of(*now.value()) == mode();
  }

 private:
  Result<FileRef> file() const {
    const ProcSubject subject = TRY(target_.resolve());
    if (!subject.inspectable()) return Errno::kAcces;
    auto files = subject.files();
    if (!files) return Errno::kNoEnt;
    auto file = files->get_any(fd_);
    if (!file.ok()) return Errno::kNoEnt;
    return file;
  }
  ProcTarget target_;
  int fd_;
};

// --- fdinfo/N

class FdInfoFile final : public GeneratedFile {
 public:
  FdInfoFile(GeneratedFileSystem& fs, const ProcTarget& target, int fd, u32 uid, u32 gid)
      : GeneratedFile(fs, 0444, uid, gid), target_(target), fd_(fd) {}

  Result<> show(TextSink& out) override {
    const ProcSubject subject = TRY(target_.resolve());
    if (!subject.inspectable()) return Errno::kAcces;
    auto files = subject.files();
    if (!files) return Errno::kNoEnt;
    auto found = files->get_any(fd_);
    if (!found.ok()) return Errno::kNoEnt;
    const FileRef file = found.take();
    u32 flags = raw(file->flags());
    if (auto closes = files->close_on_exec(fd_); closes.ok() && closes.value())
      flags |= raw(OpenFlags::kCloseOnExec);
    constexpr int kFromHere = 1;  // SEEK_CUR
    i64 position = 0;
    if (file->seekable())
      if (auto at = file->seek(0, kFromHere); at.ok()) position = at.value();
    abi::Stat stat{};
    TRY(file->stat(stat));
    const Path* path = file->path();
    // As "0%o": a zero before whatever comes.
    out << "pos:\t" << position << "\nflags:\t" << (flags == 0 ? "0" : "") << octal(flags)
        << "\nmnt_id:\t" << (path && path->mount ? path->mount->id() : reopen_mount->id())
        << "\nino:\t" << stat.inode << '\n';
    file->describe(out);
    return {};
  }

 private:
  ProcTarget target_;
  int fd_;
};

// --- the directories

class FdDirectory final : public GeneratedDirectory {
 public:
  FdDirectory(GeneratedFileSystem& fs, const ProcTarget& target, bool links, u32 uid, u32 gid)
      : GeneratedDirectory(fs, links ? 0500 : 0555, uid, gid), target_(target), links_(links) {}

  // Linux tells here how many there are.
  Result<> stat(abi::Stat& out) override {
    TRY(GeneratedDirectory::stat(out));
    if (!links_) return {};
    auto files = TRY(this->files());
    for (int fd = files->next_open(0); fd >= 0; fd = files->next_open(fd + 1)) ++out.size;
    return {};
  }
  bool still_valid() const override { return target_.resolve().ok(); }

 protected:
  Result<Ref<Inode>> lookup_changing(std::string_view name) override {
    const u32 number = parse_number(name);
    if (number == 0 && name != "0") return Errno::kNoEnt;
    auto files = TRY(this->files());
    auto file = files->get_any(int(number));
    if (!file.ok()) return Errno::kNoEnt;
    auto& fs = static_cast<GeneratedFileSystem&>(file_system());
    if (!links_)
      return Ref<Inode>(TRY(make_ref<FdInfoFile>(fs, target_, int(number), uid(), gid())));
    const u32 mode = FdLink::mode_of(*file.value());
    return Ref<Inode>(TRY(make_ref<FdLink>(fs, target_, int(number), mode, uid(), gid())));
  }
  Result<> read_changing(i64 offset, i64 base, DirectoryVisitor& visitor) override {
    auto files = TRY(this->files());
    for (int fd = files->next_open(int(offset)); fd >= 0; fd = files->next_open(fd + 1)) {
      Text<16> name;
      name << fd;
      const FileType type = links_ ? FileType::kSymlink : FileType::kRegular;
      if (!visitor.entry(name.view(), number() + u64(fd) + 1, type, base + fd + 1)) break;
    }
    return {};
  }

 private:
  Result<Ref<FdTable>> files() const {
    const ProcSubject subject = TRY(target_.resolve());
    if (!subject.inspectable()) return Errno::kAcces;
    auto files = subject.files();
    if (!files) return Errno::kNoEnt;
    return files;
  }
  ProcTarget target_;
  bool links_;
};

}  // namespace

Result<Ref<Inode>> make_proc_place_link(GeneratedFileSystem& fs, const ProcTarget& target,
                                        std::string_view name) {
  const PlaceOf place_of = name == "cwd"    ? working_directory_of
                           : name == "root" ? root_of
                           : name == "exe"  ? executable_of
                                            : nullptr;
  if (!place_of) return Errno::kNoEnt;
  return Ref<Inode>(TRY(make_ref<PlaceLink>(fs, target, place_of)));
}

Result<Ref<Inode>> make_proc_fd_directory(GeneratedFileSystem& fs, const ProcTarget& target,
                                          u32 uid, u32 gid) {
  return Ref<Inode>(TRY(make_ref<FdDirectory>(fs, target, true, uid, gid)));
}
Result<Ref<Inode>> make_proc_fdinfo_directory(GeneratedFileSystem& fs, const ProcTarget& target,
                                              u32 uid, u32 gid) {
  return Ref<Inode>(TRY(make_ref<FdDirectory>(fs, target, false, uid, gid)));
}

Result<> proc_links_init() {
  constexpr i64 kPipeMagic = 0x50495045;  // PIPEFS_MAGIC
  auto fs = TRY(
      make_ref<GeneratedFileSystem>("pipefs", kPipeMagic, GeneratedFileSystem::Creation::kNoEntry));
  fs->set_root(TRY(make_directory(*fs)));
  Ref<FileSystem> file_system = fs;
  auto root = TRY(file_system->root());
  reopen_mount =
      TRY(make_ref<Mount>(std::move(file_system), std::move(root), MountFlags::kInternal))
          .release();
  reopen_file_system = fs.release();
  return {};
}

}  // namespace narwhal
