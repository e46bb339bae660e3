// shmget(2), shmat(2), shmdt(2), shmctl(2).
#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstdint>

#include "compat_tests/common/fault.h"
#include "compat_tests/ipc/ipc.h"

namespace compat {
namespace {

char* attach(int id, const void* at = nullptr, int flags = 0) {
  void* result = shmat(id, at, flags);
  return result == MAP_FAILED ? nullptr : static_cast<char*>(result);
}

shmid_ds status_of(int id) {
  shmid_ds status = {};
  EXPECT_OK(shmctl(id, IPC_STAT, &status));
  return status;
}

TEST(Shm, StartsAsZeros) {
  const Shm id(shmget(IPC_PRIVATE, 3 * kPage, 0600));
  ASSERT_GE(id, 0);
  char* memory = attach(id);
  ASSERT_NE(memory, nullptr);
  for (size_t i = 0; i < 3 * kPage; i += 64) EXPECT_EQ(memory[i], 0);
  EXPECT_OK(shmdt(memory));
}

TEST(Shm, TwoAttachmentsShowTheSameBytes) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  char* one = attach(id);
  char* two = attach(id);
  ASSERT_NE(one, two);
  one[100] = 'x';
  EXPECT_EQ(two[100], 'x');
  EXPECT_OK(shmdt(one));
  EXPECT_EQ(two[100], 'x');
  EXPECT_OK(shmdt(two));
}

TEST(Shm, KeepsItsBytesWithoutAttachments) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  char* memory = attach(id);
  strcpy(memory, "kept");
  ASSERT_OK(shmdt(memory));
  memory = attach(id);
  EXPECT_STREQ(memory, "kept");
  EXPECT_OK(shmdt(memory));
}

TEST(Shm, PrivateIsAlwaysNew) {
  const Shm one(shmget(IPC_PRIVATE, kPage, 0600)), two(shmget(IPC_PRIVATE, kPage, 0600));
  EXPECT_NE(int(one), int(two));
}

TEST(Shm, KeysNameSegments) {
  const key_t key = unused_key();
  EXPECT_ERRNO(ENOENT, shmget(key, kPage, 0600));
  const Shm id(shmget(key, kPage, IPC_CREAT | 0600));
  ASSERT_GE(id, 0);
  EXPECT_EQ(shmget(key, kPage, 0600), id);
  EXPECT_EQ(shmget(key, 0, 0), id);
  EXPECT_EQ(shmget(key, 100, IPC_CREAT | 0600), id);
  EXPECT_ERRNO(EEXIST, shmget(key, kPage, IPC_CREAT | IPC_EXCL | 0600));
  EXPECT_ERRNO(EINVAL, shmget(key, kPage + 1, 0600));
}

TEST(Shm, SizesMustBePossible) {
  EXPECT_ERRNO(EINVAL, shmget(IPC_PRIVATE, 0, 0600));
  EXPECT_ERRNO(EINVAL, shmget(IPC_PRIVATE, ~size_t{0}, 0600));
}

