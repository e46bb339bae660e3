// What is known about files, directories' entries, extended attributes and mounts.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <vector>

#include "kernel/abi/statfs.h"
#include "syscalls/testing/file_program.h"

namespace narwhal {
namespace {

using namespace testing;

class StatTest : public FileProgram {
 protected:
  struct Entry {
    u64 inode;
    i64 offset;
    u8 type;
    std::string name;
  };
  // One call of getdents64(2), or of getdents(2).
  std::vector<Entry> entries(i64 fd, usize size, bool old = false) {
    const UserAddr buffer = allocate(size);
    const i64 got = call(old ? SYS_getdents : SYS_getdents64, fd, buffer, size);
    EXPECT_GE(got, 0);
    std::vector<Entry> found;
    if (got <= 0) return found;
    const std::string bytes = get_bytes(buffer, usize(got));
    for (usize at = 0; at < bytes.size();) {
      Entry entry;
      u16 length;
      std::memcpy(&entry.inode, &bytes[at], 8);
      std::memcpy(&entry.offset, &bytes[at + 8], 8);
      std::memcpy(&length, &bytes[at + 16], 2);
      EXPECT_EQ(length % 8, 0);
      entry.type = u8(old ? bytes[at + length - 1] : bytes[at + 18]);
      entry.name = &bytes[at + (old ? 18 : 19)];
      found.push_back(entry);
      at += length;
    }
    return found;
  }
  std::vector<std::string> list(i64 fd, usize size) {
    std::vector<std::string> names;
    for (;;) {
      const auto some = entries(fd, size);
      if (some.empty()) return names;
      for (const Entry& entry : some) names.push_back(entry.name);
    }
  }
};

TEST_F(StatTest, Fields) {
  const i64 fd = make_file("file", "0123456789");
  EXPECT_CALL_IS(0, SYS_chmod, "file", 0640);
  EXPECT_CALL_IS(0, SYS_link, "file", "other");
  const UserAddr out = allocate(sizeof(abi::Stat));
  EXPECT_CALL_IS(0, SYS_stat, "file", out);
  const auto info = get<abi::Stat>(out);
  EXPECT_EQ(info.mode, u32(S_IFREG | 0640));
  EXPECT_EQ(info.links, 2u);
  EXPECT_EQ(info.size, 10);
  EXPECT_EQ(info.blocks, 8);
  EXPECT_EQ(info.block_size, 4096);
  EXPECT_EQ(info.padding, 0u);
  EXPECT_CALL_IS(0, SYS_fstat, fd, out);
  EXPECT_EQ(std::memcmp(get_bytes(out, sizeof info).data(), &info, sizeof info), 0);
  EXPECT_CALL_IS(0, SYS_newfstatat, fd, "", out, AT_EMPTY_PATH);
  EXPECT_EQ(get<abi::Stat>(out).inode, info.inode);
}

TEST_F(StatTest, Errors) {
  const UserAddr out = allocate(sizeof(abi::Stat));
  EXPECT_CALL_IS(-ENOENT, SYS_stat, "", out);
  EXPECT_CALL_IS(-EFAULT, SYS_stat, kBadAddress, out);
  EXPECT_CALL_IS(-EFAULT, SYS_stat, "/t", kBadAddress);
  EXPECT_CALL_IS(-EBADF, SYS_fstat, -1, out);
  EXPECT_CALL_IS(-EINVAL, SYS_newfstatat, AT_FDCWD, "/t", out, 1);
  EXPECT_CALL_IS(-EBADF, SYS_newfstatat, -1, "x", out, 0);
  EXPECT_CALL_IS(0, SYS_newfstatat, AT_FDCWD, "", out, AT_EMPTY_PATH);
  EXPECT_CALL_IS(0, SYS_newfstatat, -1, "/t", out, AT_NO_AUTOMOUNT);
}

TEST_F(StatTest, LinksAreFollowedOrNot) {
  const UserAddr out = allocate(sizeof(abi::Stat));
  EXPECT_CALL_IS(0, SYS_symlink, "none", "link");
  EXPECT_CALL_IS(-ENOENT, SYS_stat, "link", out);
  EXPECT_CALL_IS(0, SYS_lstat, "link", out);
  EXPECT_EQ(get<abi::Stat>(out).mode, u32(S_IFLNK | 0777));
  EXPECT_EQ(get<abi::Stat>(out).size, 4);
}

TEST_F(StatTest, FilesWithoutAPath) {
  const UserAddr out = allocate(sizeof(abi::Stat));
  const i64 reader = make_pipe().first;
  EXPECT_CALL_IS(0, SYS_newfstatat, reader, "", out, AT_EMPTY_PATH);
  EXPECT_EQ(get<abi::Stat>(out).mode & S_IFMT, u32(S_IFIFO));
  const UserAddr facts = allocate(sizeof(abi::StatFs));
  EXPECT_CALL_IS(0, SYS_fstatfs, reader, facts);
  EXPECT_EQ(get<abi::StatFs>(facts).type, 0x50495045);
}

TEST_F(StatTest, Statx) {
  make_file("file", "0123456789");
  const UserAddr out = allocate(sizeof(abi::Statx));
  EXPECT_CALL_IS(0, SYS_statx, AT_FDCWD, "file", 0, 0x7ff, out);
  auto info = get<abi::Statx>(out);
  EXPECT_EQ(info.mask & 0x7ff, 0x7ffu);
  EXPECT_EQ(info.size, 10u);
  EXPECT_EQ(info.mode, S_IFREG | 0644);
  EXPECT_EQ(info.attributes & abi::kStatxAttributeMountRoot, 0u);
  EXPECT_CALL_IS(0, SYS_statx, AT_FDCWD, "/", 0, 0x7ff, out);
  EXPECT_NE(get<abi::Statx>(out).attributes & abi::kStatxAttributeMountRoot, 0u);
  EXPECT_CALL_IS(-EINVAL, SYS_statx, AT_FDCWD, "/", 0, 1u << 31, out);
  EXPECT_CALL_IS(-EINVAL, SYS_statx, AT_FDCWD, "/", 0x6000, 0, out);
  EXPECT_CALL_IS(-EINVAL, SYS_statx, AT_FDCWD, "/", 4, 0, out);
  EXPECT_CALL_IS(-EFAULT, SYS_statx, AT_FDCWD, "/", 0, 0, kBadAddress);
}

TEST_F(StatTest, FileSystems) {
  const UserAddr out = allocate(sizeof(abi::StatFs));
  EXPECT_CALL_IS(0, SYS_statfs, "/t", out);
  const auto facts = get<abi::StatFs>(out);
  EXPECT_EQ(facts.type, 0x01021994);
  EXPECT_EQ(facts.block_size, 4096);
  EXPECT_EQ(facts.name_length, 255);
  EXPECT_EQ(facts.flags, 0x20 | 4096);
  const UserAddr status = allocate(sizeof(abi::Stat));
  EXPECT_CALL_IS(0, SYS_stat, "/", status);
  EXPECT_CALL_IS(0, SYS_ustat, u32(get<abi::Stat>(status).device), allocate(32));
  EXPECT_CALL_IS(-EINVAL, SYS_ustat, 0xfff, allocate(32));
}

TEST_F(StatTest, EveryNameOnceInSmallSteps) {
  EXPECT_CALL_IS(0, SYS_mkdir, "dir", 0755);
  std::vector<std::string> wanted{".", ".."};
  for (int i = 0; i < 100; ++i) {
    wanted.push_back("name" + std::to_string(i));
    EXPECT_CALL_IS(0, SYS_mknod, "dir/" + wanted.back(), S_IFREG | 0600, 0);
  }
  std::sort(wanted.begin(), wanted.end());
  for (usize size : {32, 64, 500, 100'000}) {
    const i64 fd = call(SYS_open, "dir", O_RDONLY);
    auto names = list(fd, size);
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names, wanted) << size;
    EXPECT_CALL_IS(0, SYS_lseek, fd, 0, SEEK_SET);
    EXPECT_EQ(list(fd, 4096).size(), wanted.size());
  }
}

TEST_F(StatTest, EntriesSayWhatTheyAre) {
  EXPECT_CALL_IS(0, SYS_mkdir, "dir", 0755);
  EXPECT_CALL_IS(0, SYS_symlink, "x", "link");
  EXPECT_CALL_IS(0, SYS_mknod, "fifo", S_IFIFO | 0600, 0);
  for (bool old : {false, true}) {
    const i64 fd = call(SYS_open, ".", O_RDONLY);
    std::string types;
    for (const Entry& entry : entries(fd, 4096, old)) {
      const UserAddr status = allocate(sizeof(abi::Stat));
      EXPECT_CALL_IS(0, SYS_lstat, entry.name, status);
      EXPECT_EQ(get<abi::Stat>(status).inode, entry.inode) << entry.name;
      EXPECT_EQ(get<abi::Stat>(status).mode >> 12, u32(entry.type)) << entry.name;
    }
  }
}

TEST_F(StatTest, GoingOnAtAnEntrysOffset) {
  for (const char* name : {"a", "b", "c", "d"})
    EXPECT_CALL_IS(0, SYS_mknod, name, S_IFREG | 0600, 0);
  const i64 fd = call(SYS_open, ".", O_RDONLY);
  const auto all = entries(fd, 4096);
  ASSERT_EQ(all.size(), 6u);
  EXPECT_CALL_IS(all[3].offset, SYS_lseek, fd, all[3].offset, SEEK_SET);
  const auto rest = entries(fd, 4096);
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].name, all[4].name);
}

