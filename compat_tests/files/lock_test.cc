// flock(2), and record locks of fcntl(2): those of the process, and those of an open file
// description.
#include <string.h>
#include <sys/file.h>

#include <atomic>
#include <thread>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

class Lock : public testing::Test {
 protected:
  Lock() {
    write_file(dir / "file", "0123456789");
    one.reset(open((dir / "file").c_str(), O_RDWR));
    two.reset(open((dir / "file").c_str(), O_RDWR));
  }

  TempDir dir;
  Fd one, two;  // two open file descriptions of one file
};

struct flock range(short type, off_t start = 0, off_t length = 0, short whence = SEEK_SET) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = whence;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

int set(int fd, int command, struct flock lock) {
  return fcntl(fd, command, &lock);
}

TEST_F(Lock, FlockExcludesOtherDescriptions) {
  ASSERT_OK(flock(one, LOCK_EX));
  EXPECT_ERRNO(EWOULDBLOCK, flock(two, LOCK_EX | LOCK_NB));
  EXPECT_ERRNO(EWOULDBLOCK, flock(two, LOCK_SH | LOCK_NB));
  ASSERT_OK(flock(one, LOCK_UN));
  EXPECT_OK(flock(two, LOCK_EX | LOCK_NB));
}

TEST_F(Lock, FlockIsShared) {
  ASSERT_OK(flock(one, LOCK_SH));
  EXPECT_OK(flock(two, LOCK_SH | LOCK_NB));
  EXPECT_ERRNO(EWOULDBLOCK, flock(two, LOCK_EX | LOCK_NB));
}

TEST_F(Lock, FlockBelongsToTheDescription) {
  Fd copy(dup(one));
  ASSERT_OK(flock(one, LOCK_EX));
  EXPECT_OK(flock(copy, LOCK_EX | LOCK_NB));
  one.reset();
  EXPECT_ERRNO(EWOULDBLOCK, flock(two, LOCK_EX | LOCK_NB));
  copy.reset();
  EXPECT_OK(flock(two, LOCK_EX | LOCK_NB));
}

TEST_F(Lock, FlockChangesItsKind) {
  ASSERT_OK(flock(one, LOCK_EX));
  ASSERT_OK(flock(one, LOCK_SH));
  EXPECT_OK(flock(two, LOCK_SH | LOCK_NB));
}

TEST_F(Lock, FlockWaits) {
  ASSERT_OK(flock(one, LOCK_EX));
  std::atomic<bool> locked = false;
  std::thread waiter([&] {
    EXPECT_OK(flock(two, LOCK_EX));
    locked = true;
  });
  let_others_block();
  EXPECT_FALSE(locked);
  ASSERT_OK(flock(one, LOCK_UN));
  waiter.join();
  EXPECT_TRUE(locked);
}

TEST_F(Lock, FlockErrors) {
  EXPECT_ERRNO(EINVAL, flock(one, 0));
  EXPECT_ERRNO(EINVAL, flock(one, LOCK_SH | LOCK_EX));
  EXPECT_ERRNO(EBADF, flock(-1, LOCK_SH));
}

TEST_F(Lock, ProcessNeverExcludesItself) {
  EXPECT_OK(set(one, F_SETLK, range(F_WRLCK)));
  EXPECT_OK(set(two, F_SETLK, range(F_WRLCK)));
  struct flock found = range(F_WRLCK);
  ASSERT_OK(fcntl(two, F_GETLK, &found));
  EXPECT_EQ(F_UNLCK, found.l_type);
}

TEST_F(Lock, DescriptionsExcludeEachOther) {
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK)));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_WRLCK)));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_RDLCK)));
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_UNLCK)));
  EXPECT_OK(set(two, F_OFD_SETLK, range(F_WRLCK)));
}

TEST_F(Lock, ReadersShare) {
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_RDLCK)));
  EXPECT_OK(set(two, F_OFD_SETLK, range(F_RDLCK)));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_WRLCK)));
}

TEST_F(Lock, ProcessAndDescriptionExcludeEachOther) {
  ASSERT_OK(set(one, F_SETLK, range(F_WRLCK, 2, 3)));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_WRLCK, 4, 1)));
  EXPECT_OK(set(two, F_OFD_SETLK, range(F_WRLCK, 5, 1)));
  struct flock found = range(F_WRLCK);
  ASSERT_OK(fcntl(one, F_GETLK, &found));
  EXPECT_EQ(F_WRLCK, found.l_type);
  EXPECT_EQ(5, found.l_start);
  EXPECT_EQ(1, found.l_len);
  EXPECT_EQ(-1, found.l_pid);
}

TEST_F(Lock, ProcessLocksEndWithAnyCloseOfTheFile) {
  // fcntl(2): closing any descriptor of the file releases all of the process's locks on it.
  ASSERT_OK(set(one, F_SETLK, range(F_WRLCK)));
  Fd third(open((dir / "file").c_str(), O_RDONLY));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_WRLCK)));
  third.reset();
  EXPECT_OK(set(two, F_OFD_SETLK, range(F_WRLCK)));
}

TEST_F(Lock, DescriptionLocksEndWithItsLastDescriptor) {
  Fd copy(dup(one));
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK)));
  one.reset();
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_WRLCK)));
  copy.reset();
  EXPECT_OK(set(two, F_OFD_SETLK, range(F_WRLCK)));
}

