// Permissions and owners. The calling thread's user is changed by raw system calls, which concern
// one thread only (credentials(7)), in threads that end with the test.
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

constexpr uid_t kUser = 12345;
constexpr gid_t kGroup = 23456;

class Permission : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
    old_mask_ = umask(0);
    ASSERT_OK(chmod(dir.path().c_str(), 0777));
  }
  void TearDown() override {
    if (geteuid() == 0) umask(old_mask_);
  }

  // Runs `body` as a user without privileges.
  template <class Body>
  void as_user(Body body, uid_t user = kUser, gid_t group = kGroup) {
    in_thread([&] {
      ASSERT_OK(syscall(SYS_setgroups, 0, nullptr));
      ASSERT_OK(syscall(SYS_setresgid, group, group, group));
      ASSERT_OK(syscall(SYS_setresuid, user, user, user));
      body();
    });
  }
  struct stat info(std::string_view name) {
    struct stat result = {};
    EXPECT_OK(lstat((dir / name).c_str(), &result));
    return result;
  }
  std::string file(std::string_view name, mode_t mode, uid_t user = 0, gid_t group = 0) {
    write_file(dir / name, "content");
    EXPECT_OK(chown((dir / name).c_str(), user, group));
    EXPECT_OK(chmod((dir / name).c_str(), mode));
    return dir / name;
  }

  TempDir dir;

 private:
  mode_t old_mask_ = 0;
};

TEST_F(Permission, OwnerGroupAndOthers) {
  const std::string own = file("own", 0400, kUser);
  const std::string own_not = file("own_not", 0077, kUser);
  const std::string group = file("group", 0040, 0, kGroup);
  const std::string group_not = file("group_not", 0707, 0, kGroup);
  const std::string others = file("others", 0004);
  const std::string nobody = file("nobody", 0770);
  as_user([&] {
    EXPECT_OK(Fd(open(own.c_str(), O_RDONLY)));
    EXPECT_OK(Fd(open(group.c_str(), O_RDONLY)));
    EXPECT_OK(Fd(open(others.c_str(), O_RDONLY)));
    // The first class that fits decides, also where it allows less.
    EXPECT_ERRNO(EACCES, open(own_not.c_str(), O_RDONLY));
    EXPECT_ERRNO(EACCES, open(group_not.c_str(), O_RDONLY));
    EXPECT_ERRNO(EACCES, open(nobody.c_str(), O_RDONLY));
  });
}

TEST_F(Permission, WriteNeedsItsOwnBit) {
  const std::string path = file("file", 0444);
  as_user([&] {
    EXPECT_ERRNO(EACCES, open(path.c_str(), O_WRONLY));
    EXPECT_ERRNO(EACCES, open(path.c_str(), O_RDWR));
    EXPECT_ERRNO(EACCES, open(path.c_str(), O_RDONLY | O_TRUNC));
    EXPECT_ERRNO(EACCES, truncate(path.c_str(), 0));
  });
  EXPECT_EQ("content", read_file(path));
}

TEST_F(Permission, RootReadsEverything) {
  const std::string path = file("file", 0, kUser, kGroup);
  EXPECT_OK(Fd(open(path.c_str(), O_RDWR)));
}

TEST_F(Permission, SupplementaryGroups) {
  const std::string path = file("file", 0040, 0, 777);
  in_thread([&] {
    const gid_t groups[] = {5, 777};
    ASSERT_OK(syscall(SYS_setgroups, 2, groups));
    ASSERT_OK(syscall(SYS_setresuid, kUser, kUser, kUser));
    EXPECT_OK(Fd(open(path.c_str(), O_RDONLY)));
  });
}