TEST_F(StatTest, ReadingEntriesFails) {
  const i64 fd = call(SYS_open, ".", O_RDONLY);
  EXPECT_CALL_IS(-EINVAL, SYS_getdents64, fd, allocate(8), 8);
  EXPECT_CALL_IS(-EFAULT, SYS_getdents64, fd, kBadAddress, 500);
  EXPECT_EQ(entries(fd, 500).size(), 2u);
  EXPECT_CALL_IS(-ENOTDIR, SYS_getdents64, make_file("file", ""), allocate(100), 100);
  EXPECT_CALL_IS(-EBADF, SYS_getdents64, call(SYS_open, ".", O_PATH), allocate(100), 100);
  EXPECT_CALL_IS(0, SYS_mkdir, "dir", 0755);
  const i64 gone = call(SYS_open, "dir", O_RDONLY);
  EXPECT_CALL_IS(0, SYS_rmdir, "dir");
  EXPECT_CALL_IS(-ENOENT, SYS_getdents64, gone, allocate(100), 100);
}

TEST_F(StatTest, ExtendedAttributes) {
  const i64 fd = make_file("file", "");
  const UserAddr value = allocate(100);
  EXPECT_CALL_IS(0, SYS_setxattr, "file", "user.a", "12345", 5, 0);
  EXPECT_CALL_IS(5, SYS_fgetxattr, fd, "user.a", value, 100);
  EXPECT_EQ(get_bytes(value, 5), "12345");
  EXPECT_CALL_IS(5, SYS_getxattr, "file", "user.a", nullptr, 0);
  EXPECT_CALL_IS(-ERANGE, SYS_getxattr, "file", "user.a", value, 4);
  EXPECT_CALL_IS(-EEXIST, SYS_setxattr, "file", "user.a", "1", 1, XATTR_CREATE);
  EXPECT_CALL_IS(-ENODATA, SYS_setxattr, "file", "user.b", "1", 1, XATTR_REPLACE);
  EXPECT_CALL_IS(0, SYS_fsetxattr, fd, "user.empty", nullptr, 0, 0);
  EXPECT_CALL_IS(18, SYS_listxattr, "file", value, 100);
  EXPECT_CALL_IS(18, SYS_flistxattr, fd, nullptr, 0);
  EXPECT_CALL_IS(-ERANGE, SYS_listxattr, "file", value, 10);
  EXPECT_CALL_IS(0, SYS_removexattr, "file", "user.empty");
  EXPECT_CALL_IS(-ENODATA, SYS_fremovexattr, fd, "user.empty");
  EXPECT_CALL_IS(-EINVAL, SYS_setxattr, "file", "user.a", "1", 1, 4);
  EXPECT_CALL_IS(-EINVAL, SYS_setxattr, "file", "user.", "1", 1, 0);
  EXPECT_CALL_IS(-EOPNOTSUPP, SYS_setxattr, "file", "none.a", "1", 1, 0);
  EXPECT_CALL_IS(-ERANGE, SYS_setxattr, "file", "", "1", 1, 0);
  EXPECT_CALL_IS(-ERANGE, SYS_setxattr, "file", "user." + std::string(251, 'x'), "1", 1, 0);
  EXPECT_CALL_IS(0, SYS_setxattr, "file", "user." + std::string(250, 'x'), "1", 1, 0);
  EXPECT_CALL_IS(-E2BIG, SYS_setxattr, "file", "user.b", std::string(65537, 'x'), 65537, 0);
  EXPECT_CALL_IS(-EFAULT, SYS_setxattr, "file", kBadAddress, "1", 1, 0);
  EXPECT_CALL_IS(-EFAULT, SYS_setxattr, "file", "user.a", kBadAddress, 1, 0);
  EXPECT_CALL_IS(-EOPNOTSUPP, SYS_fgetxattr, make_pipe().first, "user.a", value, 100);
  EXPECT_CALL_IS(0, SYS_symlink, "file", "link");
  EXPECT_CALL_IS(-EPERM, SYS_lsetxattr, "link", "user.a", "1", 1, 0);
  EXPECT_CALL_IS(5, SYS_getxattr, "link", "user.a", value, 100);
  EXPECT_CALL_IS(-ENODATA, SYS_lgetxattr, "link", "user.a", value, 100);
}

