// read(2), write(2) and their relatives, as a program sees them.
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include <climits>

#include "syscalls/testing/file_program.h"

namespace narwhal {
namespace {

using namespace testing;

class FileIoTest : public FileProgram {
 protected:
  UserAddr iovecs(std::initializer_list<std::pair<UserAddr, usize>> pieces) {
    std::vector<u64> words;
    for (const auto& [base, length] : pieces) words.insert(words.end(), {base.value, length});
    return put_bytes(words.data(), words.size() * 8);
  }
  void block_signals() {
    EXPECT_CALL_IS(0, SYS_rt_sigprocmask, SIG_BLOCK, put(~u64{0}), nullptr, 8);
  }
  // Takes a pending signal off; 0 when there is none.
  i64 take_signal() {
    const i64 got = call(SYS_rt_sigtimedwait, put(~u64{0}), nullptr, put(abi::TimeSpec{0, 0}), 8);
    return got == -EAGAIN ? 0 : got;
  }
};

TEST_F(FileIoTest, ReadsWhatWasWritten) {
  const i64 fd = make_file("file", "0123456789");
  EXPECT_EQ(read(fd, 4), "0123");
  EXPECT_EQ(read(fd, 100), "456789");
  EXPECT_EQ(read(fd, 100), "");
  EXPECT_EQ(position(fd), 10);
}

TEST_F(FileIoTest, BadArguments) {
  const i64 fd = make_file("file", "0123456789");
  const UserAddr buffer = allocate(16);
  EXPECT_CALL_IS(-EBADF, SYS_read, -1, buffer, 1);
  EXPECT_CALL_IS(-EBADF, SYS_write, 1000, buffer, 1);
  EXPECT_CALL_IS(-EFAULT, SYS_read, fd, kBadAddress, 1);
  EXPECT_CALL_IS(-EFAULT, SYS_write, fd, kBadAddress, 1);
  EXPECT_CALL_IS(-EFAULT, SYS_write, fd, ~u64{0}, 1);
  EXPECT_CALL_IS(-EFAULT, SYS_read, fd, buffer, ~u64{0});
  EXPECT_CALL_IS(0, SYS_read, fd, kBadAddress, 0);
  const i64 reader = call(SYS_open, "file", O_RDONLY), writer = call(SYS_open, "file", O_WRONLY);
  EXPECT_CALL_IS(-EBADF, SYS_write, reader, buffer, 1);
  EXPECT_CALL_IS(-EBADF, SYS_read, writer, buffer, 1);
  EXPECT_CALL_IS(-EBADF, SYS_pread64, writer, buffer, 1, 0);
  EXPECT_CALL_IS(-EBADF, SYS_pwrite64, reader, buffer, 1, 0);
  const i64 place = call(SYS_open, "file", O_PATH);
  EXPECT_CALL_IS(-EBADF, SYS_read, place, buffer, 1);
  EXPECT_CALL_IS(-EBADF, SYS_lseek, place, 0, SEEK_SET);
}

TEST_F(FileIoTest, DirectoriesAreNotRead) {
  const i64 fd = call(SYS_open, "/t", O_RDONLY);
  const UserAddr buffer = allocate(16);
  EXPECT_CALL_IS(-EISDIR, SYS_read, fd, buffer, 0);
  EXPECT_CALL_IS(-EISDIR, SYS_pread64, fd, buffer, 4, 0);
  EXPECT_CALL_IS(-EBADF, SYS_write, fd, buffer, 1);
  EXPECT_CALL_IS(-EBADF, SYS_pwrite64, fd, buffer, 1, 0);
}

TEST_F(FileIoTest, Offsets) {
  const i64 fd = make_file("file", "0123456789");
  const UserAddr buffer = allocate(16);
  EXPECT_CALL_IS(3, SYS_pread64, fd, buffer, 3, 5);
  EXPECT_EQ(get_bytes(buffer, 3), "567");
  EXPECT_CALL_IS(0, SYS_pread64, fd, buffer, 3, 10);
  EXPECT_CALL_IS(2, SYS_pwrite64, fd, "xy", 2, 12);
  EXPECT_EQ(position(fd), 0);
  EXPECT_EQ(read(fd), std::string("0123456789\0\0xy", 14));
  EXPECT_CALL_IS(-EINVAL, SYS_pread64, fd, buffer, 1, -1);
  EXPECT_CALL_IS(-EINVAL, SYS_pread64, -1, buffer, 1, -1);
  EXPECT_CALL_IS(-EINVAL, SYS_pread64, fd, buffer, 2, LONG_MAX - 1);
  EXPECT_CALL_IS(-EINVAL, SYS_pwrite64, fd, buffer, 2, LONG_MAX);
  const auto [reader, writer] = make_pipe();
  EXPECT_CALL_IS(-ESPIPE, SYS_pread64, writer, buffer, 1, 0);
  EXPECT_CALL_IS(-ESPIPE, SYS_pwrite64, writer, buffer, 1, 0);
  EXPECT_CALL_IS(-ESPIPE, SYS_lseek, reader, 0, SEEK_SET);
  EXPECT_CALL_IS(-EINVAL, SYS_lseek, reader, 0, 99);
}

TEST_F(FileIoTest, Seeking) {
  const i64 fd = make_file("file", "0123456789");
  EXPECT_CALL_IS(7, SYS_lseek, fd, -3, SEEK_END);
  EXPECT_CALL_IS(5, SYS_lseek, fd, -2, SEEK_CUR);
  EXPECT_CALL_IS(-EINVAL, SYS_lseek, fd, -6, SEEK_CUR);
  EXPECT_CALL_IS(-EINVAL, SYS_lseek, fd, -1, SEEK_SET);
  EXPECT_CALL_IS(LONG_MAX, SYS_lseek, fd, LONG_MAX, SEEK_SET);
  EXPECT_CALL_IS(-EINVAL, SYS_lseek, fd, 1, SEEK_CUR);
  EXPECT_CALL_IS(-EINVAL, SYS_lseek, fd, 0, 5);
  EXPECT_CALL_IS(-ENXIO, SYS_lseek, fd, 10, SEEK_DATA);
  EXPECT_CALL_IS(10, SYS_lseek, fd, 3, SEEK_HOLE);
  EXPECT_CALL_IS(3, SYS_lseek, fd, 3, SEEK_DATA);
}

TEST_F(FileIoTest, Pieces) {
  const i64 fd = make_file("file", "0123456789");
  const UserAddr a = allocate(4), b = allocate(4);
  EXPECT_CALL_IS(5, SYS_readv, fd, iovecs({{a, 2}, {b, 0}, {b, 3}}), 3);
  EXPECT_EQ(get_bytes(a, 2) + get_bytes(b, 3), "01234");
  EXPECT_CALL_IS(4, SYS_writev, fd, iovecs({{put_text("ab"), 2}, {put_text("cd"), 2}}), 2);
  EXPECT_CALL_IS(4, SYS_preadv, fd, iovecs({{a, 4}}), 1, 5);
  EXPECT_EQ(get_bytes(a, 4), "abcd");
  EXPECT_CALL_IS(2, SYS_pwritev, fd, iovecs({{put_text("!!"), 2}}), 1, 0);
  EXPECT_EQ(position(fd), 9);
  EXPECT_CALL_IS(-EINVAL, SYS_readv, fd, iovecs({{a, 4}}), 1025);
  EXPECT_CALL_IS(-EINVAL, SYS_readv, fd, iovecs({{a, 4}}), -1);
  EXPECT_CALL_IS(-EINVAL, SYS_readv, fd, iovecs({{a, ~usize{0}}}), 1);
  EXPECT_CALL_IS(-EFAULT, SYS_readv, fd, nullptr, 1);
  EXPECT_CALL_IS(0, SYS_readv, fd, nullptr, 0);
  EXPECT_CALL_IS(-EINVAL, SYS_preadv, fd, iovecs({{a, 4}}), 1, -1);
  const auto [reader, writer] = make_pipe();
  EXPECT_CALL_IS(-EBADF, SYS_readv, writer, iovecs({{a, 0}}), 1);
  EXPECT_CALL_IS(0, SYS_readv, reader, iovecs({{a, 0}}), 1);
  EXPECT_CALL_IS(-ESPIPE, SYS_preadv, reader, iovecs({{a, 1}}), 1, 0);
}

TEST_F(FileIoTest, WhatWasMovedBeforeAFaultCounts) {
  const i64 fd = make_file("file", "0123456789");
  const UserAddr a = allocate(4);
  EXPECT_CALL_IS(4, SYS_readv, fd, iovecs({{a, 4}, {kBadAddress, 4}}), 2);
  EXPECT_EQ(position(fd), 4);
  EXPECT_CALL_IS(2, SYS_writev, fd, iovecs({{put_text("xy"), 2}, {kBadAddress, 4}}), 2);
  EXPECT_EQ(position(fd), 6);
}

TEST_F(FileIoTest, FlagsOfOneTransfer) {
  const i64 fd = make_file("file", "0123456789");
  const UserAddr a = allocate(4);
  EXPECT_CALL_IS(2, SYS_preadv2, fd, iovecs({{a, 2}}), 1, -1, 0, 0);
  EXPECT_EQ(position(fd), 2);
  EXPECT_CALL_IS(-EINVAL, SYS_preadv2, fd, iovecs({{a, 2}}), 1, -2, 0, 0);
  EXPECT_CALL_IS(-EOPNOTSUPP, SYS_preadv2, fd, iovecs({{a, 2}}), 1, 0, 0, 0x4000);
  EXPECT_CALL_IS(2, SYS_pwritev2, fd, iovecs({{put_text("++"), 2}}), 1, 0, 0, RWF_APPEND);
  EXPECT_CALL_IS(2, SYS_pwritev2, fd, iovecs({{put_text("--"), 2}}), 1, 0, 0, RWF_DSYNC);
  EXPECT_EQ(position(fd), 2);
  EXPECT_CALL_IS(0, SYS_lseek, fd, 0, SEEK_SET);
  EXPECT_EQ(read(fd), "--23456789++");
  const auto [reader, writer] = make_pipe();
  EXPECT_CALL_IS(-EAGAIN, SYS_preadv2, reader, iovecs({{a, 1}}), 1, -1, 0, RWF_NOWAIT);
}

TEST_F(FileIoTest, AppendingWinsOverPositions) {
  const i64 fd = make_file("file", "start", O_APPEND);
  EXPECT_CALL_IS(1, SYS_pwrite64, fd, "!", 1, 0);
  EXPECT_CALL_IS(1, SYS_write, fd, "?", 1);
  EXPECT_EQ(position(fd), 7);
  EXPECT_CALL_IS(0, SYS_lseek, fd, 0, SEEK_SET);
  EXPECT_EQ(read(fd), "start!?");
}

TEST_F(FileIoTest, ReadingWaitsForAWriter) {
  const auto [reader, writer] = make_pipe();
  std::string order;
  ASSERT_GT(test_program::start_thread([&, writer = writer] {
              order += "w";
              call(SYS_write, writer, "hello", 5);
            }),
            0);
  order += "r";
  EXPECT_EQ(read(reader), "hello");
  EXPECT_EQ(order, "rw");
}

TEST_F(FileIoTest, ALargeWriteWaitsForRoom) {
  const auto [reader, writer] = make_pipe();
  const std::string data(200'000, 'x');
  i64 written = 0;
  ASSERT_GT(test_program::start_thread([&, writer = writer] {
              written = call(SYS_write, writer, data, data.size());
              call(SYS_close, writer);
            }),
            0);
  usize total = 0;
  for (;;) {
    const usize got = read(reader, 10'000).size();
    if (got == 0) break;
    total += got;
  }
  EXPECT_EQ(written, 200'000);
  EXPECT_EQ(total, 200'000u);
}

TEST_F(FileIoTest, NonBlockingPipes) {
  const auto [reader, writer] = make_pipe(O_NONBLOCK);
  EXPECT_EQ(read(reader), "EAGAIN");
  const std::string data(100'000, 'x');
  EXPECT_CALL_IS(65536, SYS_write, writer, data, data.size());
  EXPECT_CALL_IS(-EAGAIN, SYS_write, writer, "x", 1);
  EXPECT_CALL_IS(0, SYS_close, writer);
  EXPECT_EQ(read(reader, 65536).size(), 65536u);
  EXPECT_EQ(read(reader), "");
}

TEST_F(FileIoTest, WritingWhereNobodyReadsIsASignal) {
  block_signals();
  const auto [reader, writer] = make_pipe();
  EXPECT_CALL_IS(0, SYS_close, reader);
  EXPECT_CALL_IS(-EPIPE, SYS_write, writer, "x", 1);
  EXPECT_EQ(take_signal(), SIGPIPE);
  EXPECT_EQ(take_signal(), 0);
}

TEST_F(FileIoTest, AReaderThatLeavesInTheMiddleIsASignalToo) {
  block_signals();
  const auto [reader, writer] = make_pipe();
  ASSERT_GT(test_program::start_thread([reader = reader] { call(SYS_close, reader); }), 0);
  const std::string data(100'000, 'x');
  EXPECT_CALL_IS(65536, SYS_write, writer, data, data.size());
  EXPECT_EQ(take_signal(), SIGPIPE);
}

TEST_F(FileIoTest, TheFileSizeLimit) {
  block_signals();
  current_process().set_limit(RLIMIT_FSIZE, {8, ~u64{0}});
  const i64 fd = call(SYS_open, "file", O_RDWR | O_CREAT, 0644);
  EXPECT_CALL_IS(8, SYS_write, fd, "0123456789", 10);
  EXPECT_EQ(take_signal(), 0);
  EXPECT_CALL_IS(-EFBIG, SYS_write, fd, "x", 1);
  EXPECT_EQ(take_signal(), SIGXFSZ);
  EXPECT_CALL_IS(-EFBIG, SYS_ftruncate, fd, 9);
  EXPECT_EQ(take_signal(), SIGXFSZ);
  EXPECT_CALL_IS(-EFBIG, SYS_truncate, "file", 9);
  EXPECT_EQ(take_signal(), SIGXFSZ);
  EXPECT_CALL_IS(-EFBIG, SYS_fallocate, fd, 0, 0, 9);
  EXPECT_EQ(take_signal(), SIGXFSZ);
  EXPECT_CALL_IS(0, SYS_ftruncate, fd, 8);
  EXPECT_EQ(take_signal(), 0);
  current_process().set_limit(RLIMIT_FSIZE, {});
}

}  // namespace
}  // namespace narwhal
