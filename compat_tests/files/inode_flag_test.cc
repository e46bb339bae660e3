// Flags of inodes on a tmpfs: FS_IOC_GETFLAGS(2const), FS_IOC_FSGETXATTR, statx(2)'s attributes,
// and what an immutable or append-only file does not let anybody do.
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

constexpr int kTmpfsMagic = 0x01021994;

class InodeFlags : public testing::Test {
 protected:
  void SetUp() override {
    struct statfs status;
    if (statfs("/dev/shm", &status) != 0 || status.f_type != kTmpfsMagic)
      GTEST_SKIP() << "/dev/shm is no tmpfs";
    char name[] = "/dev/shm/flags-XXXXXX";
    ASSERT_NE(nullptr, mkdtemp(name));
    dir_ = name;
    path = dir_ + "/file";
    other = dir_ + "/other";
    write_file(path, "content");
    if (set(path, FS_IMMUTABLE_FL) != 0) GTEST_SKIP() << "no right to make files immutable";
    ASSERT_OK(set(path, 0));
  }
  void TearDown() override {
    if (dir_.empty()) return;
    for (const std::string& name : {path, other, dir_ + "/sub/file", dir_ + "/sub"}) set(name, 0);
    set(dir_, 0);
    for (const std::string& name : {path, other, dir_ + "/sub/file"}) unlink(name.c_str());
    rmdir((dir_ + "/sub").c_str());
    EXPECT_OK(rmdir(dir_.c_str()));
  }

  static int set(const std::string& name, int flags) {
    Fd fd(open(name.c_str(), O_RDONLY | O_NONBLOCK));
    return fd < 0 ? -1 : ioctl(fd, FS_IOC_SETFLAGS, &flags);
  }
  static int get(const std::string& name) {
    Fd fd(open(name.c_str(), O_RDONLY));
    int flags = -1;
    EXPECT_OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
    return flags;
  }
  static struct statx status(const std::string& name) {
    struct statx out = {};
    EXPECT_OK(statx(AT_FDCWD, name.c_str(), AT_SYMLINK_NOFOLLOW, STATX_ALL, &out));
    return out;
  }

  std::string dir_, path, other;
};

TEST_F(InodeFlags, AreKept) {
  EXPECT_EQ(0, get(path));
  ASSERT_OK(set(path, FS_NODUMP_FL | FS_NOATIME_FL | FS_APPEND_FL));
  EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL | FS_APPEND_FL, get(path));
  ASSERT_OK(set(path, 0));
  EXPECT_EQ(0, get(path));
}

TEST_F(InodeFlags, ThatTmpfsDoesNotHave) {
  EXPECT_ERRNO(EOPNOTSUPP, set(path, FS_SYNC_FL));
  EXPECT_ERRNO(EOPNOTSUPP, set(path, FS_NODUMP_FL | FS_COMPR_FL));
  EXPECT_ERRNO(EOPNOTSUPP, set(path, 1 << 30));
  EXPECT_EQ(0, get(path));
}

TEST_F(InodeFlags, ArgumentIsChecked) {
  Fd fd(open(path.c_str(), O_RDONLY));
  EXPECT_ERRNO(EFAULT, ioctl(fd, FS_IOC_GETFLAGS, bad_pointer<int>()));
  EXPECT_ERRNO(EFAULT, ioctl(fd, FS_IOC_SETFLAGS, bad_pointer<int>()));
  EXPECT_ERRNO(EFAULT, ioctl(fd, FS_IOC_FSGETXATTR, bad_pointer<int>()));
  EXPECT_ERRNO(EFAULT, ioctl(fd, FS_IOC_FSSETXATTR, bad_pointer<int>()));
}

TEST_F(InodeFlags, OnlyOfFilesAndDirectories) {
  int flags;
  Fd directory(open(dir_.c_str(), O_RDONLY));
  EXPECT_OK(ioctl(directory, FS_IOC_GETFLAGS, &flags));
  ASSERT_OK(mkfifo(other.c_str(), 0600));
  Fd fifo(open(other.c_str(), O_RDWR));
  EXPECT_ERRNO(ENOTTY, ioctl(fifo, FS_IOC_GETFLAGS, &flags));
  EXPECT_ERRNO(ENOTTY, ioctl(fifo, FS_IOC_SETFLAGS, &flags));
  int ends[2];
  ASSERT_OK(pipe(ends));
  EXPECT_ERRNO(ENOTTY, ioctl(ends[0], FS_IOC_GETFLAGS, &flags));
  close(ends[0]);
  close(ends[1]);
  Fd place(open(path.c_str(), O_PATH));
  EXPECT_ERRNO(EBADF, ioctl(place, FS_IOC_GETFLAGS, &flags));
}

