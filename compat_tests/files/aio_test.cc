// Asynchronous I/O by the kernel: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2).
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <thread>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

long setup(unsigned events, aio_context_t* context) {
  return syscall(SYS_io_setup, events, context);
}
long submit(aio_context_t context, std::vector<iocb*> blocks) {
  return syscall(SYS_io_submit, context, blocks.size(), blocks.data());
}
long get_events(aio_context_t context, long least, long most, io_event* events,
                timespec* timeout = nullptr) {
  return syscall(SYS_io_getevents, context, least, most, events, timeout);
}
iocb block(int opcode, int fd, const void* buffer, size_t size, off_t offset, uint64_t data = 0) {
  iocb made{};
  made.aio_lio_opcode = uint16_t(opcode);
  made.aio_fildes = uint32_t(fd);
  made.aio_buf = reinterpret_cast<uintptr_t>(buffer);
  made.aio_nbytes = size;
  made.aio_offset = offset;
  made.aio_data = data;
  return made;
}

class Aio : public testing::Test {
 protected:
  void SetUp() override {
    if (setup(16, &context_) != 0 && errno == ENOSYS) GTEST_SKIP() << "a kernel without it";
    ASSERT_NE(0u, context_);
    file_ = Fd(open((dir_ / "file").c_str(), O_RDWR | O_CREAT, 0600));
    ASSERT_OK(file_);
  }
  void TearDown() override {
    if (context_) syscall(SYS_io_destroy, context_);
  }
  TempDir dir_;
  Fd file_;
  aio_context_t context_ = 0;
};

TEST_F(Aio, WritesAndReads) {
  const std::string text = "asynchronous";
  iocb write = block(IOCB_CMD_PWRITE, file_, text.data(), text.size(), 100, 7);
  EXPECT_EQ(1, submit(context_, {&write}));
  io_event events[2] = {};
  EXPECT_EQ(1, get_events(context_, 1, 2, events));
  EXPECT_EQ(7u, events[0].data);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&write), events[0].obj);
  EXPECT_EQ(int64_t(text.size()), events[0].res);
  EXPECT_EQ(0, events[0].res2);
  char bytes[32] = {};
  iocb read = block(IOCB_CMD_PREAD, file_, bytes, sizeof bytes, 100);
  iocb sync = block(IOCB_CMD_FSYNC, file_, nullptr, 0, 0);
  EXPECT_EQ(2, submit(context_, {&read, &sync}));
  EXPECT_EQ(2, get_events(context_, 2, 2, events));
  EXPECT_EQ(text, std::string(bytes));
  EXPECT_EQ(0, lseek(file_, 0, SEEK_CUR));
}

TEST_F(Aio, Pieces) {
  iovec pieces[2] = {{const_cast<char*>("ab"), 2}, {const_cast<char*>("cde"), 3}};
  iocb write = block(IOCB_CMD_PWRITEV, file_, pieces, 2, 0);
  EXPECT_EQ(1, submit(context_, {&write}));
  io_event event;
  EXPECT_EQ(1, get_events(context_, 1, 1, &event));
  EXPECT_EQ(5, event.res);
  char bytes[5];
  EXPECT_EQ(5, pread(file_, bytes, 5, 0));
  EXPECT_EQ("abcde", std::string(bytes, 5));
}

TEST_F(Aio, ErrorsAtOnce) {
  char bytes[8];
  iocb bad_fd = block(IOCB_CMD_PREAD, -1, bytes, 8, 0);
  EXPECT_ERRNO(EBADF, submit(context_, {&bad_fd}));
  Fd write_only(open((dir_ / "file").c_str(), O_WRONLY));
  iocb unreadable = block(IOCB_CMD_PREAD, write_only, bytes, 8, 0);
  EXPECT_ERRNO(EBADF, submit(context_, {&unreadable}));
  iocb unknown = block(99, file_, bytes, 8, 0);
  EXPECT_ERRNO(EINVAL, submit(context_, {&unknown}));
  iocb before_start = block(IOCB_CMD_PREAD, file_, bytes, 8, -1);
  EXPECT_ERRNO(EINVAL, submit(context_, {&before_start}));
  iocb reserved = block(IOCB_CMD_PREAD, file_, bytes, 8, 0);
  reserved.aio_reserved2 = 1;
  EXPECT_ERRNO(EINVAL, submit(context_, {&reserved}));
  EXPECT_ERRNO(EFAULT, submit(context_, {nullptr}));
  EXPECT_ERRNO(EFAULT, syscall(SYS_io_submit, context_, 1, bad_pointer<iocb*>()));
  EXPECT_ERRNO(EINVAL, syscall(SYS_io_submit, context_, -1L, nullptr));
  EXPECT_ERRNO(EINVAL, syscall(SYS_io_submit, context_ + 1, 0, nullptr));
  EXPECT_EQ(0, submit(context_, {}));
  // What came before the first bad one was done.
  iocb good = block(IOCB_CMD_PREAD, file_, bytes, 8, 0);
  EXPECT_EQ(1, submit(context_, {&good, &bad_fd}));
}

