// Files in memory that nobody may execute: MFD_NOEXEC_SEAL, MFD_EXEC, F_SEAL_EXEC, vm.memfd_noexec
// (memfd_create(2)).
#include <sys/mman.h>
#include <sys/stat.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#define MFD_EXEC 16u
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

namespace compat {
namespace {

constexpr char kSetting[] = "/proc/sys/vm/memfd_noexec";
constexpr int kWriteSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

mode_t mode_of(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_mode & 07777 : ~mode_t{0};
}

class MemoryFile : public testing::Test {
 protected:
  void SetUp() override {
    if (memfd_create("", MFD_EXEC) < 0) GTEST_SKIP() << "before Linux 6.3";
    Fd setting(open(kSetting, O_RDWR));
    if (setting < 0) GTEST_SKIP() << "no right to change vm.memfd_noexec";
    before_ = read_file(kSetting);
    set("0");
  }
  void TearDown() override {
    if (!before_.empty()) set(before_);
  }
  static bool set(const std::string& value) {
    Fd fd(open(kSetting, O_WRONLY));
    return write(fd, value.data(), value.size()) == ssize_t(value.size());
  }

 private:
  std::string before_;
};

TEST_F(MemoryFile, MayBeExecutedUnlessSaidOtherwise) {
  Fd plain(memfd_create("a", 0));
  EXPECT_EQ(0777u, mode_of(plain));
  EXPECT_EQ(F_SEAL_SEAL, fcntl(plain, F_GET_SEALS));
  Fd executable(memfd_create("a", MFD_EXEC));
  EXPECT_EQ(0777u, mode_of(executable));
  EXPECT_EQ(F_SEAL_SEAL, fcntl(executable, F_GET_SEALS));
  Fd sealable(memfd_create("a", MFD_EXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(0, fcntl(sealable, F_GET_SEALS));
  EXPECT_ERRNO(EINVAL, memfd_create("a", MFD_EXEC | MFD_NOEXEC_SEAL));
}

TEST_F(MemoryFile, NoExecIsSealed) {
  Fd fd(memfd_create("a", MFD_NOEXEC_SEAL));
  ASSERT_OK(fd);
  EXPECT_EQ(0666u, mode_of(fd));
  EXPECT_EQ(F_SEAL_EXEC, fcntl(fd, F_GET_SEALS)) << "and it takes other seals";
  EXPECT_ERRNO(EPERM, fchmod(fd, 0777));
  EXPECT_ERRNO(EPERM, fchmod(fd, 0100));
  EXPECT_OK(fchmod(fd, 0640));
  EXPECT_EQ(0640u, mode_of(fd));
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  EXPECT_EQ(F_SEAL_EXEC | F_SEAL_SEAL, fcntl(fd, F_GET_SEALS));
}

TEST_F(MemoryFile, SealOfAnExecutableStopsWritesToo) {
  Fd fd(memfd_create("a", MFD_EXEC | MFD_ALLOW_SEALING));
  ASSERT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC));
  EXPECT_EQ(F_SEAL_EXEC | kWriteSeals, fcntl(fd, F_GET_SEALS));
  EXPECT_ERRNO(EPERM, write(fd, "x", 1));
  EXPECT_ERRNO(EPERM, fchmod(fd, 0600));
  EXPECT_OK(fchmod(fd, 0711));
}

TEST_F(MemoryFile, SealOfWhatNobodyExecutesIsOnlyThat) {
  Fd fd(memfd_create("a", MFD_EXEC | MFD_ALLOW_SEALING));
  ASSERT_OK(fchmod(fd, 0600));
  ASSERT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC));
  EXPECT_EQ(F_SEAL_EXEC, fcntl(fd, F_GET_SEALS));
  EXPECT_EQ(1, write(fd, "x", 1));
}

TEST_F(MemoryFile, SealOfAnExecutableWantsNoWriters) {
  Fd fd(memfd_create("a", MFD_EXEC | MFD_ALLOW_SEALING));
  ASSERT_OK(ftruncate(fd, 4096));
  void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ASSERT_NE(MAP_FAILED, at);
  EXPECT_ERRNO(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC));
  EXPECT_EQ(0, fcntl(fd, F_GET_SEALS));
  munmap(at, 4096);
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC));
}

TEST_F(MemoryFile, SettingDecidesForThoseWhoDoNotSay) {
  ASSERT_TRUE(set("1"));
  Fd plain(memfd_create("a", 0));
  EXPECT_EQ(0666u, mode_of(plain));
  EXPECT_EQ(F_SEAL_EXEC, fcntl(plain, F_GET_SEALS));
  Fd executable(memfd_create("a", MFD_EXEC));
  EXPECT_EQ(0777u, mode_of(executable));
  ASSERT_TRUE(set("2"));
  Fd again(memfd_create("a", MFD_ALLOW_SEALING));
  EXPECT_EQ(0666u, mode_of(again));
  EXPECT_ERRNO(EACCES, memfd_create("a", MFD_EXEC));
  EXPECT_EQ("2\n", read_file(kSetting));
  EXPECT_FALSE(set("3"));
  EXPECT_EQ(EINVAL, errno);
}

}  // namespace
}  // namespace compat