TEST_F(InodeFlags, OfMemoryFiles) {
  Fd fd(memfd_create("flags", 0));
  int flags = -1;
  ASSERT_OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
  EXPECT_EQ(0, flags);
  flags = FS_NODUMP_FL;
  EXPECT_OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

TEST_F(InodeFlags, AsExtendedOnes) {
  ASSERT_OK(set(path, FS_NODUMP_FL | FS_NOATIME_FL));
  Fd fd(open(path.c_str(), O_RDONLY));
  fsxattr attributes;
  memset(&attributes, 0xff, sizeof attributes);
  ASSERT_OK(ioctl(fd, FS_IOC_FSGETXATTR, &attributes));
  EXPECT_EQ(unsigned(FS_XFLAG_NODUMP | FS_XFLAG_NOATIME), attributes.fsx_xflags);
  EXPECT_EQ(0u, attributes.fsx_extsize);
  EXPECT_EQ(0u, attributes.fsx_nextents);
  EXPECT_EQ(0u, attributes.fsx_projid);
  EXPECT_EQ(0u, attributes.fsx_cowextsize);
  attributes.fsx_xflags = FS_XFLAG_IMMUTABLE | FS_XFLAG_NODUMP;
  ASSERT_OK(ioctl(fd, FS_IOC_FSSETXATTR, &attributes));
  EXPECT_EQ(FS_IMMUTABLE_FL | FS_NODUMP_FL, get(path));
  attributes.fsx_xflags = FS_XFLAG_APPEND;
  ASSERT_OK(ioctl(fd, FS_IOC_FSSETXATTR, &attributes));
  EXPECT_EQ(FS_APPEND_FL, get(path));
  attributes.fsx_xflags = FS_XFLAG_SYNC;
  EXPECT_ERRNO(EOPNOTSUPP, ioctl(fd, FS_IOC_FSSETXATTR, &attributes));
  attributes.fsx_xflags = FS_XFLAG_EXTSIZE;
  attributes.fsx_extsize = 8192;
  EXPECT_ERRNO(EOPNOTSUPP, ioctl(fd, FS_IOC_FSSETXATTR, &attributes));
  attributes.fsx_xflags = 0;
  attributes.fsx_extsize = 0;
  attributes.fsx_projid = 5;
  EXPECT_ERRNO(EOPNOTSUPP, ioctl(fd, FS_IOC_FSSETXATTR, &attributes));
  EXPECT_EQ(FS_APPEND_FL, get(path));
}

TEST_F(InodeFlags, AreInherited) {
  ASSERT_OK(set(dir_, FS_NODUMP_FL | FS_NOATIME_FL | FS_APPEND_FL));
  ASSERT_OK(mkdir((dir_ + "/sub").c_str(), 0700));
  write_file(dir_ + "/sub/file", "");
  EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get(dir_ + "/sub"));
  EXPECT_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get(dir_ + "/sub/file"));
}

TEST_F(InodeFlags, StatusTellsThem) {
  constexpr uint64_t kAll = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
  EXPECT_EQ(kAll | STATX_ATTR_MOUNT_ROOT,
            status(path).stx_attributes_mask &
                (kAll | STATX_ATTR_MOUNT_ROOT | STATX_ATTR_COMPRESSED | STATX_ATTR_ENCRYPTED));
  EXPECT_EQ(0u, status(path).stx_attributes);
  constexpr uint64_t kAlways = STATX_ATTR_AUTOMOUNT | STATX_ATTR_DAX;
  EXPECT_EQ(kAlways, status(path).stx_attributes_mask & kAlways);
  EXPECT_EQ(kAlways, status("/proc").stx_attributes_mask & kAlways);
  ASSERT_OK(set(path, FS_IMMUTABLE_FL));
  EXPECT_EQ(uint64_t{STATX_ATTR_IMMUTABLE}, status(path).stx_attributes);
  ASSERT_OK(set(path, FS_APPEND_FL | FS_NODUMP_FL));
  EXPECT_EQ(uint64_t{STATX_ATTR_APPEND | STATX_ATTR_NODUMP}, status(path).stx_attributes);
  ASSERT_OK(symlink("nowhere", other.c_str()));
  EXPECT_EQ(kAll, status(other).stx_attributes_mask & kAll);
}

TEST_F(InodeFlags, ChangeMovesTheTimeOfChange) {
  timespec long_ago[2] = {{1, 0}, {1, 0}};
  ASSERT_OK(utimensat(AT_FDCWD, path.c_str(), long_ago, 0));
  const auto before = status(path);
  do {
    ASSERT_OK(set(path, FS_NODUMP_FL));
  } while (status(path).stx_ctime.tv_sec == before.stx_ctime.tv_sec &&
           status(path).stx_ctime.tv_nsec == before.stx_ctime.tv_nsec);
  EXPECT_EQ(1, status(path).stx_mtime.tv_sec);
}

