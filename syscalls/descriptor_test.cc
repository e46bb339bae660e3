// Descriptors and what is asked of them: dup(2), close_range(2), fcntl(2), ioctl(2), locks, sizes.
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <climits>

#include "kernel/abi/file_control.h"
#include "syscalls/testing/file_program.h"

namespace narwhal {
namespace {

using namespace testing;

class DescriptorTest : public FileProgram {
 protected:
  UserAddr range(i16 type, i64 start = 0, i64 length = 0, i16 whence = SEEK_SET, i32 pid = 0) {
    return put(abi::Flock{type, whence, 0, start, length, pid, 0});
  }
  // What F_GETLK says to a request: "write 5+3 by 7", or "free".
  std::string holder(i64 fd, u32 command, UserAddr request) {
    const i64 result = call(SYS_fcntl, fd, command, request);
    if (result < 0) return std::string(errno_name(Errno(-result)));
    const auto lock = get<abi::Flock>(request);
    if (lock.type == F_UNLCK) return "free";
    return std::string(lock.type == F_WRLCK ? "write " : "read ") + std::to_string(lock.start) +
           "+" + std::to_string(lock.length) + " by " + std::to_string(lock.pid);
  }
};

TEST_F(DescriptorTest, Duplicates) {
  const i64 fd = make_file("file", "0123456789");
  ASSERT_EQ(fd, 0);
  EXPECT_CALL_IS(1, SYS_dup, fd);
  EXPECT_CALL_IS(3, SYS_lseek, 1, 3, SEEK_SET);
  EXPECT_EQ(position(fd), 3);
  EXPECT_CALL_IS(7, SYS_dup2, fd, 7);
  EXPECT_CALL_IS(7, SYS_dup2, 7, 7);
  EXPECT_CALL_IS(8, SYS_dup3, fd, 8, O_CLOEXEC);
  EXPECT_CALL_IS(FD_CLOEXEC, SYS_fcntl, 8, F_GETFD);
  EXPECT_CALL_IS(0, SYS_fcntl, 7, F_GETFD);
  EXPECT_CALL_IS(-EBADF, SYS_dup, -1);
  EXPECT_CALL_IS(-EBADF, SYS_dup2, 99, 99);
  EXPECT_CALL_IS(-EBADF, SYS_dup2, fd, -1);
  EXPECT_CALL_IS(-EBADF, SYS_dup2, 99, fd);
  EXPECT_EQ(read(fd, 1), "3");
  EXPECT_CALL_IS(-EINVAL, SYS_dup3, fd, fd, O_CLOEXEC);
  EXPECT_CALL_IS(-EINVAL, SYS_dup3, fd, 9, O_APPEND);
  EXPECT_CALL_IS(-EBADF, SYS_dup3, fd, 5'000'000, 0);
  EXPECT_CALL_IS(20, SYS_fcntl, fd, F_DUPFD, 20);
  EXPECT_CALL_IS(21, SYS_fcntl, fd, F_DUPFD_CLOEXEC, 20);
  EXPECT_CALL_IS(FD_CLOEXEC, SYS_fcntl, 21, F_GETFD);
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, fd, F_DUPFD, -1);
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, fd, F_DUPFD, 1 << 20);
  current_process().set_limit(RLIMIT_NOFILE, {22, 4096});
  EXPECT_CALL_IS(-EBADF, SYS_dup2, fd, 22);
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, fd, F_DUPFD, 22);
  EXPECT_CALL_IS(-EMFILE, SYS_fcntl, fd, F_DUPFD, 20);
  current_process().set_limit(RLIMIT_NOFILE, {1024, 4096});
}

