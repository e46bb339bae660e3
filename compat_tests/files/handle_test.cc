// name_to_handle_at(2), open_by_handle_at(2).
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

struct Handle {
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes); }
  alignas(file_handle) char bytes[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
};

class FileHandle : public testing::Test {
 protected:
  void SetUp() override {
    write_file(dir / "file", "content");
    handle.get()->handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(AT_FDCWD, (dir / "file").c_str(), handle.get(), &mount, 0) != 0)
      GTEST_SKIP() << "this file system has no handles: " << error_name(errno);
  }
  TempDir dir;
  Handle handle;
  int mount = 0;
};

TEST_F(FileHandle, LeadsToTheFile) {
  const Fd there(open(dir.path().c_str(), O_RDONLY));
  const int opened = open_by_handle_at(there, handle.get(), O_RDONLY);
  if (opened < 0 && errno == EPERM) GTEST_SKIP() << "needs CAP_DAC_READ_SEARCH";
  const Fd file(opened);
  ASSERT_GE(file, 0) << error_name(errno);
  EXPECT_EQ(read_fd(file), "content");
}

TEST_F(FileHandle, IsTheSameForTheSameFile) {
  ASSERT_OK(link((dir / "file").c_str(), (dir / "link").c_str()));
  Handle other;
  other.get()->handle_bytes = MAX_HANDLE_SZ;
  ASSERT_OK(name_to_handle_at(AT_FDCWD, (dir / "link").c_str(), other.get(), &mount, 0));
  EXPECT_EQ(handle.get()->handle_bytes, other.get()->handle_bytes);
  EXPECT_EQ(0, memcmp(handle.get()->f_handle, other.get()->f_handle, handle.get()->handle_bytes));
}

TEST_F(FileHandle, AsksForRoom) {
  Handle small;
  small.get()->handle_bytes = 0;
  EXPECT_ERRNO(EOVERFLOW,
               name_to_handle_at(AT_FDCWD, (dir / "file").c_str(), small.get(), &mount, 0));
  EXPECT_EQ(small.get()->handle_bytes, handle.get()->handle_bytes);
  small.get()->handle_bytes = MAX_HANDLE_SZ + 1;
  EXPECT_ERRNO(EINVAL, name_to_handle_at(AT_FDCWD, (dir / "file").c_str(), small.get(), &mount, 0));
}

TEST_F(FileHandle, Errors) {
  Handle other;
  other.get()->handle_bytes = MAX_HANDLE_SZ;
  EXPECT_ERRNO(ENOENT, name_to_handle_at(AT_FDCWD, (dir / "none").c_str(), other.get(), &mount, 0));
  EXPECT_ERRNO(EINVAL,
               name_to_handle_at(AT_FDCWD, (dir / "file").c_str(), other.get(), &mount, 64));
  EXPECT_ERRNO(EBADF, name_to_handle_at(-1, "file", other.get(), &mount, 0));
}

// AT_HANDLE_FID, since Linux 6.5, and AT_HANDLE_CONNECTABLE, since 6.13.
TEST_F(FileHandle, Kinds) {
  constexpr int kOnlyIdentifies = 0x200, kConnectable = 2;
  Handle other;
  other.get()->handle_bytes = MAX_HANDLE_SZ;
  const std::string path = dir / "file";
  if (name_to_handle_at(AT_FDCWD, path.c_str(), other.get(), &mount, kOnlyIdentifies) != 0)
    GTEST_SKIP() << "an older kernel";
  other.get()->handle_bytes = MAX_HANDLE_SZ;
  EXPECT_OK(name_to_handle_at(AT_FDCWD, "/proc/filesystems", other.get(), &mount, kOnlyIdentifies));
  EXPECT_ERRNO(EINVAL, name_to_handle_at(AT_FDCWD, path.c_str(), other.get(), &mount,
                                         kOnlyIdentifies | kConnectable));
}

TEST_F(FileHandle, GoesStale) {
  const Fd there(open(dir.path().c_str(), O_RDONLY));
  ASSERT_OK(unlink((dir / "file").c_str()));
  const int opened = open_by_handle_at(there, handle.get(), O_RDONLY);
  if (opened < 0 && errno == EPERM) GTEST_SKIP() << "needs CAP_DAC_READ_SEARCH";
  EXPECT_EQ(-1, opened);
  EXPECT_EQ(ESTALE, errno);
}

}  // namespace
}  // namespace compat
