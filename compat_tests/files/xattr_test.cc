// Extended attributes: xattr(7).
#include <sys/stat.h>
#include <sys/xattr.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

class Xattr : public testing::Test {
 protected:
  void SetUp() override {
    path = dir / "file";
    write_file(path, "");
    if (setxattr(path.c_str(), "user.probe", "", 0, 0) != 0 && errno == EOPNOTSUPP) {
      GTEST_SKIP() << "this file system has no user attributes";
    }
    ASSERT_OK(removexattr(path.c_str(), "user.probe"));
  }

  int set(const char* name, std::string_view value, int flags = 0) {
    return setxattr(path.c_str(), name, value.data(), value.size(), flags);
  }
  std::string get(const char* name) {
    char value[256];
    const ssize_t size = getxattr(path.c_str(), name, value, sizeof value);
    return size < 0 ? error_name(errno) : std::string(value, static_cast<size_t>(size));
  }

  TempDir dir;
  std::string path;
};

TEST_F(Xattr, SetAndGet) {
  ASSERT_OK(set("user.a", "value"));
  EXPECT_EQ("value", get("user.a"));
  ASSERT_OK(set("user.a", std::string_view("with\0nul", 8)));
  EXPECT_EQ(std::string("with\0nul", 8), get("user.a"));
  ASSERT_OK(set("user.empty", ""));
  EXPECT_EQ("", get("user.empty"));
}

TEST_F(Xattr, CreateAndReplace) {
  EXPECT_ERRNO(ENODATA, set("user.a", "1", XATTR_REPLACE));
  ASSERT_OK(set("user.a", "1", XATTR_CREATE));
  EXPECT_ERRNO(EEXIST, set("user.a", "2", XATTR_CREATE));
  ASSERT_OK(set("user.a", "3", XATTR_REPLACE));
  EXPECT_EQ("3", get("user.a"));
  EXPECT_ERRNO(EINVAL, set("user.a", "4", 8));
}

TEST_F(Xattr, Remove) {
  ASSERT_OK(set("user.a", "1"));
  ASSERT_OK(removexattr(path.c_str(), "user.a"));
  EXPECT_EQ("ENODATA", get("user.a"));
  EXPECT_ERRNO(ENODATA, removexattr(path.c_str(), "user.a"));
}

TEST_F(Xattr, SizeIsAskedFirst) {
  ASSERT_OK(set("user.a", "value"));
  EXPECT_EQ(5, getxattr(path.c_str(), "user.a", nullptr, 0));
  char small[4];
  EXPECT_ERRNO(ERANGE, getxattr(path.c_str(), "user.a", small, sizeof small));
}

TEST_F(Xattr, List) {
  char names[256];
  const ssize_t before = listxattr(path.c_str(), names, sizeof names);
  ASSERT_OK(before);
  ASSERT_OK(set("user.b", "1"));
  ASSERT_OK(set("user.a", "2"));
  const ssize_t size = listxattr(path.c_str(), names, sizeof names);
  EXPECT_EQ(before + 14, size);
  const std::string list(names, static_cast<size_t>(size));
  EXPECT_NE(std::string::npos, list.find(std::string("user.a\0", 7)));
  EXPECT_NE(std::string::npos, list.find(std::string("user.b\0", 7)));
  EXPECT_EQ(size, listxattr(path.c_str(), nullptr, 0));
  EXPECT_ERRNO(ERANGE, listxattr(path.c_str(), names, 3));
}

TEST_F(Xattr, ByDescriptor) {
  Fd fd(open(path.c_str(), O_RDWR));
  ASSERT_OK(fsetxattr(fd, "user.a", "1", 1, 0));
  char value[4];
  EXPECT_EQ(1, fgetxattr(fd, "user.a", value, sizeof value));
  EXPECT_EQ("1", get("user.a"));
  ASSERT_OK(fremovexattr(fd, "user.a"));
  EXPECT_ERRNO(ENODATA, fgetxattr(fd, "user.a", value, sizeof value));
  EXPECT_ERRNO(EBADF, fgetxattr(-1, "user.a", value, sizeof value));
}

TEST_F(Xattr, LinksHaveNoUserAttributes) {
  ASSERT_OK(symlink("file", (dir / "link").c_str()));
  EXPECT_ERRNO(EPERM, lsetxattr((dir / "link").c_str(), "user.a", "1", 1, 0));
  ASSERT_OK(setxattr((dir / "link").c_str(), "user.a", "1", 1, 0));
  EXPECT_EQ("1", get("user.a"));
  char value[4];
  EXPECT_ERRNO(ENODATA, lgetxattr((dir / "link").c_str(), "user.a", value, sizeof value));
}

TEST_F(Xattr, DirectoriesHaveThem) {
  ASSERT_OK(setxattr(dir.path().c_str(), "user.a", "1", 1, 0));
  char value[4];
  EXPECT_EQ(1, getxattr(dir.path().c_str(), "user.a", value, sizeof value));
}

TEST_F(Xattr, BelongToTheFileNotTheName) {
  ASSERT_OK(set("user.a", "1"));
  ASSERT_OK(link(path.c_str(), (dir / "other").c_str()));
  char value[4];
  EXPECT_EQ(1, getxattr((dir / "other").c_str(), "user.a", value, sizeof value));
}

TEST_F(Xattr, Errors) {
  EXPECT_ERRNO(EOPNOTSUPP, set("nonsense.a", "1"));
  EXPECT_ERRNO(EOPNOTSUPP, set("noprefix", "1"));
  EXPECT_ERRNO(EINVAL, set("user.", "1"));
  EXPECT_ERRNO(ERANGE, set("", "1"));
  EXPECT_ERRNO(ERANGE, set(("user." + std::string(251, 'x')).c_str(), "1"));
  EXPECT_ERRNO(E2BIG, set("user.a", std::string(65537, 'x')));
  EXPECT_ERRNO(ENOENT, setxattr((dir / "nothing").c_str(), "user.a", "1", 1, 0));
  EXPECT_ERRNO(EFAULT, setxattr(path.c_str(), bad_pointer<char>(), "1", 1, 0));
  EXPECT_ERRNO(EFAULT, setxattr(path.c_str(), "user.a", bad_pointer<char>(), 1, 0));
}

TEST_F(Xattr, TrustedAttributesAreRoots) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_OK(set("trusted.a", "1"));
  EXPECT_EQ("1", get("trusted.a"));
}

}  // namespace
}  // namespace compat