TEST_F(Permission, SearchingADirectory) {
  ASSERT_OK(mkdir((dir / "closed").c_str(), 0755));
  const std::string path = file("closed/file", 0666);
  ASSERT_OK(chmod((dir / "closed").c_str(), 0644));
  as_user([&] {
    struct stat result;
    EXPECT_ERRNO(EACCES, stat(path.c_str(), &result));
    EXPECT_ERRNO(EACCES, open(path.c_str(), O_RDONLY));
    EXPECT_ERRNO(EACCES, open((dir / "closed/nothing").c_str(), O_RDONLY));
    // Reading the names is allowed.
    EXPECT_OK(Fd(open((dir / "closed").c_str(), O_RDONLY)));
    EXPECT_ERRNO(EACCES, chdir((dir / "closed").c_str()));
  });
}

TEST_F(Permission, ChangingADirectory) {
  ASSERT_OK(mkdir((dir / "fixed").c_str(), 0555));
  const std::string path = file("fixed/file", 0666);
  as_user([&] {
    EXPECT_ERRNO(EACCES, open((dir / "fixed/new").c_str(), O_RDWR | O_CREAT, 0600));
    EXPECT_ERRNO(EACCES, mkdir((dir / "fixed/new").c_str(), 0700));
    EXPECT_ERRNO(EACCES, symlink("x", (dir / "fixed/new").c_str()));
    EXPECT_ERRNO(EACCES, unlink(path.c_str()));
    EXPECT_ERRNO(EACCES, rename(path.c_str(), (dir / "moved").c_str()));
    EXPECT_OK(Fd(open(path.c_str(), O_RDWR | O_CREAT, 0600)));
  });
}

TEST_F(Permission, StickyDirectory) {
  ASSERT_OK(chmod(dir.path().c_str(), 01777));
  const std::string others = file("others", 0666);
  const std::string own = file("own", 0666, kUser);
  as_user([&] {
    EXPECT_ERRNO(EPERM, unlink(others.c_str()));
    EXPECT_ERRNO(EPERM, rename(others.c_str(), (dir / "new").c_str()));
    EXPECT_ERRNO(EPERM, rename(own.c_str(), others.c_str()));
    EXPECT_OK(rename(own.c_str(), (dir / "new").c_str()));
    EXPECT_OK(unlink((dir / "new").c_str()));
  });
}

TEST_F(Permission, OnlyTheOwnerChangesTheMode) {
  const std::string others = file("others", 0666);
  const std::string own = file("own", 0600, kUser, kGroup);
  as_user([&] {
    EXPECT_ERRNO(EPERM, chmod(others.c_str(), 0777));
    EXPECT_OK(chmod(own.c_str(), 0640));
  });
  EXPECT_EQ(0640u, info("own").st_mode & 07777);
}

TEST_F(Permission, SetGroupIdNeedsTheGroup) {
  // chmod(2): without the file's group, S_ISGID is turned off, and no error is returned.
  const std::string path = file("file", 0600, kUser, kGroup + 1);
  as_user([&] { EXPECT_OK(chmod(path.c_str(), S_ISGID | 0710)); });
  EXPECT_EQ(0710u, info("file").st_mode & 07777);
}

TEST_F(Permission, ChangeOwner) {
  const std::string path = file("file", 0644);
  ASSERT_OK(chown(path.c_str(), kUser, kGroup));
  EXPECT_EQ(kUser, info("file").st_uid);
  EXPECT_EQ(kGroup, info("file").st_gid);
  ASSERT_OK(chown(path.c_str(), static_cast<uid_t>(-1), 7));
  EXPECT_EQ(kUser, info("file").st_uid);
  EXPECT_EQ(7u, info("file").st_gid);
  Fd fd(open(path.c_str(), O_RDONLY));
  ASSERT_OK(fchown(fd, 8, static_cast<gid_t>(-1)));
  EXPECT_EQ(8u, info("file").st_uid);
  ASSERT_OK(fchownat(fd, "", 9, 9, AT_EMPTY_PATH));
  EXPECT_EQ(9u, info("file").st_uid);
  EXPECT_ERRNO(ENOENT, chown((dir / "nothing").c_str(), 1, 1));
  EXPECT_ERRNO(EBADF, fchown(-1, 1, 1));
}