TEST_F(StatTest, Mounts) {
  EXPECT_CALL_IS(0, SYS_mkdir, "mnt", 0755);
  EXPECT_CALL_IS(0, SYS_mount, "none", "mnt", "tmpfs", 0, "size=64k");
  make_file("mnt/file", "on it");
  EXPECT_CALL_IS(-EBUSY, SYS_rmdir, "mnt");
  EXPECT_CALL_IS(-EBUSY, SYS_umount2, "mnt", 0);
  EXPECT_CALL_IS(-ENOENT, SYS_mount, "none", "none", "tmpfs", 0, nullptr);
  EXPECT_CALL_IS(-ENODEV, SYS_mount, "none", "mnt", "nosuchfs", 0, nullptr);
  EXPECT_CALL_IS(-EINVAL, SYS_mount, "none", "mnt", "tmpfs", 0, "size=nonsense");
  EXPECT_CALL_IS(-EINVAL, SYS_mount, "none", "mnt", nullptr, 0, nullptr);
  EXPECT_CALL_IS(-ENOTDIR, SYS_mount, "none", "mnt/file", "tmpfs", 0, nullptr);
  // A tree shown in a second place, and made read-only there.
  EXPECT_CALL_IS(0, SYS_mkdir, "again", 0755);
  EXPECT_CALL_IS(0, SYS_mount, "mnt", "again", nullptr, 0x1000, nullptr);
  EXPECT_EQ(read_file("again/file"), "on it");
  EXPECT_CALL_IS(0, SYS_mount, nullptr, "again", nullptr, 0x1000 | 0x20 | 1, nullptr);
  EXPECT_CALL_IS(-EROFS, SYS_open, "again/file", O_WRONLY);
  EXPECT_CALL_IS(-EINVAL, SYS_mount, nullptr, "/t", nullptr, 0x20, nullptr);
  EXPECT_CALL_IS(0, SYS_umount2, "again", 0);
  EXPECT_CALL_IS(-EINVAL, SYS_umount2, "again", 0);
  EXPECT_CALL_IS(-EINVAL, SYS_umount2, "mnt", 16);
  become(1000, 1000);
  EXPECT_CALL_IS(-EPERM, SYS_umount2, "mnt", 2);
  EXPECT_CALL_IS(-EPERM, SYS_mount, "none", "mnt", "tmpfs", 0, nullptr);
  current_task().set_credentials(make_ref<Credentials>().take());
  EXPECT_CALL_IS(0, SYS_umount2, "mnt", 2);
  EXPECT_EQ(read_file("mnt/file"), "ENOENT");
}

}  // namespace
}  // namespace narwhal