TEST(Shm, NumbersThatAreNone) {
  EXPECT_EQ(attach(-1), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_ERRNO(EINVAL, shmctl(-1, IPC_RMID, nullptr));
  Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  ASSERT_OK(shmctl(id, IPC_RMID, nullptr));
  const int gone = id.release();
  EXPECT_ERRNO(EINVAL, shmctl(gone, IPC_RMID, nullptr));
  EXPECT_EQ(attach(gone), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST(Shm, ANumberIsNotSoonGivenTwice) {
  const int first = shmget(IPC_PRIVATE, kPage, 0600);
  ASSERT_OK(shmctl(first, IPC_RMID, nullptr));
  for (int i = 0; i < 100; ++i) {
    const Shm next(shmget(IPC_PRIVATE, kPage, 0600));
    EXPECT_NE(int(next), first);
  }
}

TEST(Shm, StatusOfANewSegment) {
  const time_t before = time(nullptr);
  const Shm id(shmget(unused_key(), 5000, IPC_CREAT | 0640));
  const shmid_ds status = status_of(id);
  EXPECT_EQ(status.shm_segsz, 5000u);
  EXPECT_EQ(status.shm_perm.__key, unused_key());
  EXPECT_EQ(status.shm_perm.mode, 0640);
  EXPECT_EQ(status.shm_perm.uid, geteuid());
  EXPECT_EQ(status.shm_perm.cuid, geteuid());
  EXPECT_EQ(status.shm_perm.gid, getegid());
  EXPECT_EQ(status.shm_cpid, getpid());
  EXPECT_EQ(status.shm_lpid, 0);
  EXPECT_EQ(status.shm_nattch, 0u);
  EXPECT_EQ(status.shm_atime, 0);
  EXPECT_EQ(status.shm_dtime, 0);
  EXPECT_GE(status.shm_ctime, before);
}

TEST(Shm, StatusFollowsAttachments) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  char* one = attach(id);
  char* two = attach(id);
  shmid_ds status = status_of(id);
  EXPECT_EQ(status.shm_nattch, 2u);
  EXPECT_NE(status.shm_atime, 0);
  EXPECT_EQ(status.shm_dtime, 0);
  EXPECT_EQ(status.shm_lpid, getpid());
  EXPECT_OK(shmdt(one));
  status = status_of(id);
  EXPECT_EQ(status.shm_nattch, 1u);
  EXPECT_NE(status.shm_dtime, 0);
  EXPECT_OK(shmdt(two));
  EXPECT_EQ(status_of(id).shm_nattch, 0u);
}

TEST(Shm, RemovedSegmentsLiveUntilTheLastDetaches) {
  const key_t key = unused_key();
  Shm id(shmget(key, kPage, IPC_CREAT | 0600));
  char* memory = attach(id);
  strcpy(memory, "alive");
  ASSERT_OK(shmctl(id, IPC_RMID, nullptr));
  const shmid_ds status = status_of(id);
  EXPECT_TRUE(status.shm_perm.mode & SHM_DEST);
  EXPECT_EQ(status.shm_perm.__key, IPC_PRIVATE);
  EXPECT_ERRNO(ENOENT, shmget(key, kPage, 0600));
  char* again = attach(id);
  EXPECT_STREQ(again, "alive");
  EXPECT_OK(shmdt(again));
  EXPECT_STREQ(memory, "alive");
  EXPECT_OK(shmdt(memory));
  EXPECT_ERRNO(EINVAL, shmctl(id.release(), IPC_RMID, nullptr));
}

TEST(Shm, ReadOnly) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  char* memory = attach(id, nullptr, SHM_RDONLY);
  EXPECT_TRUE(can_read(memory));
  const Fault fault = fault_of_write(memory);
  EXPECT_EQ(fault.signal, SIGSEGV);
  EXPECT_EQ(fault.code, SEGV_ACCERR);
  EXPECT_ERRNO(EACCES, mprotect(memory, kPage, PROT_READ | PROT_WRITE));
  EXPECT_OK(shmdt(memory));
}

TEST(Shm, AtAnAddress) {
  const Shm id(shmget(IPC_PRIVATE, 2 * kPage, 0600));
  // A place that is free.
  char* place =
      static_cast<char*>(mmap(nullptr, 4 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_OK(munmap(place, 4 * kPage));
  EXPECT_EQ(attach(id, place), place);
  EXPECT_OK(shmdt(place));
  EXPECT_EQ(attach(id, place + 5), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(attach(id, place + 5, SHM_RND), place);
  // Taken.
  EXPECT_EQ(attach(id, place + kPage), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(attach(id, place + kPage, SHM_REMAP), place + kPage);
  EXPECT_OK(shmdt(place + kPage));
  EXPECT_OK(shmdt(place));
  EXPECT_EQ(attach(id, nullptr, SHM_REMAP), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST(Shm, DetachingNeedsTheStart) {
  const Shm id(shmget(IPC_PRIVATE, 2 * kPage, 0600));
  char* memory = attach(id);
  EXPECT_ERRNO(EINVAL, shmdt(memory + 1));
  EXPECT_ERRNO(EINVAL, shmdt(memory + kPage));
  EXPECT_OK(shmdt(memory));
  EXPECT_ERRNO(EINVAL, shmdt(memory));
  void* other = mmap(nullptr, kPage, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  EXPECT_ERRNO(EINVAL, shmdt(other));
  EXPECT_OK(munmap(other, kPage));
}

TEST(Shm, DetachesAllPartsOfAnAttachment) {
  const Shm id(shmget(IPC_PRIVATE, 3 * kPage, 0600));
  char* memory = attach(id);
  ASSERT_OK(mprotect(memory + kPage, kPage, PROT_READ));
  EXPECT_EQ(status_of(id).shm_nattch, 3u);
  ASSERT_OK(munmap(memory, kPage));
  EXPECT_OK(shmdt(memory));
  EXPECT_EQ(status_of(id).shm_nattch, 0u);
  EXPECT_FALSE(can_read(memory + kPage));
  EXPECT_FALSE(can_read(memory + 2 * kPage));
}

TEST(Shm, MunmapDetachesToo) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  char* memory = attach(id);
  ASSERT_OK(munmap(memory, kPage));
  EXPECT_EQ(status_of(id).shm_nattch, 0u);
}

TEST(Shm, MremapKeepsItAttached) {
  const Shm id(shmget(IPC_PRIVATE, 2 * kPage, 0600));
  char* memory = attach(id);
  memory[0] = 'm';
  char* place =
      static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char* moved = static_cast<char*>(
      mremap(memory, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, place));
  ASSERT_EQ(moved, place);
  EXPECT_EQ(moved[0], 'm');
  EXPECT_EQ(status_of(id).shm_nattch, 1u);
  EXPECT_ERRNO(EINVAL, shmdt(memory));
  EXPECT_OK(shmdt(moved));
}

TEST(Shm, ChildrenInheritAttachments) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  char* memory = attach(id);
  EXPECT_EQ(0, in_child([&] {
              if (status_of(id).shm_nattch != 2) return 1;
              strcpy(memory, "from the child");
              return 0;
            }));
  EXPECT_STREQ(memory, "from the child");
  const shmid_ds status = status_of(id);
  EXPECT_EQ(status.shm_nattch, 1u);
  EXPECT_NE(status.shm_lpid, getpid());
  EXPECT_OK(shmdt(memory));
  EXPECT_EQ(status_of(id).shm_lpid, getpid());
}

TEST(Shm, TheEndOfAProcessRemovesWhatWasMarked) {
  int fds[2];
  ASSERT_OK(pipe(fds));
  const Fd reader(fds[0]), writer(fds[1]);
  EXPECT_EQ(0, in_child([&] {
              const int id = shmget(IPC_PRIVATE, kPage, 0600);
              attach(id);
              shmctl(id, IPC_RMID, nullptr);
              return write(writer, &id, sizeof id) == sizeof id ? 0 : 1;
            }));
  int id = -1;
  ASSERT_EQ(ssize_t(sizeof id), read(reader, &id, sizeof id));
  shmid_ds status;
  EXPECT_ERRNO(EINVAL, shmctl(id, IPC_STAT, &status));
}

TEST(Shm, ProcessesFindEachOtherByKey) {
  const key_t key = unused_key(7);
  const Shm id(shmget(key, kPage, IPC_CREAT | 0600));
  char* memory = attach(id);
  memory[0] = 1;
  EXPECT_EQ(0, in_child([&] {
              char* mine = attach(shmget(key, 0, 0));
              if (!mine || mine == memory || mine[0] != 1) return 1;
              mine[0] = 2;
              return 0;
            }));
  EXPECT_EQ(memory[0], 2);
  EXPECT_OK(shmdt(memory));
}

TEST(Shm, Set) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  shmid_ds status = status_of(id);
  status.shm_perm.mode = 0444;
  status.shm_perm.gid = 77;
  ASSERT_OK(shmctl(id, IPC_SET, &status));
  status = status_of(id);
  EXPECT_EQ(status.shm_perm.mode, 0444);
  EXPECT_EQ(status.shm_perm.gid, 77u);
  EXPECT_EQ(status.shm_perm.cgid, getegid());
  status.shm_perm.uid = -1;
  EXPECT_ERRNO(EINVAL, shmctl(id, IPC_SET, &status));
}

TEST(Shm, LockIsAMark) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  ASSERT_OK(shmctl(id, SHM_LOCK, nullptr));
  EXPECT_TRUE(status_of(id).shm_perm.mode & SHM_LOCKED);
  ASSERT_OK(shmctl(id, SHM_UNLOCK, nullptr));
  EXPECT_FALSE(status_of(id).shm_perm.mode & SHM_LOCKED);
}

TEST(Shm, Permissions) {
  NEEDS_ROOT();
  const key_t key = unused_key(8);
  const Shm id(shmget(key, kPage, IPC_CREAT | 0604));
  as_other_user([&] {
    EXPECT_EQ(shmget(key, kPage, 0), id);
    EXPECT_EQ(shmget(key, kPage, 0400), id);
    EXPECT_ERRNO(EACCES, shmget(key, kPage, 0600));
    EXPECT_EQ(attach(id), nullptr);
    EXPECT_EQ(errno, EACCES);
    char* memory = attach(id, nullptr, SHM_RDONLY);
    EXPECT_NE(memory, nullptr);
    EXPECT_OK(shmdt(memory));
    shmid_ds status;
    EXPECT_OK(shmctl(id, IPC_STAT, &status));
    EXPECT_ERRNO(EPERM, shmctl(id, IPC_SET, &status));
    EXPECT_ERRNO(EPERM, shmctl(id, IPC_RMID, nullptr));
    EXPECT_ERRNO(EPERM, shmctl(id, SHM_LOCK, nullptr));
  });
}

TEST(Shm, Limits) {
  shminfo limits = {};
  EXPECT_GE(shmctl(0, IPC_INFO, reinterpret_cast<shmid_ds*>(&limits)), 0);
  EXPECT_EQ(limits.shmmin, 1u);
  EXPECT_EQ(limits.shmmni, 4096u);
  EXPECT_EQ(limits.shmmax, 18446744073692774399u);
  EXPECT_ERRNO(EFAULT, shmctl(0, IPC_INFO, bad_pointer<shmid_ds>()));
}

TEST(Shm, UsageCountsSegments) {
  in_own_ipc_namespace([] {
    shm_info before = {}, after = {};
    ASSERT_GE(shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&before)), 0);
    const Shm id(shmget(IPC_PRIVATE, 3 * kPage - 1, 0600));
    const int highest = shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&after));
    EXPECT_EQ(after.used_ids, before.used_ids + 1);
    EXPECT_EQ(after.shm_tot, before.shm_tot + 3);
    // By index.
    bool found = false;
    for (int index = 0; index <= highest; ++index) {
      shmid_ds status = {};
      found |= shmctl(index, SHM_STAT, &status) == id;
    }
    EXPECT_TRUE(found);
  });
}