TEST_F(DescriptorTest, CloseRange) {
  for (int fd = 10; fd < 20; ++fd) ASSERT_CALL_IS(fd, SYS_dup2, call(SYS_open, "/", O_RDONLY), fd);
  EXPECT_CALL_IS(0, SYS_close_range, 12, 14, 4);
  EXPECT_CALL_IS(FD_CLOEXEC, SYS_fcntl, 13, F_GETFD);
  EXPECT_CALL_IS(0, SYS_close_range, 15, 17, 0);
  EXPECT_CALL_IS(-EBADF, SYS_fcntl, 16, F_GETFD);
  EXPECT_CALL_IS(0, SYS_fcntl, 18, F_GETFD);
  EXPECT_CALL_IS(0, SYS_close_range, 18, ~0u, 2);
  EXPECT_CALL_IS(-EBADF, SYS_fcntl, 19, F_GETFD);
  EXPECT_CALL_IS(-EINVAL, SYS_close_range, 14, 13, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_close_range, 0, 0, 8);
}

TEST_F(DescriptorTest, StatusFlags) {
  const i64 fd = make_file("file", "");
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_CREAT | O_SYNC);
  EXPECT_CALL_IS(O_RDWR | O_APPEND | O_NONBLOCK | 0100000, SYS_fcntl, fd, F_GETFL);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETFL, O_ASYNC);
  EXPECT_CALL_IS(O_RDWR | 0100000, SYS_fcntl, fd, F_GETFL);
  const auto [reader, writer] = make_pipe();
  EXPECT_CALL_IS(O_WRONLY, SYS_fcntl, writer, F_GETFL);
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, fd, 12345, 0);
  const i64 place = call(SYS_open, "file", O_PATH);
  EXPECT_CALL_IS(O_PATH, SYS_fcntl, place, F_GETFL);
  EXPECT_CALL_IS(-EBADF, SYS_fcntl, place, F_SETFL, 0);
  EXPECT_CALL_IS(50, SYS_fcntl, place, F_DUPFD, 50);
  become(1000, 1000);
  EXPECT_CALL_IS(-EPERM, SYS_fcntl, fd, F_SETFL, O_NOATIME);
}

TEST_F(DescriptorTest, FlagsByIoctl) {
  const i64 reader = make_pipe().first;
  EXPECT_CALL_IS(0, SYS_ioctl, reader, FIOCLEX, 0);
  EXPECT_CALL_IS(FD_CLOEXEC, SYS_fcntl, reader, F_GETFD);
  EXPECT_CALL_IS(0, SYS_ioctl, reader, FIONCLEX, 0);
  EXPECT_CALL_IS(0, SYS_fcntl, reader, F_GETFD);
  EXPECT_CALL_IS(0, SYS_ioctl, reader, FIONBIO, put(i32{1}));
  EXPECT_EQ(read(reader), "EAGAIN");
  EXPECT_CALL_IS(0, SYS_ioctl, reader, FIOASYNC, put(i32{1}));
  EXPECT_CALL_IS(O_NONBLOCK | O_ASYNC, SYS_fcntl, reader, F_GETFL);
  EXPECT_CALL_IS(-EFAULT, SYS_ioctl, reader, FIONBIO, kBadAddress);
  EXPECT_CALL_IS(0, SYS_ioctl, reader, FIONBIO, put(i32{0}));
  EXPECT_CALL_IS(O_ASYNC, SYS_fcntl, reader, F_GETFL);
  const i64 fd = make_file("file", "0123456789");
  EXPECT_CALL_IS(-ENOTTY, SYS_ioctl, fd, FIOASYNC, put(i32{1}));
  EXPECT_CALL_IS(0, SYS_ioctl, fd, FIOASYNC, put(i32{0}));
  EXPECT_CALL_IS(-ENOTTY, SYS_ioctl, fd, TCGETS, allocate(100));
  EXPECT_CALL_IS(-EOPNOTSUPP, SYS_ioctl, fd, FICLONE, fd);
  EXPECT_CALL_IS(-EBADF, SYS_ioctl, -1, FIONBIO, 0);
  const UserAddr count = allocate(8);
  EXPECT_CALL_IS(4, SYS_lseek, fd, 4, SEEK_SET);
  EXPECT_CALL_IS(0, SYS_ioctl, fd, FIONREAD, count);
  EXPECT_EQ(get<i32>(count), 6);
  EXPECT_CALL_IS(0, SYS_ioctl, fd, FIOQSIZE, count);
  EXPECT_EQ(get<i64>(count), 10);
}

