// stat(2), statx(2), utimensat(2), access(2), chmod(2): what is known of a file, and who changes
// it.
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

class Stat : public testing::Test {
 protected:
  Stat() { write_file(dir / "file", "0123456789", 0640); }

  struct stat info() {
    struct stat result = {};
    EXPECT_OK(stat((dir / "file").c_str(), &result));
    return result;
  }
  int set_times(const timespec (&times)[2], int flags = 0) {
    return utimensat(AT_FDCWD, (dir / "file").c_str(), times, flags);
  }

  TempDir dir;
};

bool operator<(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

TEST_F(Stat, Fields) {
  const struct stat file = info();
  EXPECT_EQ(10, file.st_size);
  EXPECT_EQ(1u, file.st_nlink);
  EXPECT_EQ(geteuid(), file.st_uid);
  EXPECT_EQ(getegid(), file.st_gid);
  EXPECT_EQ(static_cast<mode_t>(S_IFREG), file.st_mode & S_IFMT);
  EXPECT_GT(file.st_blksize, 0);
  EXPECT_NE(0u, file.st_ino);
  struct stat directory;
  ASSERT_OK(stat(dir.path().c_str(), &directory));
  EXPECT_EQ(directory.st_dev, file.st_dev);
  EXPECT_NE(directory.st_ino, file.st_ino);
  EXPECT_EQ(static_cast<mode_t>(S_IFDIR | 0700), directory.st_mode);
}

TEST_F(Stat, TheFamilyAgrees) {
  Fd fd(open((dir / "file").c_str(), O_RDONLY));
  Fd parent(open(dir.path().c_str(), O_RDONLY));
  const ino_t expected = info().st_ino;
  struct stat result;
  ASSERT_OK(fstat(fd, &result));
  EXPECT_EQ(expected, result.st_ino);
  ASSERT_OK(lstat((dir / "file").c_str(), &result));
  EXPECT_EQ(expected, result.st_ino);
  ASSERT_OK(fstatat(parent, "file", &result, 0));
  EXPECT_EQ(expected, result.st_ino);
  ASSERT_OK(fstatat(fd, "", &result, AT_EMPTY_PATH));
  EXPECT_EQ(expected, result.st_ino);
}

TEST_F(Stat, Errors) {
  struct stat result;
  EXPECT_ERRNO(ENOENT, stat((dir / "nothing").c_str(), &result));
  EXPECT_ERRNO(ENOENT, stat("", &result));
  EXPECT_ERRNO(ENOTDIR, stat((dir / "file/x").c_str(), &result));
  EXPECT_ERRNO(EFAULT, stat((dir / "file").c_str(), bad_pointer<struct stat>()));
  EXPECT_ERRNO(EFAULT, stat(bad_pointer<char>(), &result));
  EXPECT_ERRNO(EBADF, fstat(-1, &result));
  EXPECT_ERRNO(EINVAL, fstatat(AT_FDCWD, "/", &result, 1));
  EXPECT_ERRNO(ENOENT, fstatat(AT_FDCWD, "", &result, 0));
}

TEST_F(Stat, LinksAreFollowedOrNot) {
  ASSERT_OK(symlink("file", (dir / "link").c_str()));
  struct stat followed, link;
  ASSERT_OK(stat((dir / "link").c_str(), &followed));
  ASSERT_OK(fstatat(AT_FDCWD, (dir / "link").c_str(), &link, AT_SYMLINK_NOFOLLOW));
  EXPECT_TRUE(S_ISREG(followed.st_mode));
  EXPECT_TRUE(S_ISLNK(link.st_mode));
  EXPECT_EQ(4, link.st_size);
}

TEST_F(Stat, Devices) {
  struct stat null_info, zero_info;
  ASSERT_OK(stat("/dev/null", &null_info));
  ASSERT_OK(stat("/dev/zero", &zero_info));
  EXPECT_TRUE(S_ISCHR(null_info.st_mode));
  EXPECT_EQ(makedev(1, 3), null_info.st_rdev);
  EXPECT_EQ(makedev(1, 5), zero_info.st_rdev);
}

TEST_F(Stat, StatxAgreesWithStat) {
  struct statx extended;
  ASSERT_OK(statx(AT_FDCWD, (dir / "file").c_str(), 0, STATX_BASIC_STATS, &extended));
  const struct stat file = info();
  EXPECT_EQ(static_cast<unsigned>(STATX_BASIC_STATS), extended.stx_mask & STATX_BASIC_STATS);
  EXPECT_EQ(file.st_ino, extended.stx_ino);
  EXPECT_EQ(file.st_mode, extended.stx_mode);
  EXPECT_EQ(file.st_nlink, extended.stx_nlink);
  EXPECT_EQ(static_cast<uint64_t>(file.st_size), extended.stx_size);
  EXPECT_EQ(static_cast<uint64_t>(file.st_blocks), extended.stx_blocks);
  EXPECT_EQ(file.st_mtim.tv_sec, extended.stx_mtime.tv_sec);
  EXPECT_EQ(file.st_mtim.tv_nsec, extended.stx_mtime.tv_nsec);
  EXPECT_EQ(file.st_dev, makedev(extended.stx_dev_major, extended.stx_dev_minor));
}

TEST_F(Stat, StatxByDescriptor) {
  Fd fd(open((dir / "file").c_str(), O_RDONLY));
  struct statx extended;
  ASSERT_OK(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &extended));
  EXPECT_EQ(10u, extended.stx_size);
}

