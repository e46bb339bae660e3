// rename(2), renameat(2), renameat2(2).
#include <stdio.h>
#include <sys/stat.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

class Rename : public testing::Test {
 protected:
  int move(std::string_view from, std::string_view to) {
    return rename((dir / from).c_str(), (dir / to).c_str());
  }
  int move2(std::string_view from, std::string_view to, unsigned flags) {
    return renameat2(AT_FDCWD, (dir / from).c_str(), AT_FDCWD, (dir / to).c_str(), flags);
  }
  void make_dir(std::string_view name) { ASSERT_OK(mkdir((dir / name).c_str(), 0755)); }
  bool exists(std::string_view name) { return access((dir / name).c_str(), F_OK) == 0; }
  ino_t inode(std::string_view name) {
    struct stat info = {};
    EXPECT_OK(lstat((dir / name).c_str(), &info));
    return info.st_ino;
  }

  TempDir dir;
};

TEST_F(Rename, KeepsTheFile) {
  write_file(dir / "old", "content");
  const ino_t before = inode("old");
  ASSERT_OK(move("old", "new"));
  EXPECT_FALSE(exists("old"));
  EXPECT_EQ(before, inode("new"));
  EXPECT_EQ("content", read_file(dir / "new"));
}

TEST_F(Rename, ReplacesAFile) {
  write_file(dir / "old", "old");
  write_file(dir / "new", "new");
  Fd replaced(open((dir / "new").c_str(), O_RDONLY));
  ASSERT_OK(move("old", "new"));
  EXPECT_EQ("old", read_file(dir / "new"));
  EXPECT_EQ("new", read_fd(replaced));
  struct stat info;
  ASSERT_OK(fstat(replaced, &info));
  EXPECT_EQ(0u, info.st_nlink);
}

TEST_F(Rename, OntoItself) {
  write_file(dir / "file", "content");
  EXPECT_OK(move("file", "file"));
  EXPECT_EQ("content", read_file(dir / "file"));
}

TEST_F(Rename, OntoAnotherLinkOfTheSameFile) {
  // rename(2): it does nothing and reports success.
  write_file(dir / "one", "content");
  ASSERT_OK(link((dir / "one").c_str(), (dir / "two").c_str()));
  EXPECT_OK(move("one", "two"));
  EXPECT_TRUE(exists("one"));
  EXPECT_TRUE(exists("two"));
}

TEST_F(Rename, BetweenDirectories) {
  make_dir("a");
  make_dir("b");
  write_file(dir / "a/file", "content");
  ASSERT_OK(move("a/file", "b/file"));
  EXPECT_EQ("content", read_file(dir / "b/file"));
  EXPECT_OK(rmdir((dir / "a").c_str()));
}

TEST_F(Rename, DirectoryWithItsContent) {
  make_dir("a");
  make_dir("a/sub");
  make_dir("b");
  write_file(dir / "a/sub/file", "content");
  ASSERT_OK(move("a/sub", "b/moved"));
  EXPECT_EQ("content", read_file(dir / "b/moved/file"));
  struct stat parent, dots;
  ASSERT_OK(stat((dir / "b").c_str(), &parent));
  ASSERT_OK(stat((dir / "b/moved/..").c_str(), &dots));
  EXPECT_EQ(parent.st_ino, dots.st_ino);
  EXPECT_EQ(3u, parent.st_nlink);
}

TEST_F(Rename, DirectoryOntoAnEmptyDirectory) {
  make_dir("a");
  make_dir("b");
  write_file(dir / "a/file", "");
  EXPECT_OK(move("a", "b"));
  EXPECT_TRUE(exists("b/file"));
  EXPECT_FALSE(exists("a"));
}

TEST_F(Rename, DirectoryOntoAFullDirectory) {
  make_dir("a");
  make_dir("b");
  write_file(dir / "b/file", "");
  EXPECT_ERRNO(ENOTEMPTY, move("a", "b"));
}

TEST_F(Rename, KindsMustMatch) {
  make_dir("directory");
  write_file(dir / "file", "");
  EXPECT_ERRNO(EISDIR, move("file", "directory"));
  EXPECT_ERRNO(ENOTDIR, move("directory", "file"));
}