TEST_F(DescriptorTest, OwnersForSignals) {
  const i64 fd = make_file("file", "");
  const i64 pid = call(SYS_getpid);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_GETOWN);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETOWN, pid);
  EXPECT_CALL_IS(pid, SYS_fcntl, fd, F_GETOWN);
  EXPECT_CALL_IS(-ESRCH, SYS_fcntl, fd, F_SETOWN, 999'999);
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, fd, F_SETOWN, INT_MIN);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETOWN, -call(SYS_getpgrp));
  const UserAddr owner = put(abi::OwnerEx{7, 0});
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, fd, F_SETOWN_EX, owner);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_GETOWN_EX, owner);
  EXPECT_EQ(get<abi::OwnerEx>(owner).type, 2);
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, fd, F_SETSIG, 65);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETSIG, SIGUSR1);
  EXPECT_CALL_IS(SIGUSR1, SYS_fcntl, fd, F_GETSIG);
}

TEST_F(DescriptorTest, PipesAndSealsAndLeases) {
  const i64 fd = make_file("file", "");
  const i64 reader = make_pipe().first;
  EXPECT_CALL_IS(65536, SYS_fcntl, reader, F_GETPIPE_SZ);
  EXPECT_CALL_IS(8192, SYS_fcntl, reader, F_SETPIPE_SZ, 5000);
  EXPECT_CALL_IS(4096, SYS_fcntl, reader, F_SETPIPE_SZ, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, reader, F_SETPIPE_SZ, 0x80000001u);
  EXPECT_CALL_IS(-EBADF, SYS_fcntl, fd, F_GETPIPE_SZ);
  EXPECT_CALL_IS(F_SEAL_SEAL, SYS_fcntl, fd, F_GET_SEALS);
  EXPECT_CALL_IS(-EPERM, SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_GROW);
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, reader, F_GET_SEALS);
  EXPECT_CALL_IS(F_UNLCK, SYS_fcntl, fd, F_GETLEASE);
  EXPECT_CALL_IS(-EAGAIN, SYS_fcntl, fd, F_SETLEASE, F_UNLCK);
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, reader, F_SETLEASE, F_RDLCK);
  become(1000, 1000);
  EXPECT_CALL_IS(-EPERM, SYS_fcntl, reader, F_SETPIPE_SZ, 1 << 21);
}

TEST_F(DescriptorTest, RecordLocksOfDescriptions) {
  const i64 one = make_file("file", "0123456789"), two = call(SYS_open, "file", O_RDWR);
  EXPECT_CALL_IS(0, SYS_fcntl, one, F_OFD_SETLK, range(F_WRLCK, 2, 4));
  EXPECT_CALL_IS(-EAGAIN, SYS_fcntl, two, F_OFD_SETLK, range(F_RDLCK, 5, 1));
  EXPECT_EQ(holder(two, F_OFD_GETLK, range(F_RDLCK)), "write 2+4 by -1");
  EXPECT_EQ(holder(two, F_OFD_GETLK, range(F_RDLCK, 6)), "free");
  // Negative lengths, and places counted from elsewhere.
  EXPECT_CALL_IS(0, SYS_lseek, two, 0, SEEK_SET);
  EXPECT_EQ(holder(two, F_OFD_GETLK, range(F_WRLCK, 3, -2)), "write 2+4 by -1");
  EXPECT_EQ(holder(two, F_OFD_GETLK, range(F_WRLCK, -4, 0, SEEK_END)), "free");
  EXPECT_EQ(holder(two, F_OFD_GETLK, range(F_WRLCK, 5, 1, SEEK_CUR)), "write 2+4 by -1");
  EXPECT_CALL_IS(0, SYS_fcntl, one, F_OFD_SETLK, range(F_UNLCK, 3, 1));
  EXPECT_CALL_IS(0, SYS_fcntl, two, F_OFD_SETLK, range(F_RDLCK, 3, 1));
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, one, F_OFD_SETLK, range(F_RDLCK, 0, 0, SEEK_SET, 5));
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, one, F_SETLK, range(77));
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, one, F_SETLK, range(F_RDLCK, 0, 0, 77));
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, one, F_SETLK, range(F_RDLCK, -1));
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, one, F_SETLK, range(F_RDLCK, 2, -3));
  EXPECT_CALL_IS(-EOVERFLOW, SYS_fcntl, one, F_SETLK, range(F_RDLCK, LONG_MAX, 2));
  EXPECT_CALL_IS(-EINVAL, SYS_fcntl, one, F_GETLK, range(F_UNLCK));
  EXPECT_CALL_IS(-EFAULT, SYS_fcntl, one, F_SETLK, kBadAddress);
  const i64 reader = call(SYS_open, "file", O_RDONLY), writer = call(SYS_open, "file", O_WRONLY);
  EXPECT_CALL_IS(-EBADF, SYS_fcntl, reader, F_SETLK, range(F_WRLCK, 100, 1));
  EXPECT_CALL_IS(-EBADF, SYS_fcntl, writer, F_SETLK, range(F_RDLCK, 100, 1));
}

