// Leases, and files found by handle.
#include "fs/core/lease.h"

#include <fcntl.h>

#include "syscalls/testing/file_program.h"

namespace narwhal::testing {
namespace {

using test_program::fork;
using test_program::handle;
using test_program::let_others_run;
using test_program::start_thread;
using test_program::wait_for;

class LeaseTest : public FileProgram {
 protected:
  void SetUp() override {
    FileProgram::SetUp();
    EXPECT_CALL_IS(0, SYS_close, make_file("file", "content"));
    signals_ = 0;
    ASSERT_EQ(handle(Signal::kIo, [this](test_program::Caught&) { ++signals_; }), 0);
  }
  i64 open_file(int flags) { return call(SYS_open, "file", flags); }
  int signals_ = 0;
};

TEST_F(LeaseTest, WhoOpensInConflictIsToldToWait) {
  const i64 fd = open_file(O_RDONLY);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLEASE, F_WRLCK);
  EXPECT_CALL_IS(-EAGAIN, SYS_open, "file", O_RDONLY | O_NONBLOCK);
  EXPECT_CALL_IS(F_RDLCK, SYS_fcntl, fd, F_GETLEASE);
  EXPECT_EQ(signals_, 1);
  // Asked once for as much.
  EXPECT_CALL_IS(-EAGAIN, SYS_open, "file", O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(signals_, 1);
  // And again for more.
  EXPECT_CALL_IS(-EAGAIN, SYS_open, "file", O_WRONLY | O_NONBLOCK);
  EXPECT_EQ(signals_, 2);
  EXPECT_CALL_IS(F_UNLCK, SYS_fcntl, fd, F_GETLEASE);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLEASE, F_UNLCK);
  EXPECT_FALSE(Leases::any_breaking());
  EXPECT_GE(open_file(O_WRONLY), 0);
}

TEST_F(LeaseTest, OpeningGoesOnWhenTheHolderLetsGo) {
  const i64 fd = open_file(O_RDONLY);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLEASE, F_RDLCK);
  i64 opened = -1;
  start_thread([&] { opened = open_file(O_RDWR); });
  let_others_run();
  EXPECT_EQ(opened, -1);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLEASE, F_UNLCK);
  let_others_run();
  EXPECT_GE(opened, 0);
}

TEST_F(LeaseTest, ReadersDoNotDisturbReadLeases) {
  const i64 fd = open_file(O_RDONLY);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLEASE, F_RDLCK);
  EXPECT_GE(open_file(O_RDONLY), 0);
  EXPECT_EQ(signals_, 0);
}

TEST_F(LeaseTest, TimeTakesThemAway) {
  const u32 before = Leases::break_time_s.load();
  Leases::break_time_s.store(0);
  const i64 fd = open_file(O_RDONLY);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLEASE, F_WRLCK);
  EXPECT_CALL_IS(-EAGAIN, SYS_open, "file", O_WRONLY | O_NONBLOCK);
  // Nobody lets go, and the next who asks gets in.
  EXPECT_GE(open_file(O_WRONLY), 0);
  EXPECT_CALL_IS(-EAGAIN, SYS_fcntl, fd, F_SETLEASE, F_UNLCK);
  EXPECT_FALSE(Leases::any_breaking());
  Leases::break_time_s.store(before);
}

TEST_F(LeaseTest, TheEndOfADescriptionIsTheEndOfItsLease) {
  const i32 child = fork([&] {
    const i64 fd = open_file(O_RDONLY);
    EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLEASE, F_WRLCK);
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_GE(open_file(O_RDWR | O_NONBLOCK), 0);
}

TEST_F(LeaseTest, TruncationCountsAsWriting) {
  const i64 fd = open_file(O_RDONLY);
  EXPECT_CALL_IS(0, SYS_fcntl, fd, F_SETLEASE, F_RDLCK);
  bool done = false;
  start_thread([&] {
    EXPECT_CALL_IS(0, SYS_truncate, "file", 0);
    done = true;
  });
  let_others_run();
  EXPECT_FALSE(done);
  EXPECT_EQ(read_file("file"), "content");
  EXPECT_CALL_IS(0, SYS_close, fd);
  let_others_run();
  EXPECT_TRUE(done);
}

// --- name_to_handle_at(2)

class HandleTest : public FileProgram {
 protected:
  static constexpr u32 kHeader = 8;
  // Where the handle of `path` is.
  UserAddr handle_of(std::string_view path) {
    const UserAddr at = allocate(kHeader + 128);
    EXPECT_TRUE(store_user(at, u32{128}).ok());
    EXPECT_CALL_IS(0, SYS_name_to_handle_at, AT_FDCWD, path, at, allocate(4), 0);
    return at;
  }
};

TEST_F(HandleTest, FindsFilesAndDirectories) {
  EXPECT_CALL_IS(0, SYS_mkdir, "a", 0755);
  EXPECT_CALL_IS(0, SYS_mkdir, "a/b", 0755);
  make_file("a/b/deep", "deep content");
  make_file("other", "other content");
  i64 fd = call(SYS_open_by_handle_at, AT_FDCWD, handle_of("a/b/deep"), O_RDONLY);
  EXPECT_EQ(read(fd), "deep content");
  fd = call(SYS_open_by_handle_at, AT_FDCWD, handle_of("a/b"), O_RDONLY | O_DIRECTORY);
  EXPECT_GE(fd, 0);
  EXPECT_GE(call(SYS_openat, fd, "deep", O_RDONLY), 0);
}

TEST_F(HandleTest, Refusals) {
  make_file("file", "");
  const UserAddr handle = handle_of("file");
  EXPECT_CALL_IS(0, SYS_unlink, "file");
  EXPECT_CALL_IS(-ESTALE, SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY);
  EXPECT_CALL_IS(-EBADF, SYS_open_by_handle_at, 1000, handle, O_RDONLY);
  EXPECT_CALL_IS(-EFAULT, SYS_open_by_handle_at, AT_FDCWD, kBadAddress, O_RDONLY);
  EXPECT_TRUE(store_user(handle, u32{0}).ok());
  EXPECT_CALL_IS(-EINVAL, SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY);
  become(1000, 1000);
  EXPECT_CALL_IS(-EPERM, SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY);
}

// --- packet mode of pipes

using PacketTest = FileProgram;

TEST_F(PacketTest, EachReadGetsOneWrite) {
  const auto [reader, writer] = make_pipe(O_DIRECT | O_NONBLOCK);
  EXPECT_CALL_IS(3, SYS_write, writer, "one", 3);
  EXPECT_CALL_IS(5, SYS_write, writer, "three", 5);
  EXPECT_CALL_IS(0, SYS_write, writer, "", 0);
  EXPECT_EQ(read(reader, 2), "on");
  EXPECT_EQ(read(reader), "three");
  EXPECT_EQ(read(reader), "EAGAIN");
}

TEST_F(PacketTest, SplicedPacketsStayPackets) {
  const auto [reader, writer] = make_pipe(O_DIRECT | O_NONBLOCK);
  const auto [reader2, writer2] = make_pipe(O_NONBLOCK);
  EXPECT_CALL_IS(1, SYS_write, writer, "a", 1);
  EXPECT_CALL_IS(1, SYS_write, writer, "b", 1);
  EXPECT_CALL_IS(2, SYS_tee, reader, writer2, 100, 0);
  EXPECT_EQ(read(reader2), "a");
  EXPECT_EQ(read(reader2), "b");
  EXPECT_EQ(read(reader), "a");
}

}  // namespace
}  // namespace narwhal::testing