TEST_F(Rename, IntoItsOwnSubtree) {
  make_dir("a");
  make_dir("a/b");
  EXPECT_ERRNO(EINVAL, move("a", "a/b/c"));
  EXPECT_ERRNO(EINVAL, move("a", "a/b"));
  EXPECT_ERRNO(ENOTEMPTY, move("a/b", "a"));
}

TEST_F(Rename, DotsAreBusy) {
  make_dir("a");
  EXPECT_ERRNO(EBUSY, move("a/.", "b"));
  EXPECT_ERRNO(EBUSY, move("a/..", "b"));
  EXPECT_ERRNO(EBUSY, move("a", "a/."));
}

TEST_F(Rename, MissingNames) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(ENOENT, move("nothing", "new"));
  EXPECT_ERRNO(ENOENT, move("file", "nothing/new"));
  EXPECT_ERRNO(ENOTDIR, move("file/x", "new"));
  EXPECT_ERRNO(ENOTDIR, move("file", "file/x"));
  EXPECT_ERRNO(ENOENT, rename("", (dir / "new").c_str()));
  EXPECT_ERRNO(EFAULT, rename(bad_pointer<char>(), (dir / "new").c_str()));
}

TEST_F(Rename, TrailingSlashes) {
  make_dir("directory");
  write_file(dir / "file", "");
  EXPECT_ERRNO(ENOTDIR, move("file", "new/"));
  EXPECT_ERRNO(ENOTDIR, move("file/", "new"));
  EXPECT_OK(move("directory", "renamed/"));
  EXPECT_TRUE(exists("renamed"));
}

TEST_F(Rename, MovesTheLinkNotItsTarget) {
  write_file(dir / "file", "content");
  ASSERT_OK(symlink("file", (dir / "link").c_str()));
  ASSERT_OK(move("link", "moved"));
  struct stat info;
  ASSERT_OK(lstat((dir / "moved").c_str(), &info));
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  EXPECT_TRUE(exists("file"));
}

TEST_F(Rename, AcrossFileSystems) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(EXDEV, rename((dir / "file").c_str(), "/proc/file"));
}

TEST_F(Rename, OpenFileFollowsItsName) {
  write_file(dir / "old", "content");
  Fd fd(open((dir / "old").c_str(), O_RDWR));
  ASSERT_OK(move("old", "new"));
  ASSERT_EQ(1, pwrite(fd, "C", 1, 0));
  EXPECT_EQ("Content", read_file(dir / "new"));
  char target[4096] = {};
  ASSERT_OK(readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1));
  EXPECT_EQ(dir / "new", target);
}

TEST_F(Rename, RelativeToDescriptors) {
  make_dir("a");
  make_dir("b");
  write_file(dir / "a/file", "content");
  Fd a(open((dir / "a").c_str(), O_PATH)), b(open((dir / "b").c_str(), O_PATH));
  ASSERT_OK(renameat(a, "file", b, "moved"));
  EXPECT_EQ("content", read_file(dir / "b/moved"));
  EXPECT_ERRNO(EBADF, renameat(-1, "file", b, "moved"));
}

TEST_F(Rename, NoReplace) {
  write_file(dir / "old", "old");
  write_file(dir / "new", "new");
  EXPECT_ERRNO(EEXIST, move2("old", "new", RENAME_NOREPLACE));
  EXPECT_EQ("new", read_file(dir / "new"));
  EXPECT_OK(move2("old", "other", RENAME_NOREPLACE));
}

TEST_F(Rename, Exchange) {
  write_file(dir / "file", "content");
  make_dir("directory");
  write_file(dir / "directory/inside", "");
  EXPECT_OK(move2("file", "directory", RENAME_EXCHANGE));
  EXPECT_EQ("content", read_file(dir / "directory"));
  EXPECT_TRUE(exists("file/inside"));
  EXPECT_ERRNO(ENOENT, move2("file", "nothing", RENAME_EXCHANGE));
}

TEST_F(Rename, UnknownFlags) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(EINVAL, move2("file", "new", RENAME_NOREPLACE | RENAME_EXCHANGE));
  EXPECT_ERRNO(EINVAL, move2("file", "new", 1u << 20));
}

}  // namespace
}  // namespace compat
