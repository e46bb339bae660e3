// Names: directories, hard and symbolic links, unlinking, special files, the working directory.
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

class Path : public testing::Test {
 protected:
  struct stat info_of(const std::string& path) {
    struct stat info = {};
    EXPECT_OK(lstat(path.c_str(), &info));
    return info;
  }
  bool exists(const std::string& path) {
    return faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  }

  TempDir dir;
};

TEST_F(Path, NameMayEndWithItsPage) {
  auto* const pages = static_cast<char*>(
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(MAP_FAILED, static_cast<void*>(pages));
  ASSERT_OK(munmap(pages + kPage, kPage));
  const std::string path = dir / "name";
  write_file(path, "");
  for (size_t behind = 0; behind < 9; ++behind) {
    char* const place = pages + kPage - behind - path.size() - 1;
    memcpy(place, path.c_str(), path.size() + 1);
    EXPECT_OK(access(place, F_OK)) << behind;
  }
  memset(pages, 'x', kPage);
  EXPECT_ERRNO(EFAULT, access(pages + kPage - 5, F_OK));
  EXPECT_OK(munmap(pages, kPage));
}

TEST_F(Path, MakeDirectory) {
  const mode_t old_mask = umask(022);
  EXPECT_OK(mkdir((dir / "sub").c_str(), 0777));
  umask(old_mask);
  EXPECT_TRUE(S_ISDIR(info_of(dir / "sub").st_mode));
  EXPECT_EQ(0755u, info_of(dir / "sub").st_mode & 07777);
  EXPECT_OK(mkdir((dir / "slash/").c_str(), 0755));
}

TEST_F(Path, MakeDirectoryErrors) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(EEXIST, mkdir(dir.path().c_str(), 0755));
  EXPECT_ERRNO(EEXIST, mkdir((dir / "file").c_str(), 0755));
  EXPECT_ERRNO(EEXIST, mkdir("/", 0755));
  EXPECT_ERRNO(EEXIST, mkdir((dir / ".").c_str(), 0755));
  EXPECT_ERRNO(ENOENT, mkdir((dir / "a/b").c_str(), 0755));
  EXPECT_ERRNO(ENOTDIR, mkdir((dir / "file/b").c_str(), 0755));
  EXPECT_ERRNO(ENOENT, mkdir("", 0755));
  EXPECT_ERRNO(EFAULT, mkdir(bad_pointer<char>(), 0755));
  ASSERT_OK(symlink("nothing", (dir / "dangling").c_str()));
  EXPECT_ERRNO(EEXIST, mkdir((dir / "dangling").c_str(), 0755));
}

TEST_F(Path, RemoveDirectory) {
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  write_file(dir / "sub/file", "");
  EXPECT_ERRNO(ENOTEMPTY, rmdir((dir / "sub").c_str()));
  ASSERT_OK(unlink((dir / "sub/file").c_str()));
  EXPECT_OK(rmdir((dir / "sub").c_str()));
  EXPECT_FALSE(exists(dir / "sub"));
}

TEST_F(Path, RemoveDirectoryErrors) {
  write_file(dir / "file", "");
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  ASSERT_OK(symlink("sub", (dir / "link").c_str()));
  EXPECT_ERRNO(ENOTDIR, rmdir((dir / "file").c_str()));
  EXPECT_ERRNO(ENOTDIR, rmdir((dir / "link").c_str()));
  EXPECT_ERRNO(ENOENT, rmdir((dir / "nothing").c_str()));
  EXPECT_ERRNO(EINVAL, rmdir((dir / "sub/.").c_str()));
  EXPECT_ERRNO(ENOTEMPTY, rmdir((dir / "sub/..").c_str()));
  EXPECT_ERRNO(EBUSY, rmdir("/"));
}

