#include "process/proc/namespaces.h"

#include "fs/core/mount.h"
#include "process/namespace_file.h"

namespace narwhal {
namespace {

// Names of links, and which kind each leads to.
struct LinkName {
  std::string_view name;
  u8 kind;
};
constexpr LinkName kLinkNames[] = {
    {"net", 0},  {"uts", 1}, {"ipc", 2},    {"pid", 3},  {"pid_for_children", 3},
    {"user", 4}, {"mnt", 5}, {"cgroup", 6}, {"time", 7}, {"time_for_children", 7},
};

class NamespaceInode final : public Inode {
 public:
  NamespaceInode(FileSystem& fs, const NamespaceKind& kind)
      : Inode(fs, FileType::kRegular, kind.inode, 0444, 0, 0), kind_(kind) {}
  Result<FileRef> open(const Path& path, OpenFlags flags) override {
    if (writable(flags)) return Errno::kPerm;
    return FileRef(TRY(make_ref<NamespaceFile>(path, kind_)));
  }

 private:
  const NamespaceKind& kind_;
};

constinit Mount* mount = nullptr;  // lives as long as the machine, as what follows
constinit Dentry* places[std::size(kNamespaceKinds)] = {};

class NamespaceLink final : public GeneratedInode {
 public:
  NamespaceLink(GeneratedFileSystem& fs, const ProcTarget& target, u8 kind, u32 uid, u32 gid)
      : GeneratedInode(fs, FileType::kSymlink, 0777, uid, gid), target_(target), kind_(kind) {}

  Result<Path> follow_magic_link() override {
    TRY(check());
    return Path{Ref<Mount>(mount), Ref<Dentry>(places[kind_])};
  }
  Result<String> read_link() override {
    TRY(check());
    return kNamespaceKinds[kind_].text();
  }
  bool still_valid() const override { return target_.resolve().ok(); }

 private:
  Result<> check() const {
    const ProcSubject subject = TRY(target_.resolve());
    if (!subject.task) return Errno::kNoEnt;
    return subject.inspectable() ? Result<>() : Errno::kAcces;
  }
  ProcTarget target_;
  u8 kind_;
};

class NamespaceDirectory final : public GeneratedDirectory {
 public:
  NamespaceDirectory(GeneratedFileSystem& fs, const ProcTarget& target, u32 uid, u32 gid)
      : GeneratedDirectory(fs, 0511, uid, gid), target_(target) {}
  bool still_valid() const override { return target_.resolve().ok(); }

 protected:
  Result<Ref<Inode>> lookup_changing(std::string_view name) override {
    auto& fs = static_cast<GeneratedFileSystem&>(file_system());
    for (const LinkName& entry : kLinkNames)
      if (entry.name == name)
        return Ref<Inode>(TRY(make_ref<NamespaceLink>(fs, target_, entry.kind, uid(), gid())));
    return Errno::kNoEnt;
  }
  Result<> read_changing(i64 offset, i64 base, DirectoryVisitor& visitor) override {
    for (usize i = usize(offset); i < std::size(kLinkNames); ++i)
      if (!visitor.entry(kLinkNames[i].name, number() + i + 1, FileType::kSymlink,
                         base + i64(i) + 1))
        break;
    return {};
  }

 private:
  ProcTarget target_;
};

}  // namespace

Result<Ref<Inode>> make_proc_namespace_directory(GeneratedFileSystem& fs, const ProcTarget& target,
                                                 u32 uid, u32 gid) {
  return Ref<Inode>(TRY(make_ref<NamespaceDirectory>(fs, target, uid, gid)));
}

Result<> namespace_files_init() {
  constexpr i64 kMagic = 0x6e736673;  // NSFS_MAGIC
  auto fs =
      TRY(make_ref<GeneratedFileSystem>("nsfs", kMagic, GeneratedFileSystem::Creation::kNoEntry));
  fs->set_root(TRY(make_directory(*fs)));
  for (usize i = 0; i < std::size(kNamespaceKinds); ++i) {
    const String name = TRY(kNamespaceKinds[i].text());
    auto inode = TRY(make_ref<NamespaceInode>(*fs, kNamespaceKinds[i]));
    places[i] = TRY(Dentry::create(nullptr, name, Ref<Inode>(std::move(inode)))).release();
  }
  Ref<FileSystem> file_system = std::move(fs);
  auto root = TRY(file_system->root());
  mount = TRY(make_ref<Mount>(std::move(file_system), std::move(root), MountFlags::kInternal))
              .release();
  return {};
}

}  // namespace narwhal