TEST_F(DescriptorTest, RecordLocksOfProcesses) {
  const i64 one = make_file("file", "0123456789"), two = call(SYS_open, "file", O_RDWR);
  EXPECT_CALL_IS(0, SYS_fcntl, one, F_SETLK, range(F_WRLCK, 5));
  EXPECT_CALL_IS(0, SYS_fcntl, two, F_SETLK, range(F_RDLCK, 7, 1));
  const i64 pid = call(SYS_getpid);
  std::string seen;
  i64 refused = 0;
  const i32 child = test_program::fork([&] {
    seen = holder(two, F_GETLK, range(F_WRLCK, 6));
    refused = call(SYS_fcntl, two, F_SETLK, range(F_RDLCK, 5, 1));
  });
  test_program::wait_for(child);
  EXPECT_EQ(seen, "write 5+2 by " + std::to_string(pid));
  EXPECT_EQ(refused, -EAGAIN);
  // Any close of the file by the process lets all of them go.
  EXPECT_CALL_IS(0, SYS_close, call(SYS_open, "file", O_RDONLY));
  EXPECT_CALL_IS(0, SYS_fcntl, two, F_OFD_SETLK, range(F_WRLCK));
}

TEST_F(DescriptorTest, WaitingForARecordLock) {
  const i64 one = make_file("file", ""), two = call(SYS_open, "file", O_RDWR);
  EXPECT_CALL_IS(0, SYS_fcntl, one, F_OFD_SETLK, range(F_WRLCK));
  i64 result = 1;
  test_program::start_thread([&] { result = call(SYS_fcntl, two, F_OFD_SETLKW, range(F_WRLCK)); });
  test_program::let_others_run();
  EXPECT_EQ(result, 1);
  EXPECT_CALL_IS(0, SYS_fcntl, one, F_OFD_SETLK, range(F_UNLCK));
  test_program::let_others_run();
  EXPECT_EQ(result, 0);
}

TEST_F(DescriptorTest, ACircleOfWaitersIsRefused) {
  const i64 fd = make_file("file", "");
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLK, range(F_WRLCK, 0, 1));
  i64 result = 1;
  const i32 child = test_program::fork([&] {
    EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLK, range(F_WRLCK, 1, 1));
    result = call(SYS_fcntl, fd, F_SETLKW, range(F_WRLCK, 0, 1));
  });
  test_program::let_others_run();
  EXPECT_EQ(result, 1);
  EXPECT_CALL_IS(-EDEADLK, SYS_fcntl, fd, F_SETLKW, range(F_WRLCK, 1, 1));
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLK, range(F_UNLCK));
  test_program::wait_for(child);
  EXPECT_EQ(result, 0);
}