TEST_F(Path, DirectoryCountsItsSubdirectories) {
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  const nlink_t before = info_of(dir / "sub").st_nlink;
  EXPECT_EQ(2u, before);
  ASSERT_OK(mkdir((dir / "sub/a").c_str(), 0755));
  write_file(dir / "sub/file", "");
  EXPECT_EQ(3u, info_of(dir / "sub").st_nlink);
  ASSERT_OK(rmdir((dir / "sub/a").c_str()));
  EXPECT_EQ(2u, info_of(dir / "sub").st_nlink);
}

TEST_F(Path, UnlinkErrors) {
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  write_file(dir / "file", "");
  EXPECT_ERRNO(EISDIR, unlink((dir / "sub").c_str()));
  EXPECT_ERRNO(ENOENT, unlink((dir / "nothing").c_str()));
  EXPECT_ERRNO(ENOTDIR, unlink((dir / "file/").c_str()));
  EXPECT_ERRNO(ENOENT, unlink(""));
  EXPECT_ERRNO(EINVAL, unlinkat(AT_FDCWD, (dir / "file").c_str(), 1));
  EXPECT_ERRNO(ENOTDIR, unlinkat(AT_FDCWD, (dir / "file").c_str(), AT_REMOVEDIR));
  EXPECT_ERRNO(EBADF, unlinkat(-1, "file", 0));
  EXPECT_OK(unlinkat(AT_FDCWD, (dir / "sub").c_str(), AT_REMOVEDIR));
}

TEST_F(Path, UnlinkedFileLivesWhileOpen) {
  write_file(dir / "file", "content");
  Fd fd(open((dir / "file").c_str(), O_RDWR));
  ASSERT_OK(unlink((dir / "file").c_str()));
  EXPECT_FALSE(exists(dir / "file"));
  EXPECT_EQ("content", read_fd(fd));
  EXPECT_EQ(1, pwrite(fd, "C", 1, 0));
  struct stat info;
  ASSERT_OK(fstat(fd, &info));
  EXPECT_EQ(0u, info.st_nlink);
  // A new file of the same name is another file.
  write_file(dir / "file", "new");
  EXPECT_EQ("Content", read_fd(fd));
}

TEST_F(Path, ProcSelfFdMarksUnlinkedFiles) {
  write_file(dir / "file", "");
  Fd fd(open((dir / "file").c_str(), O_RDWR));
  ASSERT_OK(unlink((dir / "file").c_str()));
  char target[4096] = {};
  ASSERT_OK(readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1));
  EXPECT_EQ((dir / "file") + " (deleted)", target);
}

TEST_F(Path, UnlinkRemovesALinkNotItsTarget) {
  write_file(dir / "file", "");
  ASSERT_OK(symlink("file", (dir / "link").c_str()));
  ASSERT_OK(unlink((dir / "link").c_str()));
  EXPECT_TRUE(exists(dir / "file"));
}

TEST_F(Path, HardLinksShareAFile) {
  write_file(dir / "one", "content");
  ASSERT_OK(link((dir / "one").c_str(), (dir / "two").c_str()));
  EXPECT_EQ(info_of(dir / "one").st_ino, info_of(dir / "two").st_ino);
  EXPECT_EQ(2u, info_of(dir / "one").st_nlink);
  write_file(dir / "two", "changed");
  EXPECT_EQ("changed", read_file(dir / "one"));
  ASSERT_OK(unlink((dir / "one").c_str()));
  EXPECT_EQ(1u, info_of(dir / "two").st_nlink);
  EXPECT_EQ("changed", read_file(dir / "two"));
}

TEST_F(Path, HardLinkErrors) {
  write_file(dir / "file", "");
  write_file(dir / "other", "");
  EXPECT_ERRNO(EEXIST, link((dir / "file").c_str(), (dir / "other").c_str()));
  EXPECT_ERRNO(EPERM, link(dir.path().c_str(), (dir / "new").c_str()));
  EXPECT_ERRNO(ENOENT, link((dir / "nothing").c_str(), (dir / "new").c_str()));
  EXPECT_ERRNO(ENOENT, link((dir / "file").c_str(), (dir / "a/b").c_str()));
  EXPECT_ERRNO(EINVAL, linkat(AT_FDCWD, (dir / "file").c_str(), AT_FDCWD, (dir / "n").c_str(), 1));
}