TEST(Shm, CommandsThatAreNone) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  EXPECT_ERRNO(EINVAL, shmctl(id, 99, nullptr));
  EXPECT_ERRNO(EINVAL, shmctl(id, -1, nullptr));
  EXPECT_ERRNO(EFAULT, shmctl(id, IPC_STAT, bad_pointer<shmid_ds>()));
  EXPECT_ERRNO(EFAULT, shmctl(id, IPC_SET, bad_pointer<shmid_ds>()));
}

TEST(Shm, Proc) {
  const Shm id(shmget(unused_key(9), 12345, IPC_CREAT | 0640));
  const std::string table = read_file("/proc/sysvipc/shm");
  EXPECT_EQ(0u, table.find("       key      shmid perms                  size  cpid  lpid nattch"));
  char line[200];
  snprintf(line, sizeof line, "%10d %10d  %4o %21u %5d %5d  %5d", unused_key(9), int(id), 0640,
           12345u, getpid(), 0, 0);
  EXPECT_NE(std::string::npos, table.find(line)) << table;
}

TEST(Shm, MapsShowTheKey) {
  const Shm id(shmget(unused_key(10), kPage, IPC_CREAT | 0600));
  char* memory = attach(id);
  char name[40];
  snprintf(name, sizeof name, "/SYSV%08x (deleted)", unused_key(10));
  EXPECT_NE(std::string::npos, read_file("/proc/self/maps").find(name));
  EXPECT_OK(shmdt(memory));
}

