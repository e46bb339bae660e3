#include "fs/testing/file_tree.h"

#include "fs/core/dentry.h"
#include "kernel/mm/frame.h"

namespace narwhal::testing {
namespace {

void start_machine_once() {
  static bool started = false;
  if (started) return;
  started = true;
  frames_init();
}

}  // namespace

void FileTree::SetUp() {
  start_machine_once();
  TmpFs::Options options;
  options.mode = 0755;
  options.max_inodes = 100'000;
  tmpfs_ = TmpFs::create(options).take();
  Ref<Dentry> root = tmpfs_->root().take();
  mount_ = make_ref<Mount>(tmpfs_, root, MountFlags::kNone).take();
  const Path place{mount_, root};
  fs_ = make_ref<FsContext>(place, place, 022).take();
  become_root();
}

void FileTree::TearDown() {
  fs_ = nullptr;
  Ref<TmpfsAccount> account(&tmpfs_->account());
  // Mounts that a test made on this tree keep it alive.
  while (Ref<Mount> mount = MountTree::next(nullptr))
    ASSERT_TRUE(MountTree::detach(mount, true).ok());
  mount_ = nullptr;
  EXPECT_EQ(tmpfs_->ref_count(), 1u) << "somebody still holds the file system";
  tmpfs_ = nullptr;
  EXPECT_EQ(account->inodes(), 0u) << "inodes were lost";
  EXPECT_EQ(account->pages(), 0u) << "pages were lost";
}

void FileTree::become(u32 uid, u32 gid, std::vector<u32> groups) {
  auto who = make_ref<Credentials>().take();
  who->uid = who->euid = who->suid = who->fsuid = uid;
  who->gid = who->egid = who->sgid = who->fsgid = gid;
  who->effective = who->permitted = 0;
  for (u32 group : groups) ASSERT_TRUE(who->groups.push_back(group).ok());
  who_ = std::move(who);
}

void FileTree::become_root() {
  who_ = make_ref<Credentials>().take();
}

Errno FileTree::link(std::string_view from, std::string_view to) {
  auto source = find(from, LookupFlags::kNone);
  if (!source.ok()) return source.error();
  return vfs::link(actor(), source.value(), Path(), to).error();
}

Errno FileTree::chmod(std::string_view path, u32 mode) {
  auto place = find(path);
  if (!place.ok()) return place.error();
  AttributeChange change;
  change.fields = AttributeChange::kMode;
  change.mode = mode;
  return vfs::change_attributes(actor(), place.value(), change).error();
}

Errno FileTree::chown(std::string_view path, u32 uid, u32 gid) {
  auto place = find(path);
  if (!place.ok()) return place.error();
  AttributeChange change;
  change.fields = AttributeChange::kUid | AttributeChange::kGid;
  change.uid = uid;
  change.gid = gid;
  return vfs::change_attributes(actor(), place.value(), change).error();
}

Errno FileTree::chdir(std::string_view path) {
  auto place = find(path, LookupFlags::kFollow | LookupFlags::kDirectory);
  if (!place.ok()) return place.error();
  fs_->set_working_directory(place.take());
  return kOk;
}

abi::Stat FileTree::stat(std::string_view path, LookupFlags flags) {
  abi::Stat out{};
  auto place = find(path, flags);
  EXPECT_TRUE(place.ok()) << path << ": " << errno_name(place.error());
  if (place.ok()) EXPECT_TRUE(place.value().dentry->inode().stat(out).ok());
  return out;
}

std::string FileTree::path_of(std::string_view path) {
  auto place = find(path);
  if (!place.ok()) return std::string(errno_name(place.error()));
  return std::string(vfs::path_text(*fs_, place.value()).take().view());
}

Result<usize> FileTree::write_all(File& file, std::string_view content) {
  IoBuffer buffer(std::span<const std::byte>(reinterpret_cast<const std::byte*>(content.data()),
                                             content.size()));
  return file.write(buffer);
}

std::string FileTree::read_all(File& file) {
  std::string all;
  char piece[1000];
  for (;;) {
    IoBuffer buffer(std::span<std::byte>(reinterpret_cast<std::byte*>(piece), sizeof piece));
    auto moved = file.read(buffer);
    if (!moved.ok()) return std::string(errno_name(moved.error()));
    if (moved.value() == 0) return all;
    all.append(piece, moved.value());
  }
}

Errno FileTree::write_file(std::string_view path, std::string_view content) {
  auto file = open(path, OpenFlags::kCreate | OpenFlags::kTruncate | OpenFlags::kWriteOnly);
  if (!file.ok()) return file.error();
  return write_all(*file.value(), content).error();
}

std::string FileTree::read_file(std::string_view path) {
  auto file = open(path);
  if (!file.ok()) return std::string(errno_name(file.error()));
  return read_all(*file.value());
}

std::vector<std::string> FileTree::list(std::string_view path) {
  struct Names final : DirectoryVisitor {
    std::vector<std::string> names;
    bool entry(std::string_view name, u64, FileType, i64) override {
      if (name != "." && name != "..") names.emplace_back(name);
      return true;
    }
  } names;
  auto file = open(path, OpenFlags::kDirectory);
  EXPECT_TRUE(file.ok()) << path;
  if (file.ok()) EXPECT_TRUE(file.value()->read_directory(names).ok());
  return names.names;
}

}  // namespace narwhal::testing
