// open(2), openat(2), openat2(2), creat(2): which files they find or make, and the descriptors they
// return.
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

class Open : public testing::Test {
 protected:
  int open_in_dir(std::string_view name, int flags, mode_t mode = 0644) {
    return open((dir / name).c_str(), flags, mode);
  }

  TempDir dir;
};

TEST_F(Open, MissingFile) {
  EXPECT_ERRNO(ENOENT, open_in_dir("nothing", O_RDONLY));
}

TEST_F(Open, MissingDirectory) {
  EXPECT_ERRNO(ENOENT, open_in_dir("nothing/file", O_RDWR | O_CREAT));
}

TEST_F(Open, EmptyPath) {
  EXPECT_ERRNO(ENOENT, open("", O_RDONLY));
}

TEST_F(Open, BadPointer) {
  EXPECT_ERRNO(EFAULT, open(bad_pointer<char>(), O_RDONLY));
}

TEST_F(Open, FileAsDirectory) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(ENOTDIR, open_in_dir("file/name", O_RDONLY));
  EXPECT_ERRNO(ENOTDIR, open_in_dir("file/", O_RDONLY));
  EXPECT_ERRNO(ENOTDIR, open_in_dir("file/.", O_RDONLY));
}

TEST_F(Open, CreateMakesAnEmptyFile) {
  Fd fd(open_in_dir("new", O_RDWR | O_CREAT, 0640));
  ASSERT_OK(fd);
  struct stat info;
  ASSERT_OK(fstat(fd, &info));
  EXPECT_EQ(0, info.st_size);
  EXPECT_TRUE(S_ISREG(info.st_mode));
  EXPECT_EQ(1u, info.st_nlink);
}

TEST_F(Open, CreateKeepsAnExistingFile) {
  write_file(dir / "file", "content");
  Fd fd(open_in_dir("file", O_RDWR | O_CREAT));
  ASSERT_OK(fd);
  EXPECT_EQ("content", read_fd(fd));
}

TEST_F(Open, CreateWithTrailingSlash) {
  EXPECT_ERRNO(EISDIR, open_in_dir("new/", O_RDWR | O_CREAT));
}

TEST_F(Open, ExclusiveRefusesAnExistingFile) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(EEXIST, open_in_dir("file", O_RDWR | O_CREAT | O_EXCL));
}

TEST_F(Open, ExclusiveRefusesADanglingLink) {
  ASSERT_OK(symlink("target", (dir / "link").c_str()));
  EXPECT_ERRNO(EEXIST, open_in_dir("link", O_RDWR | O_CREAT | O_EXCL));
  EXPECT_ERRNO(ENOENT, access((dir / "target").c_str(), F_OK));
}

TEST_F(Open, CreateThroughADanglingLink) {
  ASSERT_OK(symlink("target", (dir / "link").c_str()));
  Fd fd(open_in_dir("link", O_RDWR | O_CREAT));
  ASSERT_OK(fd);
  EXPECT_OK(access((dir / "target").c_str(), F_OK));
}

TEST_F(Open, DirectoryForWriting) {
  EXPECT_ERRNO(EISDIR, open_in_dir("", O_WRONLY));
  EXPECT_ERRNO(EISDIR, open_in_dir("", O_RDWR));
  EXPECT_ERRNO(EISDIR, open_in_dir(".", O_RDONLY | O_CREAT));
}

TEST_F(Open, DirectoryFlagRefusesAFile) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(ENOTDIR, open_in_dir("file", O_RDONLY | O_DIRECTORY));
}

TEST_F(Open, ReadingADirectory) {
  Fd fd(open_in_dir("", O_RDONLY | O_DIRECTORY));
  ASSERT_OK(fd);
  char byte;
  EXPECT_ERRNO(EISDIR, read(fd, &byte, 1));
}

TEST_F(Open, NoFollowRefusesALink) {
  write_file(dir / "file", "");
  ASSERT_OK(symlink("file", (dir / "link").c_str()));
  EXPECT_ERRNO(ELOOP, open_in_dir("link", O_RDONLY | O_NOFOLLOW));
  Fd fd(open_in_dir("file", O_RDONLY | O_NOFOLLOW));
  EXPECT_OK(fd);
}

TEST_F(Open, NoFollowLooksAtTheLastComponentOnly) {
  ASSERT_OK(symlink(".", (dir / "here").c_str()));
  write_file(dir / "file", "x");
  Fd fd(open_in_dir("here/file", O_RDONLY | O_NOFOLLOW));
  EXPECT_OK(fd);
}