TEST_F(Stat, StatxErrors) {
  struct statx extended;
  EXPECT_ERRNO(EINVAL, statx(AT_FDCWD, "/", 0x4, STATX_SIZE, &extended));
  EXPECT_ERRNO(EINVAL, statx(AT_FDCWD, "/", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE,
                             &extended));
  EXPECT_ERRNO(EINVAL, statx(AT_FDCWD, "/", 0, STATX__RESERVED, &extended));
  EXPECT_ERRNO(ENOENT, statx(AT_FDCWD, "", 0, STATX_SIZE, &extended));
  EXPECT_ERRNO(EBADF, statx(-1, "x", 0, STATX_SIZE, &extended));
  EXPECT_ERRNO(EFAULT, statx(AT_FDCWD, "/", 0, STATX_SIZE, bad_pointer<struct statx>()));
}

TEST_F(Stat, SetTimes) {
  const timespec times[2] = {{1'000'000'000, 123'456'789}, {1'500'000'000, 987'654'321}};
  ASSERT_OK(set_times(times));
  const struct stat file = info();
  EXPECT_EQ(1'000'000'000, file.st_atim.tv_sec);
  EXPECT_EQ(123'456'789, file.st_atim.tv_nsec);
  EXPECT_EQ(1'500'000'000, file.st_mtim.tv_sec);
  EXPECT_EQ(987'654'321, file.st_mtim.tv_nsec);
}

TEST_F(Stat, SetTimesBeforeTheEpoch) {
  const timespec times[2] = {{-5, 0}, {-1'000'000, 0}};
  ASSERT_OK(set_times(times));
  EXPECT_EQ(-5, info().st_atim.tv_sec);
  EXPECT_EQ(-1'000'000, info().st_mtim.tv_sec);
}

TEST_F(Stat, SetOneTime) {
  const timespec both[2] = {{1000, 0}, {2000, 0}};
  ASSERT_OK(set_times(both));
  const timespec access_only[2] = {{3000, 0}, {0, UTIME_OMIT}};
  ASSERT_OK(set_times(access_only));
  EXPECT_EQ(3000, info().st_atim.tv_sec);
  EXPECT_EQ(2000, info().st_mtim.tv_sec);
  const timespec modify_now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  ASSERT_OK(set_times(modify_now));
  EXPECT_EQ(3000, info().st_atim.tv_sec);
  EXPECT_GT(info().st_mtim.tv_sec, 1'600'000'000);
}

TEST_F(Stat, SetTimesErrors) {
  const timespec too_many[2] = {{0, 1'000'000'000}, {0, 0}};
  EXPECT_ERRNO(EINVAL, set_times(too_many));
  const timespec fine[2] = {};
  EXPECT_ERRNO(EINVAL, set_times(fine, 1));
  EXPECT_ERRNO(ENOENT, utimensat(AT_FDCWD, (dir / "nothing").c_str(), fine, 0));
  EXPECT_ERRNO(EBADF, futimens(-1, fine));
}

TEST_F(Stat, SetTimesOfALink) {
  ASSERT_OK(symlink("file", (dir / "link").c_str()));
  const timespec times[2] = {{1000, 0}, {2000, 0}};
  ASSERT_OK(utimensat(AT_FDCWD, (dir / "link").c_str(), times, AT_SYMLINK_NOFOLLOW));
  struct stat link;
  ASSERT_OK(lstat((dir / "link").c_str(), &link));
  EXPECT_EQ(2000, link.st_mtim.tv_sec);
  EXPECT_NE(2000, info().st_mtim.tv_sec);
}

TEST_F(Stat, WritingChangesTheTimes) {
  const timespec old_times[2] = {{1000, 0}, {1000, 0}};
  ASSERT_OK(set_times(old_times));
  Fd fd(open((dir / "file").c_str(), O_WRONLY));
  ASSERT_EQ(1, write(fd, "x", 1));
  EXPECT_GT(info().st_mtim.tv_sec, 1'600'000'000);
  EXPECT_EQ(1000, info().st_atim.tv_sec);
}

TEST_F(Stat, ChangingTheModeChangesOnlyTheChangeTime) {
  const timespec old_times[2] = {{1000, 0}, {1000, 0}};
  ASSERT_OK(set_times(old_times));
  const timespec before = info().st_ctim;
  // Time stamps come from a clock that ticks a hundred times a second or more.
  sleep_for(milliseconds(50));
  ASSERT_OK(chmod((dir / "file").c_str(), 0600));
  EXPECT_TRUE(before < info().st_ctim);
  EXPECT_EQ(1000, info().st_mtim.tv_sec);
}

TEST_F(Stat, NewNamesChangeTheDirectory) {
  const timespec old_times[2] = {{1000, 0}, {1000, 0}};
  const auto directory_time = [&] {
    struct stat directory = {};
    EXPECT_OK(stat(dir.path().c_str(), &directory));
    return directory.st_mtim.tv_sec;
  };
  ASSERT_OK(utimensat(AT_FDCWD, dir.path().c_str(), old_times, 0));
  write_file(dir / "file", "changed");
  EXPECT_EQ(1000, directory_time());
  write_file(dir / "new", "");
  EXPECT_GT(directory_time(), 1'600'000'000);
  ASSERT_OK(utimensat(AT_FDCWD, dir.path().c_str(), old_times, 0));
  ASSERT_OK(unlink((dir / "new").c_str()));
  EXPECT_GT(directory_time(), 1'600'000'000);
}

TEST_F(Stat, ChangeMode) {
  ASSERT_OK(chmod((dir / "file").c_str(), 0751));
  EXPECT_EQ(static_cast<mode_t>(S_IFREG | 0751), info().st_mode);
  Fd fd(open((dir / "file").c_str(), O_RDONLY));
  ASSERT_OK(fchmod(fd, S_ISUID | S_ISGID | S_ISVTX | 0700));
  EXPECT_EQ(static_cast<mode_t>(S_IFREG | 07700), info().st_mode);
  // Bits that are no permissions are ignored.
  ASSERT_OK(chmod((dir / "file").c_str(), S_IFDIR | 0644));
  EXPECT_EQ(static_cast<mode_t>(S_IFREG | 0644), info().st_mode);
  ASSERT_OK(fchmodat(AT_FDCWD, (dir / "file").c_str(), 0600, 0));
  EXPECT_EQ(static_cast<mode_t>(S_IFREG | 0600), info().st_mode);
}

TEST_F(Stat, ChangeModeErrors) {
  EXPECT_ERRNO(ENOENT, chmod((dir / "nothing").c_str(), 0600));
  EXPECT_ERRNO(ENOTDIR, chmod((dir / "file/x").c_str(), 0600));
  EXPECT_ERRNO(EBADF, fchmod(-1, 0600));
  EXPECT_ERRNO(EFAULT, chmod(bad_pointer<char>(), 0600));
}

TEST_F(Stat, Umask) {
  const mode_t old_mask = umask(0123);
  EXPECT_EQ(0123u, umask(07777));
  // Only permission bits are kept.
  EXPECT_EQ(0777u, umask(old_mask));
}

TEST_F(Stat, Access) {
  EXPECT_OK(access((dir / "file").c_str(), F_OK));
  EXPECT_OK(access((dir / "file").c_str(), R_OK | W_OK));
  // Not even root executes what nobody may execute.
  EXPECT_ERRNO(EACCES, access((dir / "file").c_str(), X_OK));
  EXPECT_OK(access(dir.path().c_str(), X_OK));
  EXPECT_ERRNO(ENOENT, access((dir / "nothing").c_str(), F_OK));
  EXPECT_ERRNO(EINVAL, access((dir / "file").c_str(), 8));
  EXPECT_ERRNO(EFAULT, access(bad_pointer<char>(), F_OK));
  EXPECT_ERRNO(EINVAL, faccessat(AT_FDCWD, (dir / "file").c_str(), F_OK, 0x4));
}

TEST_F(Stat, AccessOfADanglingLink) {
  ASSERT_OK(symlink("nothing", (dir / "link").c_str()));
  EXPECT_ERRNO(ENOENT, access((dir / "link").c_str(), F_OK));
  EXPECT_OK(faccessat(AT_FDCWD, (dir / "link").c_str(), F_OK, AT_SYMLINK_NOFOLLOW));
}

}  // namespace
}  // namespace compat
