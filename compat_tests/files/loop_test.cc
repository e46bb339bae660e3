// Loop devices, loop(4): a file as a block device.
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

constexpr size_t kSize = 8 * kPage;

class Loop : public testing::Test {
 protected:
  void SetUp() override {
    Fd control(open("/dev/loop-control", O_RDWR));
    if (control < 0) GTEST_SKIP() << "no loop devices here, or no right to them";
    number_ = ioctl(control, LOOP_CTL_GET_FREE);
    if (number_ < 0) GTEST_SKIP() << "no free loop device";
    name_ = "/dev/loop" + std::to_string(number_);
    content_ = pattern(kSize);
    file_ = Fd(open((dir_ / "image").c_str(), O_RDWR | O_CREAT, 0600));
    ASSERT_OK(file_);
    ASSERT_EQ(ssize_t(kSize), write(file_, content_.data(), kSize));
    device_ = Fd(open(name_.c_str(), O_RDWR));
    if (device_ < 0) GTEST_SKIP() << "the device has no node";
    if (ioctl(device_, LOOP_SET_FD, int(file_)) != 0) GTEST_SKIP() << "somebody was faster";
    bound_ = true;
  }
  void TearDown() override {
    if (bound_) ioctl(device_, LOOP_CLR_FD, 0);
  }
  std::string sysfs(const std::string& attribute) {
    return "/sys/block/loop" + std::to_string(number_) + "/" + attribute;
  }

  TempDir dir_;
  int number_ = -1;
  bool bound_ = false;
  std::string name_, content_;
  Fd file_, device_;
};

TEST_F(Loop, IsABlockDeviceOfTheFilesSize) {
  struct stat st;
  ASSERT_OK(fstat(device_, &st));
  EXPECT_TRUE(S_ISBLK(st.st_mode));
  EXPECT_EQ(7u, major(st.st_rdev));
  EXPECT_EQ(unsigned(number_), minor(st.st_rdev));
  EXPECT_EQ(0, st.st_size);
  uint64_t bytes = 0;
  EXPECT_OK(ioctl(device_, BLKGETSIZE64, &bytes));
  EXPECT_EQ(kSize, bytes);
  unsigned long sectors = 0;
  EXPECT_OK(ioctl(device_, BLKGETSIZE, &sectors));
  EXPECT_EQ(kSize / 512, sectors);
  int sector = 0;
  EXPECT_OK(ioctl(device_, BLKSSZGET, &sector));
  EXPECT_EQ(512, sector);
  EXPECT_EQ(off_t(kSize), lseek(device_, 0, SEEK_END));
  EXPECT_ERRNO(EINVAL, lseek(device_, 1, SEEK_END));
}

TEST_F(Loop, ReadsAndWritesTheFile) {
  char bytes[512];
  EXPECT_EQ(512, pread(device_, bytes, 512, kPage));
  EXPECT_EQ(content_.substr(kPage, 512), std::string(bytes, 512));
  const std::string fresh(512, '!');
  EXPECT_EQ(512, pwrite(device_, fresh.data(), 512, kPage));
  EXPECT_OK(fsync(device_));
  EXPECT_EQ(512, pread(file_, bytes, 512, kPage));
  EXPECT_EQ(fresh, std::string(bytes, 512));
}

TEST_F(Loop, EndsWhereTheFileEnds) {
  char bytes[1024] = {};
  EXPECT_EQ(512, pread(device_, bytes, 1024, kSize - 512));
  EXPECT_EQ(0, pread(device_, bytes, 1024, kSize));
  EXPECT_EQ(512, pwrite(device_, bytes, 1024, kSize - 512));
  EXPECT_ERRNO(ENOSPC, pwrite(device_, bytes, 1024, kSize));
}

TEST_F(Loop, Status) {
  struct stat st;
  ASSERT_OK(fstat(file_, &st));
  loop_info64 info{};
  ASSERT_OK(ioctl(device_, LOOP_GET_STATUS64, &info));
  EXPECT_EQ(st.st_ino, info.lo_inode);
  EXPECT_EQ(unsigned(number_), info.lo_number);
  EXPECT_EQ(0u, info.lo_flags);
  info.lo_offset = 2 * kPage;
  info.lo_sizelimit = kPage;
  strcpy(reinterpret_cast<char*>(info.lo_file_name), "a name");
  ASSERT_OK(ioctl(device_, LOOP_SET_STATUS64, &info));
  loop_info old{};
  ASSERT_OK(ioctl(device_, LOOP_GET_STATUS, &old));
  EXPECT_EQ(int(2 * kPage), old.lo_offset);
  EXPECT_STREQ("a name", old.lo_name);
  uint64_t bytes = 0;
  EXPECT_OK(ioctl(device_, BLKGETSIZE64, &bytes));
  EXPECT_EQ(kPage, bytes);
  EXPECT_EQ("8\n", read_file(sysfs("size")));
  EXPECT_EQ("8192\n", read_file(sysfs("loop/offset")));
}

TEST_F(Loop, BackingFileInSysfs) {
  EXPECT_EQ(dir_ / "image" + "\n", read_file(sysfs("loop/backing_file")));
  EXPECT_EQ("0\n", read_file(sysfs("loop/autoclear")));
  ASSERT_OK(ioctl(device_, LOOP_CLR_FD, 0));
  bound_ = false;
  device_ = Fd();
  EXPECT_ERRNO(ENOENT, access(sysfs("loop/backing_file").c_str(), F_OK));
}

TEST_F(Loop, GivenUp) {
  EXPECT_ERRNO(EBUSY, ioctl(device_, LOOP_SET_FD, int(file_)));
  EXPECT_OK(ioctl(device_, LOOP_CLR_FD, 0));
  bound_ = false;
  EXPECT_ERRNO(ENXIO, ioctl(device_, LOOP_CLR_FD, 0));
  loop_info64 info;
  EXPECT_ERRNO(ENXIO, ioctl(device_, LOOP_GET_STATUS64, &info));
}

TEST_F(Loop, WrongFiles) {
  ioctl(device_, LOOP_CLR_FD, 0);
  bound_ = false;
  // Linux lets go of the file with the device's last close.
  device_ = Fd();
  device_ = Fd(open(name_.c_str(), O_RDWR));
  EXPECT_ERRNO(EBADF, ioctl(device_, LOOP_SET_FD, -1));
  Fd null(open("/dev/null", O_RDWR));
  EXPECT_ERRNO(EINVAL, ioctl(device_, LOOP_SET_FD, int(null)));
  loop_config config{};
  config.fd = unsigned(int(file_));
  config.block_size = 1000;
  EXPECT_ERRNO(EINVAL, ioctl(device_, LOOP_CONFIGURE, &config));
  EXPECT_ERRNO(ENOTTY, ioctl(file_, LOOP_SET_FD, int(file_)));
}

TEST_F(Loop, ReadOnly) {
  ioctl(device_, LOOP_CLR_FD, 0);
  bound_ = false;
  device_ = Fd();
  device_ = Fd(open(name_.c_str(), O_RDWR));
  loop_config config{};
  Fd readable(open((dir_ / "image").c_str(), O_RDONLY));
  config.fd = unsigned(int(readable));
  config.info.lo_flags = LO_FLAGS_READ_ONLY;
  ASSERT_OK(ioctl(device_, LOOP_CONFIGURE, &config));
  bound_ = true;
  int read_only = 0;
  EXPECT_OK(ioctl(device_, BLKROGET, &read_only));
  EXPECT_EQ(1, read_only);
  EXPECT_ERRNO(EPERM, pwrite(device_, content_.data(), 512, 0));
}

}  // namespace
}  // namespace compat