TEST_F(Lock, FindsTheBlockingLock) {
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_RDLCK, 10, 20)));
  struct flock found = range(F_WRLCK, 0, 100);
  ASSERT_OK(fcntl(two, F_OFD_GETLK, &found));
  EXPECT_EQ(F_RDLCK, found.l_type);
  EXPECT_EQ(SEEK_SET, found.l_whence);
  EXPECT_EQ(10, found.l_start);
  EXPECT_EQ(20, found.l_len);
  EXPECT_EQ(-1, found.l_pid);
  found = range(F_RDLCK, 0, 100);
  ASSERT_OK(fcntl(two, F_OFD_GETLK, &found));
  EXPECT_EQ(F_UNLCK, found.l_type);
}

TEST_F(Lock, UnlockingTheMiddleSplits) {
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK, 0, 30)));
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_UNLCK, 10, 10)));
  EXPECT_OK(set(two, F_OFD_SETLK, range(F_WRLCK, 10, 10)));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_WRLCK, 9, 1)));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_WRLCK, 20, 1)));
  EXPECT_OK(set(two, F_OFD_SETLK, range(F_WRLCK, 30, 1)));
}

TEST_F(Lock, NeighboursMerge) {
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK, 0, 10)));
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK, 10, 10)));
  struct flock found = range(F_WRLCK, 0, 0);
  ASSERT_OK(fcntl(two, F_OFD_GETLK, &found));
  EXPECT_EQ(0, found.l_start);
  EXPECT_EQ(20, found.l_len);
}

TEST_F(Lock, PartCanChangeItsKind) {
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK, 0, 30)));
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_RDLCK, 10, 10)));
  EXPECT_OK(set(two, F_OFD_SETLK, range(F_RDLCK, 10, 10)));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_RDLCK, 0, 10)));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_RDLCK, 20, 10)));
}

TEST_F(Lock, LengthZeroMeansToTheEnd) {
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK, 100, 0)));
  EXPECT_ERRNO(EAGAIN, set(two, F_OFD_SETLK, range(F_WRLCK, 1 << 30, 1)));
  struct flock found = range(F_WRLCK);
  ASSERT_OK(fcntl(two, F_OFD_GETLK, &found));
  EXPECT_EQ(100, found.l_start);
  EXPECT_EQ(0, found.l_len);
}

TEST_F(Lock, NegativeLengthAndOtherOrigins) {
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK, 8, -3)));
  struct flock found = range(F_WRLCK);
  ASSERT_OK(fcntl(two, F_OFD_GETLK, &found));
  EXPECT_EQ(5, found.l_start);
  EXPECT_EQ(3, found.l_len);
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_UNLCK)));
  ASSERT_OK(lseek(one, 4, SEEK_SET));
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK, -1, 2, SEEK_CUR)));
  found = range(F_WRLCK);
  ASSERT_OK(fcntl(two, F_OFD_GETLK, &found));
  EXPECT_EQ(3, found.l_start);
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_UNLCK)));
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK, -2, 1, SEEK_END)));
  found = range(F_WRLCK);
  ASSERT_OK(fcntl(two, F_OFD_GETLK, &found));
  EXPECT_EQ(8, found.l_start);
}

TEST_F(Lock, DescriptionLockWaits) {
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_WRLCK, 0, 10)));
  std::atomic<bool> locked = false;
  std::thread waiter([&] {
    EXPECT_OK(set(two, F_OFD_SETLKW, range(F_WRLCK, 5, 10)));
    locked = true;
  });
  let_others_block();
  EXPECT_FALSE(locked);
  ASSERT_OK(set(one, F_OFD_SETLK, range(F_UNLCK, 5, 5)));
  waiter.join();
  EXPECT_TRUE(locked);
}

TEST_F(Lock, RecordLockErrors) {
  EXPECT_ERRNO(EINVAL, set(one, F_SETLK, range(77)));
  EXPECT_ERRNO(EINVAL, set(one, F_SETLK, range(F_WRLCK, 0, 0, 77)));
  EXPECT_ERRNO(EINVAL, set(one, F_SETLK, range(F_WRLCK, -1)));
  EXPECT_ERRNO(EINVAL, set(one, F_SETLK, range(F_WRLCK, 2, -3)));
  EXPECT_ERRNO(EBADF, set(-1, F_SETLK, range(F_WRLCK)));
  EXPECT_ERRNO(EFAULT, fcntl(one, F_SETLK, bad_pointer<struct flock>()));
  struct flock with_pid = range(F_WRLCK);
  with_pid.l_pid = 1;
  EXPECT_ERRNO(EINVAL, set(one, F_OFD_SETLK, with_pid));
  Fd reader(open((dir / "file").c_str(), O_RDONLY)), writer(open((dir / "file").c_str(), O_WRONLY));
  EXPECT_ERRNO(EBADF, set(reader, F_SETLK, range(F_WRLCK)));
  EXPECT_ERRNO(EBADF, set(writer, F_SETLK, range(F_RDLCK)));
}

TEST_F(Lock, FlockAndRecordLocksIgnoreEachOther) {
  ASSERT_OK(flock(one, LOCK_EX));
  EXPECT_OK(set(two, F_OFD_SETLK, range(F_WRLCK)));
}

}  // namespace
}  // namespace compat