TEST_F(DescriptorTest, WholeFileLocks) {
  const i64 one = make_file("file", ""), two = call(SYS_open, "file", O_RDONLY);
  EXPECT_CALL_IS(0, SYS_flock, one, LOCK_SH);
  EXPECT_CALL_IS(0, SYS_flock, two, LOCK_SH | LOCK_NB);
  EXPECT_CALL_IS(-EAGAIN, SYS_flock, one, LOCK_EX | LOCK_NB);
  EXPECT_CALL_IS(0, SYS_flock, two, LOCK_UN);
  EXPECT_CALL_IS(0, SYS_flock, one, LOCK_EX | LOCK_NB);
  EXPECT_CALL_IS(0, SYS_fcntl, two, F_SETLK, range(F_RDLCK));
  i64 result = 1;
  test_program::start_thread([&] { result = call(SYS_flock, two, LOCK_EX); });
  test_program::let_others_run();
  EXPECT_EQ(result, 1);
  EXPECT_CALL_IS(0, SYS_close, one);
  test_program::let_others_run();
  EXPECT_EQ(result, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_flock, two, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_flock, two, LOCK_SH | LOCK_UN);
  EXPECT_CALL_IS(-EBADF, SYS_flock, -1, LOCK_SH);
  EXPECT_CALL_IS(-EBADF, SYS_flock, call(SYS_open, "file", O_PATH), LOCK_SH);
}

TEST_F(DescriptorTest, LocksOfADirectoryEndWithItsDescription) {
  const i64 one = call(SYS_open, ".", O_RDONLY), two = call(SYS_open, ".", O_RDONLY);
  EXPECT_CALL_IS(0, SYS_flock, one, LOCK_EX);
  EXPECT_CALL_IS(-EAGAIN, SYS_flock, two, LOCK_EX | LOCK_NB);
  EXPECT_CALL_IS(0, SYS_close, one);
  EXPECT_CALL_IS(0, SYS_flock, two, LOCK_EX | LOCK_NB);
}

TEST_F(DescriptorTest, Sizes) {
  const i64 fd = make_file("file", "0123456789");
  EXPECT_CALL_IS(0, SYS_ftruncate, fd, 5);
  EXPECT_EQ(read(fd), "01234");
  EXPECT_CALL_IS(-EINVAL, SYS_ftruncate, fd, -1);
  EXPECT_CALL_IS(-EINVAL, SYS_ftruncate, call(SYS_open, "file", O_RDONLY), 0);
  EXPECT_CALL_IS(-EINVAL, SYS_ftruncate, call(SYS_open, ".", O_RDONLY), 0);
  const auto [reader, writer] = make_pipe();
  EXPECT_CALL_IS(-EINVAL, SYS_ftruncate, writer, 0);
  EXPECT_CALL_IS(0, SYS_fallocate, fd, 0, 0, 100);
  EXPECT_CALL_IS(100, SYS_lseek, fd, 0, SEEK_END);
  EXPECT_CALL_IS(0, SYS_fallocate, fd, 1, 0, 200);
  EXPECT_CALL_IS(100, SYS_lseek, fd, 0, SEEK_END);
  EXPECT_CALL_IS(0, SYS_fallocate, fd, 3, 0, 3);
  EXPECT_CALL_IS(0, SYS_lseek, fd, 0, SEEK_SET);
  EXPECT_EQ(read(fd, 5), std::string("\0\0\0"
                                     "34",
                                     5));
  EXPECT_CALL_IS(-EINVAL, SYS_fallocate, fd, 0, 0, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_fallocate, fd, 0, -1, 1);
  EXPECT_CALL_IS(-EOPNOTSUPP, SYS_fallocate, fd, 2, 0, 1);
  EXPECT_CALL_IS(-EOPNOTSUPP, SYS_fallocate, fd, 0x10, 0, 1);
  EXPECT_CALL_IS(-EFBIG, SYS_fallocate, fd, 0, LONG_MAX, 1);
  EXPECT_CALL_IS(-ESPIPE, SYS_fallocate, writer, 0, 0, 1);
  EXPECT_CALL_IS(-EBADF, SYS_fallocate, call(SYS_open, "file", O_RDONLY), 0, 0, 1);
}

