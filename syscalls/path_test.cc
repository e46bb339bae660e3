// Calls about paths: what they do, and Linux's errors in Linux's order.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "syscalls/testing/file_program.h"

namespace narwhal {
namespace {

using namespace testing;

class PathTest : public FileProgram {
 protected:
  abi::Stat stat(std::string_view path, int flags = 0) {
    const UserAddr out = allocate(sizeof(abi::Stat));
    EXPECT_CALL_IS(0, SYS_newfstatat, AT_FDCWD, path, out, flags);
    return get<abi::Stat>(out);
  }
  u32 mode(std::string_view path) { return stat(path).mode & 07777; }
  std::string working_directory() {
    const UserAddr buffer = allocate(4096);
    const i64 size = call(SYS_getcwd, buffer, 4096);
    return size < 0 ? std::string(errno_name(Errno(-size))) : get_bytes(buffer, usize(size) - 1);
  }
  std::string read_link(std::string_view path, usize size = 100) {
    const UserAddr buffer = allocate(size + 1);
    const i64 got = call(SYS_readlink, path, buffer, size);
    return got < 0 ? std::string(errno_name(Errno(-got))) : get_bytes(buffer, usize(got));
  }
  i64 open2(i64 dir, std::string_view path, const open_how& how, usize size = sizeof(open_how)) {
    return call(SYS_openat2, dir, path, put(how), size);
  }
};

TEST_F(PathTest, OpenTakesTheLowestDescriptor) {
  EXPECT_CALL_IS(0, SYS_open, "file", O_RDWR | O_CREAT, 0644);
  EXPECT_CALL_IS(1, SYS_open, "file", O_RDONLY);
  EXPECT_CALL_IS(0, SYS_close, 0);
  EXPECT_CALL_IS(0, SYS_openat, AT_FDCWD, "file", O_RDONLY | O_CLOEXEC);
  EXPECT_CALL_IS(FD_CLOEXEC, SYS_fcntl, 0, F_GETFD);
  EXPECT_CALL_IS(-ENOENT, SYS_open, "none", O_RDONLY);
  // The number of an open that failed is free again.
  EXPECT_CALL_IS(2, SYS_open, "file", O_RDONLY);
}

TEST_F(PathTest, OpenArguments) {
  EXPECT_CALL_IS(-EFAULT, SYS_open, kBadAddress, O_RDONLY);
  EXPECT_CALL_IS(-ENOENT, SYS_open, "", O_RDONLY);
  EXPECT_CALL_IS(-ENAMETOOLONG, SYS_open, std::string(4096, '/'), O_RDONLY);
  EXPECT_GE(call(SYS_open, std::string(4095, '/'), O_RDONLY), 0);
  EXPECT_CALL_IS(-EBADF, SYS_openat, -1, "file", O_RDONLY);
  EXPECT_CALL_IS(-ENOENT, SYS_openat, -1, "", O_RDONLY);
  EXPECT_CALL_IS(-EFAULT, SYS_openat, -1, kBadAddress, O_RDONLY);
  EXPECT_GE(call(SYS_openat, -1, "/", O_RDONLY), 0);
  const i64 fd = make_file("file", "x");
  EXPECT_CALL_IS(-ENOTDIR, SYS_openat, fd, "file", O_RDONLY);
  EXPECT_CALL_IS(-ENOTDIR, SYS_openat, make_pipe().first, "file", O_RDONLY);
  EXPECT_CALL_IS(-EINVAL, SYS_open, ".", O_TMPFILE | O_RDONLY, 0600);
  EXPECT_CALL_IS(-EINVAL, SYS_open, ".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600);
  EXPECT_CALL_IS(-EINVAL, SYS_open, "new", O_CREAT | O_DIRECTORY, 0600);
  // What open() does not know it overlooks.
  EXPECT_GE(call(SYS_open, "file", O_RDONLY | 1 << 30), 0);
  EXPECT_GE(call(SYS_open, "file", O_PATH | O_RDWR | O_CREAT | O_EXCL), 0);
}

TEST_F(PathTest, OpenStatusFlags) {
  i64 fd = call(SYS_open, "file", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_TRUNC | O_CLOEXEC, 0600);
  EXPECT_CALL_IS(O_RDWR | O_APPEND | 0100000, SYS_fcntl, fd, F_GETFL);
  fd = call(SYS_open, "/t", O_PATH | O_CLOEXEC);
  EXPECT_CALL_IS(O_PATH, SYS_fcntl, fd, F_GETFL);
  fd = call(SYS_open, "/t", O_RDONLY | O_DIRECTORY);
  EXPECT_CALL_IS(O_DIRECTORY | 0100000, SYS_fcntl, fd, F_GETFL);
}

TEST_F(PathTest, TheLimitOfDescriptors) {
  current_process().set_limit(RLIMIT_NOFILE, {2, 100});
  EXPECT_CALL_IS(0, SYS_open, "/", O_RDONLY);
  EXPECT_CALL_IS(1, SYS_open, "/", O_RDONLY);
  EXPECT_CALL_IS(-EMFILE, SYS_open, "new", O_WRONLY | O_CREAT, 0644);
  current_process().set_limit(RLIMIT_NOFILE, {1024, 4096});
  EXPECT_EQ(read_file("new"), "ENOENT");
}

TEST_F(PathTest, OpeningAFifoWaitsForTheOtherEnd) {
  EXPECT_CALL_IS(0, SYS_mknod, "fifo", S_IFIFO | 0600, 0);
  EXPECT_CALL_IS(-ENXIO, SYS_open, "fifo", O_WRONLY | O_NONBLOCK);
  i64 writer = -1;
  ASSERT_GT(test_program::start_thread([&] { writer = call(SYS_open, "fifo", O_WRONLY); }), 0);
  const i64 reader = call(SYS_open, "fifo", O_RDONLY);
  EXPECT_GE(reader, 0);
  test_program::let_others_run();
  EXPECT_GE(writer, 0);
  EXPECT_CALL_IS(3, SYS_write, writer, "abc", 3);
  EXPECT_EQ(read(reader), "abc");
  EXPECT_CALL_IS(0, SYS_fchmod, reader, 0640);
  EXPECT_EQ(stat("fifo").mode, u32(S_IFIFO | 0640));
  // What nobody can read any more is forgotten, and the next pair begins anew.
  EXPECT_CALL_IS(3, SYS_write, writer, "old", 3);
  EXPECT_CALL_IS(0, SYS_close, reader);
  EXPECT_CALL_IS(0, SYS_close, writer);
  const i64 both = call(SYS_open, "fifo", O_RDWR);
  EXPECT_CALL_IS(3, SYS_write, both, "new", 3);
  EXPECT_EQ(read(both), "new");
}

TEST_F(PathTest, Openat2) {
  make_file("file", "x");
  EXPECT_EQ(open2(AT_FDCWD, "file", {}, 8), -EINVAL);
  EXPECT_EQ(open2(AT_FDCWD, "file", {}, 5000), -E2BIG);
  EXPECT_EQ(open2(AT_FDCWD, "file", {.flags = 1ull << 40}), -EINVAL);
  EXPECT_EQ(open2(AT_FDCWD, "file", {.flags = 1 << 30}), -EINVAL);
  EXPECT_EQ(open2(AT_FDCWD, "file", {.mode = 0600}), -EINVAL);
  EXPECT_EQ(open2(AT_FDCWD, "file", {.flags = O_CREAT, .mode = 010000}), -EINVAL);
  EXPECT_EQ(open2(AT_FDCWD, "file", {.resolve = 1 << 20}), -EINVAL);
  EXPECT_EQ(open2(AT_FDCWD, "file", {.resolve = RESOLVE_BENEATH | RESOLVE_IN_ROOT}), -EINVAL);
  EXPECT_EQ(open2(AT_FDCWD, "file", {.flags = O_PATH | O_RDWR}), -EINVAL);
  EXPECT_EQ(open2(AT_FDCWD, "/t", {.resolve = RESOLVE_BENEATH}), -EXDEV);
  EXPECT_EQ(open2(AT_FDCWD, "n", {.flags = O_CREAT, .resolve = RESOLVE_CACHED}), -EAGAIN);
  EXPECT_GE(open2(AT_FDCWD, "n", {.flags = O_CREAT | O_RDWR, .mode = 0640}), 0);
  EXPECT_EQ(mode("n"), 0640u);
  struct {
    open_how how;
    u64 more;
  } larger{{.flags = O_RDONLY}, 0};
  EXPECT_GE(call(SYS_openat2, AT_FDCWD, "file", put(larger), sizeof larger), 0);
  larger.more = 1;
  EXPECT_CALL_IS(-E2BIG, SYS_openat2, AT_FDCWD, "file", put(larger), sizeof larger);
}

TEST_F(PathTest, Names) {
  EXPECT_CALL_IS(0, SYS_mkdir, "dir", 0777);
  EXPECT_EQ(mode("dir"), 0755u);
  EXPECT_CALL_IS(-EEXIST, SYS_mkdir, "dir", 0777);
  const i64 dir = call(SYS_open, "dir", O_RDONLY);
  EXPECT_CALL_IS(0, SYS_mkdirat, dir, "sub", 0700);
  EXPECT_CALL_IS(0, SYS_symlinkat, "../file", dir, "link");
  EXPECT_EQ(read_link("dir/link"), "../file");
  EXPECT_EQ(read_link("dir/link", 3), "../");
  EXPECT_EQ(read_link("dir"), "EINVAL");
  EXPECT_CALL_IS(-EINVAL, SYS_readlink, "dir/link", allocate(1), 0);
  EXPECT_CALL_IS(-EFAULT, SYS_readlink, "dir/link", kBadAddress, 4);
  make_file("file", "content");
  EXPECT_EQ(read_file("dir/link"), "content");
  EXPECT_CALL_IS(0, SYS_linkat, AT_FDCWD, "file", dir, "hard", 0);
  EXPECT_EQ(stat("file").links, 2u);
  EXPECT_CALL_IS(0, SYS_linkat, dir, "link", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW);
  EXPECT_EQ(stat("followed").inode, stat("file").inode);
  EXPECT_CALL_IS(-EINVAL, SYS_linkat, dir, "link", AT_FDCWD, "x", 1);
  EXPECT_CALL_IS(0, SYS_renameat, dir, "hard", AT_FDCWD, "moved");
  EXPECT_CALL_IS(-EEXIST, SYS_renameat2, AT_FDCWD, "moved", AT_FDCWD, "file", 1);
  EXPECT_CALL_IS(-EINVAL, SYS_renameat2, AT_FDCWD, "moved", AT_FDCWD, "file", 3);
  EXPECT_CALL_IS(-EINVAL, SYS_renameat2, AT_FDCWD, "moved", AT_FDCWD, "file", 8);
  EXPECT_CALL_IS(0, SYS_renameat2, AT_FDCWD, "dir/sub", AT_FDCWD, "file", 2);
  EXPECT_EQ(read_file("dir/sub"), "content");
  EXPECT_CALL_IS(-EISDIR, SYS_unlink, "file");
  EXPECT_CALL_IS(-EINVAL, SYS_unlinkat, AT_FDCWD, "file", 1);
  EXPECT_CALL_IS(0, SYS_unlinkat, AT_FDCWD, "file", AT_REMOVEDIR);
  EXPECT_CALL_IS(-ENOTEMPTY, SYS_rmdir, "dir");
  EXPECT_CALL_IS(-EBADF, SYS_unlinkat, -1, "x", 0);
  EXPECT_CALL_IS(-ENOENT, SYS_symlink, "", "empty");
}

TEST_F(PathTest, AnUnnamedFileGetsAName) {
  const i64 fd = call(SYS_open, ".", O_TMPFILE | O_RDWR, 0600);
  EXPECT_CALL_IS(4, SYS_write, fd, "kept", 4);
  EXPECT_CALL_IS(0, SYS_linkat, fd, "", AT_FDCWD, "named", AT_EMPTY_PATH);
  EXPECT_EQ(read_file("named"), "kept");
  EXPECT_CALL_IS(0, SYS_unlink, "named");
  // It had a name and lost it: that is the end of names for it.
  EXPECT_CALL_IS(-ENOENT, SYS_linkat, fd, "", AT_FDCWD, "again", AT_EMPTY_PATH);
  const i64 never = call(SYS_open, ".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
  EXPECT_CALL_IS(-ENOENT, SYS_linkat, never, "", AT_FDCWD, "again", AT_EMPTY_PATH);
}

TEST_F(PathTest, LinksOpenedAsPlaces) {
  EXPECT_CALL_IS(0, SYS_symlink, "target", "link");
  const i64 fd = call(SYS_open, "link", O_PATH | O_NOFOLLOW);
  const UserAddr buffer = allocate(10);
  EXPECT_CALL_IS(6, SYS_readlinkat, fd, "", buffer, 10);
  EXPECT_EQ(get_bytes(buffer, 6), "target");
  EXPECT_CALL_IS(-ENOENT, SYS_readlinkat, call(SYS_open, ".", O_PATH), "", buffer, 10);
  EXPECT_CALL_IS(-ENOENT, SYS_readlinkat, AT_FDCWD, "", buffer, 10);
}

TEST_F(PathTest, Devices) {
  EXPECT_CALL_IS(0, SYS_mknod, "null", S_IFCHR | 0666, 0x103);
  EXPECT_EQ(stat("null").special_device, make_device(1, 3));
  EXPECT_CALL_IS(0, SYS_mknod, "large", S_IFBLK | 0600, 0xabc12345);
  EXPECT_EQ(device_major(stat("large").special_device), 0x123u);
  EXPECT_EQ(device_minor(stat("large").special_device), 0xabc45u);
  EXPECT_CALL_IS(-EPERM, SYS_mknod, "dir", S_IFDIR | 0666, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_mknod, "link", S_IFLNK | 0666, 0);
  become(1000, 1000);
  EXPECT_CALL_IS(-EPERM, SYS_mknod, "mine", S_IFCHR | 0666, 0x103);
}

TEST_F(PathTest, WorkingDirectory) {
  EXPECT_EQ(working_directory(), "/t");
  EXPECT_CALL_IS(0, SYS_mkdir, "dir", 0755);
  const i64 dir = call(SYS_open, "dir", O_PATH);
  EXPECT_CALL_IS(0, SYS_fchdir, dir);
  EXPECT_EQ(working_directory(), "/t/dir");
  EXPECT_CALL_IS(-ERANGE, SYS_getcwd, allocate(6), 6);
  EXPECT_CALL_IS(7, SYS_getcwd, allocate(7), 7);
  EXPECT_CALL_IS(-EFAULT, SYS_getcwd, kBadAddress, 100);
  EXPECT_CALL_IS(0, SYS_rmdir, "/t/dir");
  EXPECT_EQ(working_directory(), "ENOENT");
  EXPECT_CALL_IS(-EBADF, SYS_fchdir, -1);
  const i64 fd = make_file("/t/file", "");
  EXPECT_CALL_IS(-ENOTDIR, SYS_fchdir, fd);
  EXPECT_CALL_IS(-ENOTDIR, SYS_chdir, "/t/file");
  EXPECT_CALL_IS(-ENOTDIR, SYS_fchdir, make_pipe().first);
  EXPECT_CALL_IS(0, SYS_mkdir, "/t/closed", 0700);
  become(1000, 1000);
  EXPECT_CALL_IS(-EACCES, SYS_chdir, "/t/closed");
  EXPECT_CALL_IS(-EPERM, SYS_chroot, "/t");
}

TEST_F(PathTest, ChangedRoot) {
  EXPECT_CALL_IS(0, SYS_mkdir, "jail", 0755);
  make_file("jail/file", "inside");
  EXPECT_CALL_IS(0, SYS_chroot, "jail");
  EXPECT_EQ(read_file("/file"), "inside");
  EXPECT_EQ(read_file("/../file"), "inside");
  EXPECT_EQ(working_directory(), "(unreachable)/t");
  EXPECT_CALL_IS(0, SYS_chdir, "/");
  EXPECT_EQ(working_directory(), "/");
}

TEST_F(PathTest, Umask) {
  EXPECT_CALL_IS(022, SYS_umask, 01077);
  EXPECT_CALL_IS(0, SYS_mkdir, "dir", 0777);
  EXPECT_EQ(mode("dir"), 0700u);
  EXPECT_CALL_IS(077, SYS_umask, 022);
}

TEST_F(PathTest, Modes) {
  const i64 fd = make_file("file", "");
  EXPECT_CALL_IS(0, SYS_chmod, "file", 0170644);
  EXPECT_EQ(stat("file").mode, u32(S_IFREG | 0644));
  EXPECT_CALL_IS(0, SYS_fchmod, fd, 04755);
  EXPECT_EQ(mode("file"), 04755u);
  EXPECT_CALL_IS(0, SYS_symlink, "file", "link");
  EXPECT_CALL_IS(0, SYS_fchmodat, AT_FDCWD, "link", 0600);
  EXPECT_EQ(mode("file"), 0600u);
  EXPECT_CALL_IS(-EOPNOTSUPP, SYS_fchmodat + 184, AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW);
  EXPECT_CALL_IS(0, SYS_fchmodat + 184, fd, "", 0640, AT_EMPTY_PATH);
  EXPECT_EQ(mode("file"), 0640u);
  EXPECT_CALL_IS(-EINVAL, SYS_fchmodat + 184, fd, "", 0640, 1);
  EXPECT_CALL_IS(-EBADF, SYS_fchmod, call(SYS_open, "file", O_PATH), 0600);
  become(1000, 1000);
  EXPECT_CALL_IS(-EPERM, SYS_chmod, "file", 0666);
}

TEST_F(PathTest, WritingTakesSetIdBitsAway) {
  const auto prepare = [&] {
    current_task().set_credentials(make_ref<Credentials>().take());
    make_file("program", "content");
    EXPECT_CALL_IS(0, SYS_chmod, "program", 06777);
    become(1000, 1000);
    EXPECT_EQ(mode("program"), 06777u);
    return call(SYS_open, "program", O_RDWR);
  };
  i64 fd = prepare();
  EXPECT_CALL_IS(1, SYS_write, fd, "x", 1);
  EXPECT_EQ(mode("program"), 0777u);
  fd = prepare();
  EXPECT_CALL_IS(0, SYS_ftruncate, fd, 0);
  EXPECT_EQ(mode("program"), 0777u);
  prepare();
  EXPECT_CALL_IS(0, SYS_truncate, "program", 0);
  EXPECT_EQ(mode("program"), 0777u);
  prepare();
  EXPECT_GE(call(SYS_open, "program", O_WRONLY | O_TRUNC), 0);
  EXPECT_EQ(mode("program"), 0777u);
  // Root keeps them.
  fd = prepare();
  current_task().set_credentials(make_ref<Credentials>().take());
  EXPECT_CALL_IS(1, SYS_write, fd, "x", 1);
  EXPECT_EQ(mode("program"), 06777u);
}

TEST_F(PathTest, Owners) {
  const i64 fd = make_file("file", "");
  EXPECT_CALL_IS(0, SYS_chmod, "file", 06755);
  EXPECT_CALL_IS(0, SYS_chown, "file", 5, -1);
  EXPECT_EQ(stat("file").uid, 5u);
  EXPECT_EQ(stat("file").gid, 0u);
  EXPECT_EQ(mode("file"), 0755u);
  EXPECT_CALL_IS(0, SYS_fchown, fd, -1, 6);
  EXPECT_EQ(stat("file").gid, 6u);
  EXPECT_CALL_IS(0, SYS_symlink, "file", "link");
  EXPECT_CALL_IS(0, SYS_lchown, "link", 7, 7);
  EXPECT_EQ(stat("file").uid, 5u);
  EXPECT_EQ(stat("link", AT_SYMLINK_NOFOLLOW).uid, 7u);
  EXPECT_CALL_IS(0, SYS_fchownat, fd, "", 8, 8, AT_EMPTY_PATH);
  EXPECT_EQ(stat("file").uid, 8u);
  EXPECT_CALL_IS(-EINVAL, SYS_fchownat, fd, "", 8, 8, 1);
  become(8, 8);
  EXPECT_CALL_IS(0, SYS_chown, "file", -1, 8);
  EXPECT_CALL_IS(-EPERM, SYS_chown, "file", -1, 9);
  EXPECT_CALL_IS(-EPERM, SYS_chown, "file", 9, -1);
}

TEST_F(PathTest, Times) {
  const i64 fd = make_file("file", "");
  const auto times = [](abi::TimeSpec a, abi::TimeSpec b) {
    return put(std::array<abi::TimeSpec, 2>{a, b});
  };
  EXPECT_CALL_IS(0, SYS_utimensat, AT_FDCWD, "file", times({1, 2}, {3, 4}), 0);
  EXPECT_EQ(stat("file").accessed, (abi::TimeSpec{1, 2}));
  EXPECT_EQ(stat("file").modified, (abi::TimeSpec{3, 4}));
  EXPECT_CALL_IS(0, SYS_utimensat, fd, nullptr, times({0, UTIME_OMIT}, {5, 6}), 0);
  EXPECT_EQ(stat("file").accessed, (abi::TimeSpec{1, 2}));
  EXPECT_EQ(stat("file").modified, (abi::TimeSpec{5, 6}));
  EXPECT_CALL_IS(0, SYS_utimensat, -1, "none", times({0, UTIME_OMIT}, {0, UTIME_OMIT}), 77);
  EXPECT_CALL_IS(-EINVAL, SYS_utimensat, AT_FDCWD, "file", times({0, -1}, {0, 0}), 0);
  EXPECT_CALL_IS(-EINVAL, SYS_utimensat, AT_FDCWD, "file", times({0, 0}, {0, 1'000'000'000}), 0);
  EXPECT_CALL_IS(-EINVAL, SYS_utimensat, AT_FDCWD, "file", nullptr, 1);
  EXPECT_CALL_IS(-EINVAL, SYS_utimensat, fd, nullptr, nullptr, AT_SYMLINK_NOFOLLOW);
  EXPECT_CALL_IS(-EFAULT, SYS_utimensat, AT_FDCWD, nullptr, nullptr, 0);
  EXPECT_CALL_IS(-EFAULT, SYS_utimensat, AT_FDCWD, "file", kBadAddress, 0);
  EXPECT_CALL_IS(0, SYS_utimes, "file", times({7, 8}, {9, 10}));  // microseconds
  EXPECT_EQ(stat("file").accessed, (abi::TimeSpec{7, 8000}));
  EXPECT_CALL_IS(-EINVAL, SYS_utimes, "file", times({7, 1'000'000}, {9, 10}));
  EXPECT_CALL_IS(0, SYS_utime, "file", put(std::array<i64, 2>{11, 12}));
  EXPECT_EQ(stat("file").modified, (abi::TimeSpec{12, 0}));
  EXPECT_CALL_IS(0, SYS_futimesat, AT_FDCWD, "file", nullptr);
  EXPECT_NE(stat("file").modified, (abi::TimeSpec{12, 0}));
  become(1000, 1000);
  EXPECT_CALL_IS(-EACCES, SYS_utime, "file", nullptr);
  EXPECT_CALL_IS(-EPERM, SYS_utime, "file", put(std::array<i64, 2>{11, 12}));
}

TEST_F(PathTest, Access) {
  make_file("file", "");
  EXPECT_CALL_IS(0, SYS_access, "file", F_OK);
  EXPECT_CALL_IS(0, SYS_access, "file", R_OK | W_OK);
  EXPECT_CALL_IS(-EACCES, SYS_access, "file", X_OK);
  EXPECT_CALL_IS(-EINVAL, SYS_access, "file", 8);
  EXPECT_CALL_IS(-ENOENT, SYS_faccessat, AT_FDCWD, "none", F_OK);
  EXPECT_CALL_IS(-EINVAL, SYS_faccessat2, AT_FDCWD, "file", F_OK, 1);
  EXPECT_CALL_IS(0, SYS_faccessat2, call(SYS_open, "file", O_PATH), "", R_OK, AT_EMPTY_PATH);
  // Set-user-ID: the real user counts, unless told otherwise.
  auto who = make_ref<Credentials>().take();
  who->uid = who->gid = 1000;
  current_task().set_credentials(std::move(who));
  EXPECT_CALL_IS(-EACCES, SYS_access, "file", W_OK);
  EXPECT_CALL_IS(0, SYS_faccessat2, AT_FDCWD, "file", W_OK, AT_EACCESS);
}

TEST_F(PathTest, Truncate) {
  make_file("file", "0123456789");
  EXPECT_CALL_IS(0, SYS_truncate, "file", 4);
  EXPECT_EQ(read_file("file"), "0123");
  EXPECT_CALL_IS(0, SYS_truncate, "file", 6);
  EXPECT_EQ(read_file("file"), std::string("0123\0\0", 6));
  EXPECT_CALL_IS(-EINVAL, SYS_truncate, "file", -1);
  EXPECT_CALL_IS(-EISDIR, SYS_truncate, "/t", 0);
  EXPECT_CALL_IS(-ENOENT, SYS_truncate, "none", 0);
  become(1000, 1000);
  EXPECT_CALL_IS(-EACCES, SYS_truncate, "file", 0);
}

}  // namespace
}  // namespace narwhal