TEST_F(InodeFlags, NeedTheOwnerAndARight) {
  ASSERT_OK(chmod(dir_.c_str(), 0755));
  ASSERT_OK(set(path, FS_APPEND_FL));
  const auto try_as = [&](uid_t user, int error, int flags) {
    in_thread([&] {
      ASSERT_OK(syscall(SYS_setresuid, user, user, user));
      if (error)
        EXPECT_ERRNO(error, set(path, flags));
      else
        EXPECT_OK(set(path, flags));
    });
  };
  try_as(4711, EPERM, FS_APPEND_FL);
  ASSERT_OK(set(path, 0));
  ASSERT_OK(chown(path.c_str(), 4711, 4711));
  ASSERT_OK(set(path, FS_APPEND_FL));
  try_as(4711, 0, FS_APPEND_FL | FS_NODUMP_FL);
  try_as(4711, EPERM, FS_NODUMP_FL);
  try_as(4711, EPERM, FS_APPEND_FL | FS_IMMUTABLE_FL);
  EXPECT_EQ(FS_APPEND_FL | FS_NODUMP_FL, get(path));
}

TEST_F(InodeFlags, NobodyChangesAnImmutableFile) {
  Fd before(open(path.c_str(), O_RDWR));
  ASSERT_OK(set(path, FS_IMMUTABLE_FL));
  const char* name = path.c_str();
  EXPECT_OK(Fd(open(name, O_RDONLY)));
  EXPECT_ERRNO(EPERM, open(name, O_WRONLY));
  EXPECT_ERRNO(EPERM, open(name, O_RDWR | O_APPEND));
  EXPECT_ERRNO(EPERM, open(name, O_WRONLY | O_CREAT, 0600));
  EXPECT_ERRNO(EPERM, open(name, O_RDONLY | O_TRUNC));
  EXPECT_ERRNO(EPERM, access(name, W_OK));
  EXPECT_OK(access(name, R_OK));
  EXPECT_ERRNO(EPERM, truncate(name, 1));
  EXPECT_ERRNO(EPERM, unlink(name));
  EXPECT_ERRNO(EPERM, link(name, other.c_str()));
  EXPECT_ERRNO(EPERM, rename(name, other.c_str()));
  EXPECT_ERRNO(EPERM, chmod(name, 0600));
  EXPECT_ERRNO(EPERM, fchmod(before, 0600));
  EXPECT_ERRNO(EPERM, chown(name, 1, 1));
  EXPECT_OK(chown(name, uid_t(-1), gid_t(-1)));
  EXPECT_ERRNO(EPERM, utimes(name, nullptr));
  const timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  const timespec one[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  const timespec none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  EXPECT_ERRNO(EPERM, utimensat(AT_FDCWD, name, now, 0));
  EXPECT_ERRNO(EPERM, utimensat(AT_FDCWD, name, one, 0));
  EXPECT_OK(utimensat(AT_FDCWD, name, none, 0));
  EXPECT_ERRNO(EPERM, setxattr(name, "user.a", "1", 1, 0));
  EXPECT_ERRNO(EPERM, setxattr(name, "trusted.a", "1", 1, 0));
  EXPECT_ERRNO(EPERM, removexattr(name, "user.a"));
  char value[8];
  EXPECT_ERRNO(ENODATA, getxattr(name, "user.a", value, sizeof value));
  // Who had it open before goes on writing.
  EXPECT_EQ(4, write(before, "more", 4));
  EXPECT_OK(ftruncate(before, 5));
  EXPECT_ERRNO(EPERM, fallocate(before, 0, 0, 100));
  write_file(other, "other");
  EXPECT_ERRNO(EPERM, rename(other.c_str(), name));
  EXPECT_ERRNO(EPERM, renameat2(AT_FDCWD, other.c_str(), AT_FDCWD, name, RENAME_EXCHANGE));
  Fd source(open(other.c_str(), O_RDONLY));
  EXPECT_ERRNO(EPERM, copy_file_range(source, nullptr, before, nullptr, 3, 0));
}

TEST_F(InodeFlags, AnAppendOnlyFileOnlyGrows) {
  Fd before(open(path.c_str(), O_RDWR));
  ASSERT_OK(set(path, FS_APPEND_FL));
  const char* name = path.c_str();
  EXPECT_ERRNO(EPERM, open(name, O_WRONLY));
  EXPECT_ERRNO(EPERM, open(name, O_RDWR));
  EXPECT_ERRNO(EPERM, open(name, O_RDONLY | O_TRUNC));
  EXPECT_ERRNO(EPERM, open(name, O_WRONLY | O_APPEND | O_TRUNC));
  EXPECT_OK(Fd(open(name, O_RDONLY)));
  EXPECT_OK(access(name, W_OK));
  Fd fd(open(name, O_RDWR | O_APPEND));
  ASSERT_OK(fd);
  EXPECT_EQ(4, write(fd, "+ms.", 4));
  EXPECT_EQ("content+ms.", read_file(path));
  EXPECT_ERRNO(EPERM, fcntl(fd, F_SETFL, 0));
  EXPECT_OK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
  EXPECT_ERRNO(EPERM, fcntl(before, F_SETFL, O_APPEND));
  EXPECT_ERRNO(EPERM, ftruncate(fd, 100));
  EXPECT_ERRNO(EPERM, ftruncate(before, 100));
  EXPECT_ERRNO(EPERM, truncate(name, 100));
  EXPECT_OK(fallocate(fd, 0, 0, 100));
  EXPECT_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 200));
  EXPECT_ERRNO(EPERM, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5));
  EXPECT_EQ(MAP_FAILED, mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
  EXPECT_EQ(EACCES, errno);
  void* mapped = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  ASSERT_NE(MAP_FAILED, mapped);
  munmap(mapped, 4096);
  EXPECT_ERRNO(EPERM, unlink(name));
  EXPECT_ERRNO(EPERM, link(name, other.c_str()));
  EXPECT_ERRNO(EPERM, rename(name, other.c_str()));
  EXPECT_ERRNO(EPERM, chmod(name, 0600));
  EXPECT_ERRNO(EPERM, setxattr(name, "user.a", "1", 1, 0));
  EXPECT_OK(utimes(name, nullptr));
  const timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  const timespec one[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  const timespec given[2] = {{5, 0}, {5, 0}};
  EXPECT_OK(utimensat(AT_FDCWD, name, now, 0));
  EXPECT_ERRNO(EPERM, utimensat(AT_FDCWD, name, one, 0));
  EXPECT_ERRNO(EPERM, utimensat(AT_FDCWD, name, given, 0));
}

TEST_F(InodeFlags, ImmutableDirectory) {
  const std::string sub = dir_ + "/sub", inside = sub + "/file", fresh = sub + "/fresh";
  ASSERT_OK(mkdir(sub.c_str(), 0700));
  write_file(inside, "");
  ASSERT_OK(set(sub, FS_IMMUTABLE_FL));
  EXPECT_ERRNO(EPERM, open(fresh.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_ERRNO(EPERM, open(sub.c_str(), O_TMPFILE | O_WRONLY, 0600));
  EXPECT_ERRNO(EPERM, mkdir(fresh.c_str(), 0700));
  EXPECT_ERRNO(EPERM, symlink("x", fresh.c_str()));
  EXPECT_ERRNO(EPERM, mkfifo(fresh.c_str(), 0600));
  EXPECT_ERRNO(EPERM, link(path.c_str(), fresh.c_str()));
  EXPECT_ERRNO(EPERM, unlink(inside.c_str()));
  EXPECT_ERRNO(EPERM, rename(inside.c_str(), other.c_str()));
  EXPECT_ERRNO(EPERM, rename(path.c_str(), fresh.c_str()));
  EXPECT_ERRNO(EPERM, rmdir(sub.c_str()));
  // The files in it are as they were.
  Fd fd(open(inside.c_str(), O_RDWR | O_TRUNC));
  EXPECT_OK(fd);
  EXPECT_EQ(1, write(fd, "x", 1));
}

TEST_F(InodeFlags, AppendOnlyDirectory) {
  const std::string sub = dir_ + "/sub", inside = sub + "/file", fresh = sub + "/fresh";
  ASSERT_OK(mkdir(sub.c_str(), 0700));
  ASSERT_OK(set(sub, FS_APPEND_FL));
  write_file(inside, "");
  EXPECT_ERRNO(EPERM, unlink(inside.c_str()));
  EXPECT_ERRNO(EPERM, rename(inside.c_str(), other.c_str()));
  EXPECT_ERRNO(EPERM, rmdir(sub.c_str()));
  EXPECT_OK(rename(path.c_str(), fresh.c_str()));
  ASSERT_OK(set(sub, 0));
  EXPECT_OK(rename(fresh.c_str(), path.c_str()));
}

TEST_F(InodeFlags, NoAccessTime) {
  timespec long_ago[2] = {{1, 0}, {1, 0}};
  ASSERT_OK(utimensat(AT_FDCWD, path.c_str(), long_ago, 0));
  ASSERT_OK(set(path, FS_NOATIME_FL));
  EXPECT_EQ("content", read_file(path));
  EXPECT_EQ(1, status(path).stx_atime.tv_sec);
  ASSERT_OK(set(path, 0));
  EXPECT_EQ("content", read_file(path));
  EXPECT_NE(1, status(path).stx_atime.tv_sec);
}

}  // namespace
}  // namespace compat