TEST_F(Aio, ErrorsInEvents) {
  iocb fault = block(IOCB_CMD_PWRITE, file_, bad_pointer<char>(), 8, 0);
  const long submitted = submit(context_, {&fault});
  if (submitted < 0) {
    EXPECT_ERRNO(EFAULT, submit(context_, {&fault}));  // an address outside of the program's half
  } else {
    io_event event;
    EXPECT_EQ(1, get_events(context_, 1, 1, &event));
    EXPECT_EQ(-EFAULT, event.res);
  }
}

TEST_F(Aio, SetupChecks) {
  aio_context_t other = 1;
  EXPECT_ERRNO(EINVAL, setup(1, &other));
  other = 0;
  EXPECT_ERRNO(EINVAL, setup(0, &other));
  EXPECT_ERRNO(EINVAL, setup(~0u, &other));
  EXPECT_ERRNO(EFAULT, setup(1, nullptr));
  EXPECT_ERRNO(EINVAL, syscall(SYS_io_destroy, context_ + 1));
  EXPECT_OK(setup(1, &other));
  EXPECT_NE(context_, other);
  EXPECT_OK(syscall(SYS_io_destroy, other));
  EXPECT_ERRNO(EINVAL, syscall(SYS_io_destroy, other));
}

TEST_F(Aio, GetEventsChecks) {
  io_event event;
  EXPECT_ERRNO(EINVAL, get_events(context_, -1, 1, &event));
  EXPECT_ERRNO(EINVAL, get_events(context_, 2, 1, &event));
  EXPECT_ERRNO(EINVAL, get_events(context_ + 1, 0, 1, &event));
  EXPECT_ERRNO(EFAULT, get_events(context_, 1, 1, &event, bad_pointer<timespec>()));
  timespec no_time{};
  EXPECT_EQ(0, get_events(context_, 1, 1, &event, &no_time));
  timespec a_little{0, 2'000'000};
  EXPECT_EQ(0, get_events(context_, 1, 1, &event, &a_little));
  EXPECT_EQ(0, get_events(context_, 0, 1, &event));
}

TEST_F(Aio, EventsWaitUntilTheyAreTaken) {
  char bytes[1];
  iocb read = block(IOCB_CMD_PREAD, file_, bytes, 1, 0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(1, submit(context_, {&read}));
  io_event events[8];
  EXPECT_EQ(2, get_events(context_, 0, 2, events));
  EXPECT_EQ(3, get_events(context_, 1, 8, events));
}

TEST_F(Aio, WaitsForAnotherThread) {
  char bytes[1];
  iocb read = block(IOCB_CMD_PREAD, file_, bytes, 1, 0, 42);
  std::thread other([&] { submit(context_, {&read}); });
  io_event event{};
  EXPECT_EQ(1, get_events(context_, 1, 1, &event));
  EXPECT_EQ(42u, event.data);
  other.join();
}

TEST_F(Aio, EventFdIsTold) {
  Fd counter(eventfd(0, EFD_NONBLOCK));
  char bytes[1];
  iocb read = block(IOCB_CMD_PREAD, file_, bytes, 1, 0);
  read.aio_flags = IOCB_FLAG_RESFD;
  read.aio_resfd = uint32_t(int(counter));
  EXPECT_EQ(1, submit(context_, {&read}));
  io_event event;
  EXPECT_EQ(1, get_events(context_, 1, 1, &event));
  uint64_t count = 0;
  EXPECT_EQ(8, ::read(counter, &count, 8));
  EXPECT_EQ(1u, count);
  // It goes on where write(2) stops, and then says so.
  count = ~uint64_t{0} - 1;
  EXPECT_EQ(8, ::write(counter, &count, 8));
  EXPECT_EQ(1, submit(context_, {&read}));
  EXPECT_EQ(1, get_events(context_, 1, 1, &event));
  pollfd polled{counter, POLLIN | POLLOUT, 0};
  EXPECT_EQ(1, poll(&polled, 1, 0));
  EXPECT_EQ(POLLIN | POLLERR, polled.revents);
  EXPECT_EQ(8, ::read(counter, &count, 8));
  EXPECT_EQ(~uint64_t{0}, count);
  read.aio_resfd = uint32_t(int(file_));
  EXPECT_ERRNO(EINVAL, submit(context_, {&read}));
}

TEST_F(Aio, Cancel) {
  io_event event;
  iocb read = block(IOCB_CMD_PREAD, file_, nullptr, 0, 0);
  EXPECT_ERRNO(EINVAL, syscall(SYS_io_cancel, context_, &read, &event));
  EXPECT_ERRNO(EFAULT, syscall(SYS_io_cancel, context_, nullptr, &event));
}

TEST_F(Aio, RingIsThere) {
  // libaio looks for this before it trusts the rest.
  const auto* ring = reinterpret_cast<const uint32_t*>(context_);
  EXPECT_EQ(0xa10a10a1u, ring[4]);
  EXPECT_EQ(32u, ring[7]);
  EXPECT_EQ(ring[2], ring[3]);
}

}  // namespace
}  // namespace compat