TEST(Shm, FutexBetweenAttachments) {
  const Shm id(shmget(IPC_PRIVATE, kPage, 0600));
  auto* one = reinterpret_cast<std::atomic<uint32_t>*>(attach(id));
  auto* two = reinterpret_cast<std::atomic<uint32_t>*>(attach(id));
  std::thread waiter([&] {
    while (*one == 0) syscall(SYS_futex, one, 0, 0, nullptr, nullptr, 0);
  });
  let_others_block();
  *two = 1;
  // Not private: the word is one, though the addresses are two.
  EXPECT_OK(syscall(SYS_futex, two, 1, 1, nullptr, nullptr, 0));
  waiter.join();
  EXPECT_OK(shmdt(one));
  EXPECT_OK(shmdt(two));
}

// Huge pages are locked memory, so they take the right to lock so much.
TEST(Shm, HugePagesNeedTheRight) {
  NEEDS_ROOT();
  const auto body = [] {
    const rlimit none = {0, 0};
    if (setrlimit(RLIMIT_MEMLOCK, &none) || setgroups(0, nullptr) || setgid(kOtherGroup) ||
        setuid(kOtherUser))
      return 1;
    const Shm refused(shmget(IPC_PRIVATE, 4096, SHM_HUGETLB | 0600));
    if (refused >= 0) return 2;
    // EINVAL: a kernel without CONFIG_HUGETLBFS.
    return errno == EPERM || errno == EINVAL ? 0 : 3;
  };
  EXPECT_EQ(in_child(body), 0);
}

}  // namespace
}  // namespace compat