TEST_F(Permission, ChangeOwnerOfALink) {
  file("file", 0644);
  ASSERT_OK(symlink("file", (dir / "link").c_str()));
  ASSERT_OK(lchown((dir / "link").c_str(), kUser, kGroup));
  EXPECT_EQ(kUser, info("link").st_uid);
  EXPECT_EQ(0u, info("file").st_uid);
  ASSERT_OK(chown((dir / "link").c_str(), 7, 7));
  EXPECT_EQ(7u, info("file").st_uid);
  EXPECT_EQ(kUser, info("link").st_uid);
}

TEST_F(Permission, ChangeOwnerAsAUser) {
  const std::string others = file("others", 0666);
  const std::string own = file("own", 0644, kUser, kGroup);
  in_thread([&] {
    const gid_t groups[] = {777};
    ASSERT_OK(syscall(SYS_setgroups, 1, groups));
    ASSERT_OK(syscall(SYS_setresgid, kGroup, kGroup, kGroup));
    ASSERT_OK(syscall(SYS_setresuid, kUser, kUser, kUser));
    EXPECT_ERRNO(EPERM, chown(others.c_str(), kUser, kGroup));
    EXPECT_ERRNO(EPERM, chown(own.c_str(), 7, static_cast<gid_t>(-1)));
    EXPECT_ERRNO(EPERM, chown(own.c_str(), static_cast<uid_t>(-1), 778));
    // A file may be given to any group that its owner is in.
    EXPECT_OK(chown(own.c_str(), static_cast<uid_t>(-1), 777));
  });
  EXPECT_EQ(777u, info("own").st_gid);
}

TEST_F(Permission, ChangingTheOwnerDropsSetUserId) {
  const std::string path = file("file", 06755, kUser, kGroup);
  ASSERT_OK(chmod(path.c_str(), 06755));
  ASSERT_OK(chown(path.c_str(), 7, 7));
  EXPECT_EQ(0755u, info("file").st_mode & 07777);
}

TEST_F(Permission, WritingDropsSetUserId) {
  const std::string path = file("file", 04777, 0);
  as_user([&] {
    Fd fd(open(path.c_str(), O_WRONLY));
    EXPECT_EQ(1, write(fd, "x", 1));
  });
  EXPECT_EQ(0777u, info("file").st_mode & 07777);
}

TEST_F(Permission, NewFilesBelongToTheirMaker) {
  as_user([&] { EXPECT_OK(Fd(open((dir / "new").c_str(), O_RDWR | O_CREAT, 0600))); });
  EXPECT_EQ(kUser, info("new").st_uid);
  EXPECT_EQ(kGroup, info("new").st_gid);
}

TEST_F(Permission, SetGroupIdDirectoryHandsItsGroupDown) {
  ASSERT_OK(mkdir((dir / "shared").c_str(), 0777));
  ASSERT_OK(chown((dir / "shared").c_str(), 0, 777));
  ASSERT_OK(chmod((dir / "shared").c_str(), 02777));
  as_user([&] {
    EXPECT_OK(Fd(open((dir / "shared/file").c_str(), O_RDWR | O_CREAT, 0600)));
    EXPECT_OK(mkdir((dir / "shared/sub").c_str(), 0700));
  });
  EXPECT_EQ(777u, info("shared/file").st_gid);
  EXPECT_EQ(777u, info("shared/sub").st_gid);
  EXPECT_EQ(02700u, info("shared/sub").st_mode & 07777);
}