TEST_F(Open, LinkToItself) {
  ASSERT_OK(symlink("loop", (dir / "loop").c_str()));
  EXPECT_ERRNO(ELOOP, open_in_dir("loop", O_RDONLY));
  EXPECT_ERRNO(ELOOP, open_in_dir("loop/file", O_RDONLY));
}

TEST_F(Open, FortyLinksAreFollowedAndNoMore) {
  write_file(dir / "0", "end");
  for (int i = 1; i <= 41; ++i) {
    ASSERT_OK(symlink(std::to_string(i - 1).c_str(), (dir / std::to_string(i)).c_str()));
  }
  Fd fd(open_in_dir("40", O_RDONLY));
  ASSERT_OK(fd);
  EXPECT_EQ("end", read_fd(fd));
  EXPECT_ERRNO(ELOOP, open_in_dir("41", O_RDONLY));
}

TEST_F(Open, LongestName) {
  const std::string longest(255, 'n');
  Fd fd(open_in_dir(longest, O_RDWR | O_CREAT));
  EXPECT_OK(fd);
  EXPECT_ERRNO(ENAMETOOLONG, open_in_dir(longest + "n", O_RDWR | O_CREAT));
}

TEST_F(Open, LongestPath) {
  // A path has room for 4095 bytes and the closing NUL.
  std::string path = dir.path();
  while (path.size() < 4095 - 2) path += "/.";
  path.resize(4094, '/');
  Fd fd(open((path + "/").c_str(), O_RDONLY));
  EXPECT_OK(fd);
  EXPECT_ERRNO(ENAMETOOLONG, open((path + "//").c_str(), O_RDONLY));
}

TEST_F(Open, TruncateEmptiesAFile) {
  write_file(dir / "file", "content");
  Fd fd(open_in_dir("file", O_WRONLY | O_TRUNC));
  ASSERT_OK(fd);
  EXPECT_EQ("", read_file(dir / "file"));
}

TEST_F(Open, AppendWritesAtTheEnd) {
  write_file(dir / "file", "start");
  Fd fd(open_in_dir("file", O_RDWR | O_APPEND));
  ASSERT_OK(fd);
  EXPECT_EQ(0, position(fd));
  ASSERT_OK(lseek(fd, 2, SEEK_SET));
  EXPECT_EQ(4, write(fd, "-end", 4));
  EXPECT_EQ(9, position(fd));
  EXPECT_EQ("start-end", read_fd(fd));
}

TEST_F(Open, AppendWinsOverPwrite) {
  // pwrite(2), BUGS: on Linux, O_APPEND appends, whatever the offset.
  write_file(dir / "file", "start");
  Fd fd(open_in_dir("file", O_RDWR | O_APPEND));
  ASSERT_OK(fd);
  EXPECT_EQ(2, pwrite(fd, "!!", 2, 0));
  EXPECT_EQ(0, position(fd));
  EXPECT_EQ("start!!", read_fd(fd));
}

TEST_F(Open, LowestFreeDescriptor) {
  Fd first(open_in_dir("", O_RDONLY));
  Fd second(open_in_dir("", O_RDONLY));
  ASSERT_OK(second);
  const int lower = first;
  first.reset();
  Fd third(open_in_dir("", O_RDONLY));
  EXPECT_EQ(lower, third);
}