TEST_F(Path, HardLinkOfASymbolicLink) {
  write_file(dir / "file", "");
  ASSERT_OK(symlink("file", (dir / "link").c_str()));
  ASSERT_OK(link((dir / "link").c_str(), (dir / "same").c_str()));
  EXPECT_TRUE(S_ISLNK(info_of(dir / "same").st_mode));
  ASSERT_OK(linkat(AT_FDCWD, (dir / "link").c_str(), AT_FDCWD, (dir / "followed").c_str(),
                   AT_SYMLINK_FOLLOW));
  EXPECT_EQ(info_of(dir / "file").st_ino, info_of(dir / "followed").st_ino);
}

TEST_F(Path, SymbolicLinkHoldsAnyText) {
  ASSERT_OK(symlink("no/such/../place", (dir / "link").c_str()));
  char target[64] = {};
  EXPECT_EQ(16, readlink((dir / "link").c_str(), target, sizeof target));
  EXPECT_STREQ("no/such/../place", target);
  EXPECT_EQ(16, info_of(dir / "link").st_size);
  EXPECT_EQ(0777u, info_of(dir / "link").st_mode & 07777);
  EXPECT_ERRNO(ENOENT, open((dir / "link").c_str(), O_RDONLY));
}

TEST_F(Path, SymbolicLinkErrors) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(EEXIST, symlink("x", (dir / "file").c_str()));
  EXPECT_ERRNO(ENOENT, symlink("", (dir / "link").c_str()));
  EXPECT_ERRNO(ENOENT, symlink("x", ""));
  EXPECT_ERRNO(ENAMETOOLONG, symlink(std::string(4096, 'x').c_str(), (dir / "link").c_str()));
  EXPECT_ERRNO(EFAULT, symlink(bad_pointer<char>(), (dir / "link").c_str()));
}

TEST_F(Path, ReadLinkCutsSilently) {
  ASSERT_OK(symlink("target", (dir / "link").c_str()));
  char target[4] = {'?', '?', '?', '?'};
  EXPECT_EQ(3, readlink((dir / "link").c_str(), target, 3));
  EXPECT_EQ("tar?", std::string(target, 4));
}

TEST_F(Path, ReadLinkErrors) {
  write_file(dir / "file", "");
  ASSERT_OK(symlink("target", (dir / "link").c_str()));
  char target[8];
  EXPECT_ERRNO(EINVAL, readlink((dir / "file").c_str(), target, sizeof target));
  EXPECT_ERRNO(EINVAL, readlink((dir / "link").c_str(), target, 0));
  EXPECT_ERRNO(ENOENT, readlink((dir / "nothing").c_str(), target, sizeof target));
  EXPECT_ERRNO(EFAULT, readlink((dir / "link").c_str(), bad_pointer<char>(), 8));
}

TEST_F(Path, RelativeLinksStartAtTheirDirectory) {
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  write_file(dir / "file", "content");
  ASSERT_OK(symlink("../file", (dir / "sub/link").c_str()));
  EXPECT_EQ("content", read_file(dir / "sub/link"));
}

TEST_F(Path, DotsAndSlashes) {
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  write_file(dir / "file", "content");
  EXPECT_EQ("content", read_file((dir / "") + "//./sub/..//file"));
  EXPECT_EQ("content", read_file("/../.." + (dir / "file")));
  ASSERT_OK(symlink("sub", (dir / "link").c_str()));
  struct stat followed;
  ASSERT_OK(lstat((dir / "link/").c_str(), &followed));
  EXPECT_TRUE(S_ISDIR(followed.st_mode));
}