TEST_F(DescriptorTest, SynchronisingAndAdvice) {
  const i64 fd = make_file("file", "0123456789");
  const auto [reader, writer] = make_pipe();
  EXPECT_CALL_IS(0, SYS_fsync, fd);
  EXPECT_CALL_IS(0, SYS_fdatasync, call(SYS_open, ".", O_RDONLY));
  EXPECT_CALL_IS(-EINVAL, SYS_fsync, reader);
  EXPECT_CALL_IS(-EBADF, SYS_fsync, call(SYS_open, ".", O_PATH));
  EXPECT_CALL_IS(0, SYS_sync);
  EXPECT_CALL_IS(0, SYS_syncfs, reader);
  EXPECT_CALL_IS(0, SYS_sync_file_range, fd, 0, 0, 7);
  EXPECT_CALL_IS(-EINVAL, SYS_sync_file_range, fd, 0, 0, 8);
  EXPECT_CALL_IS(-EINVAL, SYS_sync_file_range, fd, 1, -2, 0);
  EXPECT_CALL_IS(-ESPIPE, SYS_sync_file_range, reader, 0, 0, 0);
  EXPECT_CALL_IS(0, SYS_fadvise64, fd, 0, 0, 4);
  EXPECT_CALL_IS(-EINVAL, SYS_fadvise64, fd, 0, -1, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_fadvise64, fd, 0, 0, 6);
  EXPECT_CALL_IS(-ESPIPE, SYS_fadvise64, reader, 0, 0, 0);
  EXPECT_CALL_IS(0, SYS_readahead, fd, 0, 10);
  EXPECT_CALL_IS(-EINVAL, SYS_readahead, reader, 0, 10);
  EXPECT_CALL_IS(-EBADF, SYS_readahead, writer, 0, 10);
}

TEST_F(DescriptorTest, CopyFileRange) {
  const i64 in = make_file("in", "0123456789"), out = make_file("out", "");
  const UserAddr from = put(i64{2}), to = put(i64{5});
  EXPECT_CALL_IS(4, SYS_copy_file_range, in, from, out, to, 4, 0);
  EXPECT_EQ(get<i64>(from), 6);
  EXPECT_EQ(get<i64>(to), 9);
  EXPECT_EQ(position(in), 0);
  EXPECT_EQ(read(out), std::string("\0\0\0\0\0"
                                   "2345",
                                   9));
  EXPECT_CALL_IS(10, SYS_copy_file_range, in, nullptr, out, nullptr, 100, 0);
  EXPECT_EQ(position(in), 10);
  EXPECT_EQ(position(out), 19);
  EXPECT_CALL_IS(0, SYS_copy_file_range, in, nullptr, out, nullptr, 100, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_copy_file_range, in, nullptr, out, nullptr, 4, 1);
  EXPECT_CALL_IS(-EINVAL, SYS_copy_file_range, in, put(i64{0}), in, put(i64{2}), 4, 0);
  EXPECT_CALL_IS(4, SYS_copy_file_range, in, put(i64{0}), in, put(i64{6}), 4, 0);
  EXPECT_EQ(read_file("in"), "0123450123");
  EXPECT_CALL_IS(-EBADF, SYS_copy_file_range, -1, nullptr, out, nullptr, 4, 0);
  EXPECT_CALL_IS(-EBADF, SYS_copy_file_range, in, nullptr, call(SYS_open, "out", O_RDONLY), nullptr,
                 4, 0);
  EXPECT_CALL_IS(-EBADF, SYS_copy_file_range, in, nullptr,
                 call(SYS_open, "out", O_WRONLY | O_APPEND), nullptr, 4, 0);
  EXPECT_CALL_IS(-EISDIR, SYS_copy_file_range, in, nullptr, call(SYS_open, ".", O_RDONLY), nullptr,
                 4, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_copy_file_range, make_pipe().first, nullptr, out, nullptr, 4, 0);
  EXPECT_CALL_IS(-EFAULT, SYS_copy_file_range, in, kBadAddress, out, nullptr, 4, 0);
}

}  // namespace
}  // namespace narwhal