TEST_F(Open, CloseOnExecFlag) {
  Fd plain(open_in_dir("", O_RDONLY));
  Fd closing(open_in_dir("", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(0, fcntl(plain, F_GETFD));
  EXPECT_EQ(FD_CLOEXEC, fcntl(closing, F_GETFD));
}

TEST_F(Open, StatusFlagsAreReported) {
  Fd fd(open_in_dir("file", O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_NONBLOCK));
  ASSERT_OK(fd);
  const int flags = fcntl(fd, F_GETFL);
  EXPECT_EQ(O_RDWR, flags & O_ACCMODE);
  EXPECT_EQ(O_APPEND | O_NONBLOCK,
            flags & (O_APPEND | O_NONBLOCK | O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC));
}

TEST_F(Open, WrongDirection) {
  write_file(dir / "file", "x");
  Fd reader(open_in_dir("file", O_RDONLY));
  Fd writer(open_in_dir("file", O_WRONLY));
  char byte = 0;
  EXPECT_ERRNO(EBADF, write(reader, &byte, 1));
  EXPECT_ERRNO(EBADF, read(writer, &byte, 1));
}

TEST_F(Open, PathDescriptorNamesButDoesNotOpen) {
  write_file(dir / "file", "content");
  Fd fd(open_in_dir("file", O_PATH));
  ASSERT_OK(fd);
  char byte;
  EXPECT_ERRNO(EBADF, read(fd, &byte, 1));
  EXPECT_ERRNO(EBADF, write(fd, &byte, 1));
  EXPECT_ERRNO(EBADF, fchmod(fd, 0600));
  EXPECT_ERRNO(EBADF, ftruncate(fd, 0));
  EXPECT_ERRNO(EBADF, lseek(fd, 0, SEEK_SET));
  struct stat info;
  EXPECT_OK(fstat(fd, &info));
  EXPECT_EQ(7, info.st_size);
  EXPECT_EQ(O_PATH, fcntl(fd, F_GETFL) & O_PATH);
}

TEST_F(Open, PathDescriptorOfALink) {
  ASSERT_OK(symlink("target", (dir / "link").c_str()));
  Fd fd(open_in_dir("link", O_PATH | O_NOFOLLOW));
  ASSERT_OK(fd);
  struct stat info;
  ASSERT_OK(fstat(fd, &info));
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  char target[16] = {};
  EXPECT_EQ(6, readlinkat(fd, "", target, sizeof target));
  EXPECT_STREQ("target", target);
}

TEST_F(Open, PathDescriptorAsDirectory) {
  write_file(dir / "file", "content");
  Fd fd(open_in_dir("", O_PATH | O_DIRECTORY));
  ASSERT_OK(fd);
  Fd file(openat(fd, "file", O_RDONLY));
  EXPECT_OK(file);
}

TEST_F(Open, UnnamedTemporaryFile) {
  Fd fd(open_in_dir("", O_TMPFILE | O_RDWR, 0600));
  ASSERT_OK(fd);
  struct stat info;
  ASSERT_OK(fstat(fd, &info));
  EXPECT_EQ(0u, info.st_nlink);
  EXPECT_TRUE(write_all(fd, "kept"));
  // open(2): the way to give such a file a name.
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  ASSERT_OK(linkat(AT_FDCWD, self.c_str(), AT_FDCWD, (dir / "named").c_str(), AT_SYMLINK_FOLLOW));
  EXPECT_EQ("kept", read_file(dir / "named"));
  EXPECT_ERRNO(EINVAL, open_in_dir("", O_TMPFILE | O_RDONLY, 0600));
}

TEST_F(Open, ModeIsMasked) {
  const mode_t old_mask = umask(027);
  Fd fd(open_in_dir("file", O_RDWR | O_CREAT, 0777));
  umask(old_mask);
  struct stat info;
  ASSERT_OK(fstat(fd, &info));
  EXPECT_EQ(0750u, info.st_mode & 07777);
}

TEST_F(Open, ModeDoesNotBindItsCreator) {
  Fd fd(open_in_dir("file", O_RDWR | O_CREAT, 0));
  ASSERT_OK(fd);
  EXPECT_EQ(1, write(fd, "x", 1));
}

TEST_F(Open, Creat) {
  write_file(dir / "file", "content");
  Fd fd(creat((dir / "file").c_str(), 0644));
  ASSERT_OK(fd);
  EXPECT_EQ(O_WRONLY, fcntl(fd, F_GETFL) & O_ACCMODE);
  EXPECT_EQ("", read_file(dir / "file"));
}

TEST_F(Open, RelativeToADescriptor) {
  write_file(dir / "file", "content");
  Fd parent(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  Fd file(openat(parent, "file", O_RDONLY));
  ASSERT_OK(file);
  EXPECT_ERRNO(ENOTDIR, openat(file, "file", O_RDONLY));
  EXPECT_ERRNO(EBADF, openat(-1, "file", O_RDONLY));
  EXPECT_ERRNO(EBADF, openat(1000000, "file", O_RDONLY));
}

TEST_F(Open, AbsolutePathIgnoresTheDescriptor) {
  write_file(dir / "file", "content");
  Fd fd(openat(-1, (dir / "file").c_str(), O_RDONLY));
  EXPECT_OK(fd);
}

TEST_F(Open, DescriptorLimit) {
  rlimit old_limit;
  ASSERT_OK(getrlimit(RLIMIT_NOFILE, &old_limit));
  std::vector<Fd> open_files;
  open_files.emplace_back(open_in_dir("", O_RDONLY));
  const rlim_t soft = static_cast<rlim_t>(open_files[0]) + 8;
  const rlimit limit = {.rlim_cur = soft, .rlim_max = old_limit.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
  int fd;
  while ((fd = open_in_dir("", O_RDONLY)) >= 0) open_files.emplace_back(fd);
  const int error = errno;
  EXPECT_ERRNO(EMFILE, dup(open_files[0]));
  int ends[2];
  EXPECT_ERRNO(EMFILE, pipe(ends));
  EXPECT_ERRNO(EBADF, dup2(open_files[0], static_cast<int>(soft)));
  EXPECT_ERRNO(EINVAL, fcntl(open_files[0], F_DUPFD, soft));
  ASSERT_OK(setrlimit(RLIMIT_NOFILE, &old_limit));
  EXPECT_EQ(EMFILE, error);
  for (const Fd& open_file : open_files) EXPECT_LT(open_file, static_cast<int>(soft));
}

int open_how(int directory, const char* path, open_how how, size_t size = sizeof(struct open_how)) {
  return static_cast<int>(syscall(SYS_openat2, directory, path, &how, size));
}

TEST_F(Open, Openat2ChecksItsArguments) {
  EXPECT_ERRNO(EINVAL, open_how(AT_FDCWD, "/", {.flags = O_RDONLY}, 8));
  EXPECT_ERRNO(EINVAL, open_how(AT_FDCWD, "/", {.flags = 1ull << 40}));
  EXPECT_ERRNO(EINVAL, open_how(AT_FDCWD, "/", {.flags = O_RDONLY, .resolve = 1ull << 40}));
  EXPECT_ERRNO(EINVAL, open_how(AT_FDCWD, "/", {.flags = O_RDONLY, .mode = 0600}));
  struct {
    struct open_how how = {};
    uint64_t more = 1;
  } larger;
  EXPECT_ERRNO(E2BIG, syscall(SYS_openat2, AT_FDCWD, "/", &larger, sizeof larger));
  larger.more = 0;
  Fd fd(static_cast<int>(syscall(SYS_openat2, AT_FDCWD, "/", &larger, sizeof larger)));
  EXPECT_OK(fd);
}

TEST_F(Open, Openat2WithoutLinks) {
  write_file(dir / "file", "");
  ASSERT_OK(symlink("file", (dir / "link").c_str()));
  Fd parent(open(dir.path().c_str(), O_PATH));
  EXPECT_ERRNO(ELOOP, open_how(parent, "link", {.resolve = RESOLVE_NO_SYMLINKS}));
  Fd fd(open_how(parent, "file", {.resolve = RESOLVE_NO_SYMLINKS}));
  EXPECT_OK(fd);
}

TEST_F(Open, Openat2BeneathADirectory) {
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  ASSERT_OK(symlink("/", (dir / "root").c_str()));
  Fd parent(open(dir.path().c_str(), O_PATH));
  EXPECT_ERRNO(EXDEV, open_how(parent, "..", {.resolve = RESOLVE_BENEATH}));
  EXPECT_ERRNO(EXDEV, open_how(parent, "/", {.resolve = RESOLVE_BENEATH}));
  EXPECT_ERRNO(EXDEV, open_how(parent, "root", {.resolve = RESOLVE_BENEATH}));
  Fd fd(open_how(parent, "sub/..", {.resolve = RESOLVE_BENEATH}));
  EXPECT_OK(fd);
}

TEST_F(Open, Openat2InADirectoryAsRoot) {
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  ASSERT_OK(symlink("/sub", (dir / "link").c_str()));
  Fd parent(open(dir.path().c_str(), O_PATH));
  Fd through_link(open_how(parent, "link", {.flags = O_DIRECTORY, .resolve = RESOLVE_IN_ROOT}));
  EXPECT_OK(through_link);
  Fd above(open_how(parent, "../..", {.flags = O_DIRECTORY, .resolve = RESOLVE_IN_ROOT}));
  ASSERT_OK(above);
  struct stat above_info, dir_info;
  ASSERT_OK(fstat(above, &above_info));
  ASSERT_OK(stat(dir.path().c_str(), &dir_info));
  EXPECT_EQ(dir_info.st_ino, above_info.st_ino);
}

}  // namespace
}  // namespace compat