TEST_F(Path, SpecialFiles) {
  ASSERT_OK(mknod((dir / "fifo").c_str(), S_IFIFO | 0600, 0));
  EXPECT_TRUE(S_ISFIFO(info_of(dir / "fifo").st_mode));
  ASSERT_OK(mknod((dir / "regular").c_str(), S_IFREG | 0600, 0));
  EXPECT_TRUE(S_ISREG(info_of(dir / "regular").st_mode));
  ASSERT_OK(mknod((dir / "plain").c_str(), 0600, 0));
  EXPECT_TRUE(S_ISREG(info_of(dir / "plain").st_mode));
  ASSERT_OK(mknod((dir / "socket").c_str(), S_IFSOCK | 0600, 0));
  EXPECT_TRUE(S_ISSOCK(info_of(dir / "socket").st_mode));
  EXPECT_ERRNO(ENXIO, open((dir / "socket").c_str(), O_RDWR));
  EXPECT_ERRNO(EPERM, mknod((dir / "directory").c_str(), S_IFDIR | 0600, 0));
  EXPECT_ERRNO(EINVAL, mknod((dir / "link").c_str(), S_IFLNK | 0600, 0));
  EXPECT_ERRNO(EEXIST, mknod((dir / "fifo").c_str(), S_IFIFO | 0600, 0));
}

TEST_F(Path, DeviceNode) {
  if (geteuid() != 0) GTEST_SKIP() << "only root makes device nodes";
  if (mknod((dir / "null").c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0 && errno == EPERM) {
    GTEST_SKIP() << "no device nodes in this container";
  }
  EXPECT_EQ(makedev(1, 3), info_of(dir / "null").st_rdev);
  EXPECT_TRUE(S_ISCHR(info_of(dir / "null").st_mode));
}

class WorkingDirectory : public Path {
 protected:
  WorkingDirectory() : old_(open(".", O_PATH | O_DIRECTORY)) {}
  ~WorkingDirectory() override { EXPECT_OK(fchdir(old_)); }

 private:
  Fd old_;
};

TEST_F(WorkingDirectory, ChangesWhatRelativePathsMean) {
  write_file(dir / "file", "content");
  ASSERT_OK(chdir(dir.path().c_str()));
  EXPECT_EQ("content", read_file("file"));
  EXPECT_EQ("content", read_file("./file"));
  char path[4096];
  ASSERT_NE(nullptr, getcwd(path, sizeof path));
  EXPECT_EQ(dir.path(), path);
}

TEST_F(WorkingDirectory, ByDescriptor) {
  Fd fd(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_OK(fchdir(fd));
  char path[4096];
  ASSERT_NE(nullptr, getcwd(path, sizeof path));
  EXPECT_EQ(dir.path(), path);
}

TEST_F(WorkingDirectory, Errors) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(ENOTDIR, chdir((dir / "file").c_str()));
  EXPECT_ERRNO(ENOENT, chdir((dir / "nothing").c_str()));
  EXPECT_ERRNO(EFAULT, chdir(bad_pointer<char>()));
  EXPECT_ERRNO(EBADF, fchdir(-1));
  Fd fd(open((dir / "file").c_str(), O_RDONLY));
  EXPECT_ERRNO(ENOTDIR, fchdir(fd));
  char small[2];
  ASSERT_OK(chdir(dir.path().c_str()));
  EXPECT_EQ(nullptr, getcwd(small, sizeof small));
  EXPECT_EQ(ERANGE, errno);
}

TEST_F(WorkingDirectory, Removed) {
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  ASSERT_OK(chdir((dir / "sub").c_str()));
  ASSERT_OK(rmdir((dir / "sub").c_str()));
  char path[4096];
  EXPECT_EQ(nullptr, getcwd(path, sizeof path));
  EXPECT_EQ(ENOENT, errno);
  EXPECT_ERRNO(ENOENT, open("file", O_RDWR | O_CREAT, 0644));
  EXPECT_ERRNO(ENOENT, mkdir("sub", 0755));
  struct stat info;
  EXPECT_OK(stat(".", &info));
  EXPECT_EQ(0u, info.st_nlink);
}

}  // namespace
}  // namespace compat