TEST_F(Permission, SetGroupIdIsNotMadeForOtherGroups) {
  // Also where the umask takes the group's right to execute away (CVE-2021-4037).
  ASSERT_OK(mkdir((dir / "group").c_str(), 0777));
  ASSERT_OK(chown((dir / "group").c_str(), kUser, 777));
  ASSERT_OK(chmod((dir / "group").c_str(), 02777));
  as_user([&] {
    umask(S_IXGRP);
    EXPECT_OK(Fd(open((dir / "group/file").c_str(), O_CREAT | O_EXCL | O_RDWR, 02777)));
    EXPECT_OK(mknod((dir / "group/fifo").c_str(), S_IFIFO | 02777, 0));
    umask(0);
  });
  EXPECT_EQ(0767u, info("group/file").st_mode & 07777);
  EXPECT_EQ(777u, info("group/file").st_gid);
  EXPECT_EQ(0767u, info("group/fifo").st_mode & 07777);
}

TEST_F(Permission, AccessAsksForTheRealUser) {
  const std::string path = file("file", 0600);
  in_thread([&] {
    // Real user: a plain one; effective user: root.
    ASSERT_OK(syscall(SYS_setresuid, kUser, 0, 0));
    EXPECT_ERRNO(EACCES, access(path.c_str(), R_OK));
    EXPECT_OK(faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS));
    EXPECT_OK(Fd(open(path.c_str(), O_RDONLY)));
  });
}

TEST_F(Permission, FileSystemUser) {
  const std::string path = file("file", 0600);
  in_thread([&] {
    EXPECT_EQ(0, setfsuid(kUser));
    EXPECT_EQ(static_cast<int>(kUser), setfsuid(static_cast<uid_t>(-1)));
    EXPECT_ERRNO(EACCES, open(path.c_str(), O_RDONLY));
    EXPECT_OK(Fd(open((dir / "new").c_str(), O_RDWR | O_CREAT, 0600)));
  });
  EXPECT_EQ(kUser, info("new").st_uid);
}

TEST_F(Permission, TimesAsAUser) {
  const std::string writable = file("writable", 0666);
  const std::string readable = file("readable", 0644);
  const std::string own = file("own", 0400, kUser);
  const timespec times[2] = {{1000, 0}, {1000, 0}};
  as_user([&] {
    // "Now" needs permission to write; other times need the owner.
    EXPECT_OK(utimensat(AT_FDCWD, writable.c_str(), nullptr, 0));
    EXPECT_ERRNO(EPERM, utimensat(AT_FDCWD, writable.c_str(), times, 0));
    EXPECT_ERRNO(EACCES, utimensat(AT_FDCWD, readable.c_str(), nullptr, 0));
    EXPECT_OK(utimensat(AT_FDCWD, own.c_str(), times, 0));
  });
}

TEST_F(Permission, NoAccessTimeIsTheOwnersRight) {
  const std::string others = file("others", 0666);
  const std::string own = file("own", 0600, kUser);
  as_user([&] {
    EXPECT_ERRNO(EPERM, open(others.c_str(), O_RDONLY | O_NOATIME));
    EXPECT_OK(Fd(open(own.c_str(), O_RDONLY | O_NOATIME)));
  });
}

TEST_F(Permission, DeviceNodesAreRootsRight) {
  as_user([&] {
    EXPECT_ERRNO(EPERM, mknod((dir / "node").c_str(), S_IFCHR | 0600, 0x103));
    EXPECT_OK(mknod((dir / "fifo").c_str(), S_IFIFO | 0600, 0));
  });
}

TEST_F(Permission, CheckedAtOpenOnly) {
  const std::string path = file("file", 0666);
  as_user([&] {
    Fd fd(open(path.c_str(), O_RDWR));
    ASSERT_OK(fd);
    in_thread([&] {});
    EXPECT_EQ(1, write(fd, "C", 1));
  });
  Fd fd(open(path.c_str(), O_RDWR));
  ASSERT_OK(chmod(path.c_str(), 0));
  as_user([&] { EXPECT_EQ(1, write(fd, "K", 1)); });
  EXPECT_EQ("Kontent", read_file(path));
}

}  // namespace
}  // namespace compat
