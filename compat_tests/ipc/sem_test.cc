// semget(2), semop(2), semtimedop(2), semctl(2).
#include <array>
#include <vector>

#include "compat_tests/ipc/ipc.h"

namespace compat {
namespace {

union Argument {
  int val;
  semid_ds* buf;
  unsigned short* array;
  seminfo* info;
};

int set_value(int id, int number, int value) {
  return semctl(id, number, SETVAL, Argument{.val = value});
}
int value_of(int id, int number = 0) {
  return semctl(id, number, GETVAL);
}
int operate(int id, std::vector<sembuf> operations) {
  return semop(id, operations.data(), operations.size());
}
sembuf op(int number, int change, int flags = 0) {
  return {static_cast<unsigned short>(number), static_cast<short>(change),
          static_cast<short>(flags)};
}
semid_ds status_of(int id) {
  semid_ds status = {};
  EXPECT_OK(semctl(id, 0, IPC_STAT, Argument{.buf = &status}));
  return status;
}
int make(int count = 1, int mode = 0600) {
  return semget(IPC_PRIVATE, count, mode);
}

TEST(Sem, StartsAtZero) {
  const Sem id(make(3));
  ASSERT_GE(id, 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(value_of(id, i), 0);
}

TEST(Sem, KeysNameSets) {
  const key_t key = unused_key();
  EXPECT_ERRNO(ENOENT, semget(key, 1, 0600));
  const Sem id(semget(key, 2, IPC_CREAT | 0600));
  EXPECT_EQ(semget(key, 2, 0600), id);
  EXPECT_EQ(semget(key, 0, 0), id);
  EXPECT_EQ(semget(key, 1, IPC_CREAT), id);
  EXPECT_ERRNO(EINVAL, semget(key, 3, 0600));
  EXPECT_ERRNO(EEXIST, semget(key, 2, IPC_CREAT | IPC_EXCL | 0600));
}

TEST(Sem, CountsMustBePossible) {
  EXPECT_ERRNO(EINVAL, semget(IPC_PRIVATE, 0, 0600));
  EXPECT_ERRNO(EINVAL, semget(IPC_PRIVATE, -1, 0600));
  EXPECT_ERRNO(EINVAL, semget(IPC_PRIVATE, 32001, 0600));
}

TEST(Sem, AddsAndSubtracts) {
  const Sem id(make());
  EXPECT_OK(operate(id, {op(0, 5)}));
  EXPECT_EQ(value_of(id), 5);
  EXPECT_OK(operate(id, {op(0, -3)}));
  EXPECT_EQ(value_of(id), 2);
  EXPECT_ERRNO(EAGAIN, operate(id, {op(0, -3, IPC_NOWAIT)}));
  EXPECT_EQ(value_of(id), 2);
  EXPECT_ERRNO(EAGAIN, operate(id, {op(0, 0, IPC_NOWAIT)}));
  EXPECT_OK(operate(id, {op(0, -2)}));
  EXPECT_OK(operate(id, {op(0, 0, IPC_NOWAIT)}));
}

TEST(Sem, AllOperationsOrNone) {
  const Sem id(make(2));
  ASSERT_OK(set_value(id, 0, 1));
  EXPECT_ERRNO(EAGAIN, operate(id, {op(0, -1, IPC_NOWAIT), op(1, -1, IPC_NOWAIT)}));
  EXPECT_EQ(value_of(id, 0), 1);
  EXPECT_OK(operate(id, {op(1, 1), op(0, -1), op(1, -1)}));
  EXPECT_EQ(value_of(id, 0), 0);
  EXPECT_EQ(value_of(id, 1), 0);
}

TEST(Sem, OperationsAreInOrder) {
  const Sem id(make());
  EXPECT_OK(operate(id, {op(0, 0, IPC_NOWAIT), op(0, 1, IPC_NOWAIT)}));
  EXPECT_EQ(value_of(id), 1);
  EXPECT_ERRNO(EAGAIN, operate(id, {op(0, 1, IPC_NOWAIT), op(0, 0, IPC_NOWAIT)}));
  EXPECT_EQ(value_of(id), 1);
}

TEST(Sem, OperationErrors) {
  const Sem id(make(2));
  EXPECT_ERRNO(EFBIG, operate(id, {op(2, 1)}));
  EXPECT_ERRNO(EINVAL, semop(id, nullptr, 0));
  EXPECT_ERRNO(EINVAL, operate(-1, {op(0, 1)}));
  EXPECT_ERRNO(E2BIG, operate(id, std::vector<sembuf>(501, op(0, 0))));
  EXPECT_ERRNO(EFAULT, semop(id, bad_pointer<sembuf>(), 1));
  EXPECT_OK(operate(id, {op(0, 32767)}));
  EXPECT_ERRNO(ERANGE, operate(id, {op(0, 1)}));
  EXPECT_EQ(value_of(id), 32767);
}

TEST(Sem, SetValue) {
  const Sem id(make(2));
  EXPECT_OK(set_value(id, 1, 7));
  EXPECT_EQ(value_of(id, 0), 0);
  EXPECT_EQ(value_of(id, 1), 7);
  EXPECT_ERRNO(ERANGE, set_value(id, 0, -1));
  EXPECT_ERRNO(ERANGE, set_value(id, 0, 32768));
  EXPECT_ERRNO(EINVAL, set_value(id, 2, 1));
  EXPECT_ERRNO(EINVAL, set_value(id, -1, 1));
  EXPECT_ERRNO(EINVAL, value_of(id, 2));
}

TEST(Sem, GetAllAndSetAll) {
  const Sem id(make(4));
  unsigned short values[] = {4, 3, 2, 1}, seen[4] = {};
  EXPECT_OK(semctl(id, 0, SETALL, Argument{.array = values}));
  EXPECT_OK(semctl(id, 0, GETALL, Argument{.array = seen}));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(seen[i], values[i]);
  values[2] = 32768;
  EXPECT_ERRNO(ERANGE, semctl(id, 0, SETALL, Argument{.array = values}));
  EXPECT_EQ(value_of(id, 2), 2);
  EXPECT_ERRNO(EFAULT, semctl(id, 0, SETALL, Argument{.array = bad_pointer<unsigned short>()}));
  EXPECT_ERRNO(EFAULT, semctl(id, 0, GETALL, Argument{.array = bad_pointer<unsigned short>()}));
}

TEST(Sem, Status) {
  const time_t before = time(nullptr);
  const Sem id(semget(unused_key(2), 3, IPC_CREAT | 0640));
  semid_ds status = status_of(id);
  EXPECT_EQ(status.sem_nsems, 3u);
  EXPECT_EQ(status.sem_perm.__key, unused_key(2));
  EXPECT_EQ(status.sem_perm.mode, 0640);
  EXPECT_EQ(status.sem_otime, 0);
  EXPECT_GE(status.sem_ctime, before);
  ASSERT_OK(operate(id, {op(0, 1)}));
  status = status_of(id);
  EXPECT_GE(status.sem_otime, before);
}

TEST(Sem, LastProcess) {
  const Sem id(make(2));
  EXPECT_EQ(semctl(id, 0, GETPID), 0);
  ASSERT_OK(operate(id, {op(0, 1)}));
  EXPECT_EQ(semctl(id, 0, GETPID), getpid());
  EXPECT_EQ(semctl(id, 1, GETPID), 0);
  const pid_t child = start_child([&] { return operate(id, {op(0, 1)}); });
  EXPECT_EQ(0, end_of(child));
  EXPECT_EQ(semctl(id, 0, GETPID), child);
}

TEST(Sem, Set) {
  const Sem id(make());
  semid_ds status = status_of(id);
  status.sem_perm.mode = 0404;
  status.sem_perm.uid = 99;
  ASSERT_OK(semctl(id, 0, IPC_SET, Argument{.buf = &status}));
  status = status_of(id);
  EXPECT_EQ(status.sem_perm.mode, 0404);
  EXPECT_EQ(status.sem_perm.uid, 99u);
  EXPECT_EQ(status.sem_perm.cuid, geteuid());
}

TEST(Sem, WaitsForARise) {
  const Sem id(make());
  std::thread waiter([&] { EXPECT_OK(operate(id, {op(0, -2)})); });
  EXPECT_TRUE(eventually([&] { return semctl(id, 0, GETNCNT) == 1; }));
  ASSERT_OK(operate(id, {op(0, 1)}));
  EXPECT_EQ(semctl(id, 0, GETNCNT), 1);
  ASSERT_OK(operate(id, {op(0, 2)}));
  waiter.join();
  EXPECT_EQ(value_of(id), 1);
  EXPECT_EQ(semctl(id, 0, GETNCNT), 0);
}

TEST(Sem, WaitsForZero) {
  const Sem id(make());
  ASSERT_OK(set_value(id, 0, 2));
  std::thread waiter([&] { EXPECT_OK(operate(id, {op(0, 0)})); });
  EXPECT_TRUE(eventually([&] { return semctl(id, 0, GETZCNT) == 1; }));
  EXPECT_EQ(semctl(id, 0, GETNCNT), 0);
  ASSERT_OK(operate(id, {op(0, -1)}));
  EXPECT_EQ(semctl(id, 0, GETZCNT), 1);
  ASSERT_OK(set_value(id, 0, 0));
  waiter.join();
}

TEST(Sem, ChangesAreMadeForTheSleeper) {
  // The sleeper's subtraction is done before the call that lets it go on returns.
  const Sem id(make());
  std::thread waiter([&] { EXPECT_OK(operate(id, {op(0, -1)})); });
  EXPECT_TRUE(eventually([&] { return semctl(id, 0, GETNCNT) == 1; }));
  ASSERT_OK(operate(id, {op(0, 1)}));
  EXPECT_EQ(value_of(id), 0);
  waiter.join();
}

TEST(Sem, OneChangeLetsSeveralGoOn) {
  const Sem id(make());
  std::array<std::thread, 3> waiters;
  for (auto& waiter : waiters) waiter = std::thread([&] { EXPECT_OK(operate(id, {op(0, -1)})); });
  EXPECT_TRUE(eventually([&] { return semctl(id, 0, GETNCNT) == 3; }));
  ASSERT_OK(operate(id, {op(0, 2)}));
  EXPECT_TRUE(eventually([&] { return semctl(id, 0, GETNCNT) == 1; }));
  ASSERT_OK(operate(id, {op(0, 1)}));
  for (auto& waiter : waiters) waiter.join();
  EXPECT_EQ(value_of(id), 0);
}

TEST(Sem, OneSleeperMayLetAnotherGoOn) {
  const Sem id(make(2));
  std::thread first([&] { EXPECT_OK(operate(id, {op(0, -1), op(1, 1)})); });
  std::thread second([&] { EXPECT_OK(operate(id, {op(1, -1)})); });
  EXPECT_TRUE(
      eventually([&] { return semctl(id, 0, GETNCNT) == 1 && semctl(id, 1, GETNCNT) == 1; }));
  ASSERT_OK(operate(id, {op(0, 1)}));
  first.join();
  second.join();
}

TEST(Sem, RemovalEndsSleep) {
  Sem id(make());
  std::thread waiter([&] { EXPECT_ERRNO(EIDRM, operate(id, {op(0, -1)})); });
  EXPECT_TRUE(eventually([&] { return semctl(id, 0, GETNCNT) == 1; }));
  ASSERT_OK(semctl(id, 0, IPC_RMID));
  waiter.join();
  EXPECT_ERRNO(EINVAL, value_of(id.release()));
}

TEST(Sem, SignalsEndSleep) {
  const ScopedAction action(SIGUSR1, +[](int, siginfo_t*, void*) {}, SA_RESTART);
  const Sem id(make());
  std::thread waiter([&] { EXPECT_ERRNO(EINTR, operate(id, {op(0, -1)})); });
  EXPECT_TRUE(eventually([&] { return semctl(id, 0, GETNCNT) == 1; }));
  pthread_kill(waiter.native_handle(), SIGUSR1);
  waiter.join();
  EXPECT_EQ(semctl(id, 0, GETNCNT), 0);
}

TEST(Sem, TimedOut) {
  const Sem id(make());
  sembuf down = op(0, -1);
  timespec time = timespec_of(milliseconds(50));
  const auto took = duration_of([&] { EXPECT_ERRNO(EAGAIN, semtimedop(id, &down, 1, &time)); });
  EXPECT_GE(took, milliseconds(50));
  time = {0, 0};
  EXPECT_ERRNO(EAGAIN, semtimedop(id, &down, 1, &time));
  time = {0, 1'000'000'000};
  EXPECT_ERRNO(EINVAL, semtimedop(id, &down, 1, &time));
  time = {-1, 0};
  EXPECT_ERRNO(EINVAL, semtimedop(id, &down, 1, &time));
  ASSERT_OK(set_value(id, 0, 1));
  time = {1, 0};
  EXPECT_OK(semtimedop(id, &down, 1, &time));
}

TEST(Sem, UndoAtTheEndOfAProcess) {
  const Sem id(make(2));
  ASSERT_OK(set_value(id, 0, 5));
  EXPECT_EQ(0, in_child([&] {
              if (operate(id, {op(0, -3, SEM_UNDO), op(1, 2, SEM_UNDO), op(1, 1)}) != 0) return 1;
              return value_of(id, 0) == 2 && value_of(id, 1) == 3 ? 0 : 2;
            }));
  EXPECT_EQ(value_of(id, 0), 5);
  EXPECT_EQ(value_of(id, 1), 1);
}

TEST(Sem, UndoWakesSleepers) {
  const Sem id(make());
  ASSERT_OK(set_value(id, 0, 1));
  int fds[2];
  ASSERT_OK(pipe(fds));
  const Fd reader(fds[0]);
  Fd writer(fds[1]);
  const pid_t child = start_child([&] {
    const int got = operate(id, {op(0, -1, SEM_UNDO)});
    close(writer);
    while (semctl(id, 0, GETNCNT) == 0) usleep(1000);
    return got;
  });
  writer.reset();
  char end;
  EXPECT_EQ(0, read(reader, &end, 1));
  EXPECT_OK(operate(id, {op(0, -1)}));
  EXPECT_EQ(0, end_of(child));
  EXPECT_EQ(value_of(id), 0);
}

TEST(Sem, SettingAValueForgetsUndo) {
  const Sem id(make());
  EXPECT_EQ(0, in_child([&] {
              if (operate(id, {op(0, 4, SEM_UNDO)}) != 0) return 1;
              return set_value(id, 0, 9);
            }));
  EXPECT_EQ(value_of(id), 9);
}

TEST(Sem, UndoIsNotInherited) {
  const Sem id(make());
  EXPECT_EQ(0, in_child([&] {
              if (operate(id, {op(0, 4, SEM_UNDO)}) != 0) return 1;
              if (in_child([] { return 0; }) != 0) return 2;
              return value_of(id) == 4 ? 0 : 3;
            }));
  EXPECT_EQ(value_of(id), 0);
}

TEST(Sem, ThreadsShareUndo) {
  const Sem id(make());
  EXPECT_EQ(0, in_child([&] {
              in_thread([&] { operate(id, {op(0, 4, SEM_UNDO)}); });
              return value_of(id) == 4 ? 0 : 1;
            }));
  EXPECT_EQ(value_of(id), 0);
}

TEST(Sem, UndoNeverGoesBelowZero) {
  const Sem id(make());
  EXPECT_EQ(0, in_child([&] {
              if (operate(id, {op(0, 4, SEM_UNDO)}) != 0) return 1;
              return operate(id, {op(0, -3)});
            }));
  EXPECT_EQ(value_of(id), 0);
}

TEST(Sem, UndoHasARange) {
  const Sem id(make());
  EXPECT_EQ(0, in_child([&] {
              if (operate(id, {op(0, 32767, SEM_UNDO)}) != 0) return 1;
              if (operate(id, {op(0, -32767)}) != 0) return 2;
              if (operate(id, {op(0, 1, SEM_UNDO)}) != 0) return 3;
              if (operate(id, {op(0, 1, SEM_UNDO)}) != -1 || errno != ERANGE) return 4;
              return value_of(id) == 1 ? 0 : 5;
            }));
}

TEST(Sem, Permissions) {
  NEEDS_ROOT();
  const key_t key = unused_key(3);
  const Sem id(semget(key, 1, IPC_CREAT | 0604));
  as_other_user([&] {
    EXPECT_EQ(semget(key, 1, 0400), id);
    EXPECT_ERRNO(EACCES, semget(key, 1, 0200));
    EXPECT_EQ(value_of(id), 0);
    EXPECT_OK(operate(id, {op(0, 0)}));
    EXPECT_ERRNO(EACCES, operate(id, {op(0, 1)}));
    EXPECT_ERRNO(EACCES, set_value(id, 0, 1));
    unsigned short value = 1;
    EXPECT_ERRNO(EACCES, semctl(id, 0, SETALL, Argument{.array = &value}));
    EXPECT_ERRNO(EPERM, semctl(id, 0, IPC_RMID));
  });
}

TEST(Sem, Limits) {
  seminfo limits = {};
  EXPECT_GE(semctl(0, 0, IPC_INFO, Argument{.info = &limits}), 0);
  EXPECT_EQ(limits.semmsl, 32000);
  EXPECT_EQ(limits.semopm, 500);
  EXPECT_EQ(limits.semvmx, 32767);
  EXPECT_EQ(limits.semmni, 32000);
  EXPECT_EQ(limits.semusz, 20);
  EXPECT_EQ(limits.semaem, 32767);
}

TEST(Sem, UsageCountsSets) {
  in_own_ipc_namespace([] {
    seminfo before = {}, after = {};
    EXPECT_GE(semctl(0, 0, SEM_INFO, Argument{.info = &before}), 0);
    const Sem id(make(7));
    const int highest = semctl(0, 0, SEM_INFO, Argument{.info = &after});
    EXPECT_EQ(after.semusz, before.semusz + 1);
    EXPECT_EQ(after.semaem, before.semaem + 7);
    bool found = false;
    for (int index = 0; index <= highest; ++index) {
      semid_ds status = {};
      found |= semctl(index, 0, SEM_STAT, Argument{.buf = &status}) == id;
    }
    EXPECT_TRUE(found);
  });
}

TEST(Sem, CommandsThatAreNone) {
  const Sem id(make());
  EXPECT_ERRNO(EINVAL, semctl(id, 0, 99));
  EXPECT_ERRNO(EINVAL, semctl(-1, 0, GETVAL));
  EXPECT_ERRNO(EFAULT, semctl(id, 0, IPC_STAT, Argument{.buf = bad_pointer<semid_ds>()}));
}

TEST(Sem, Proc) {
  const Sem id(semget(unused_key(4), 6, IPC_CREAT | 0640));
  const std::string table = read_file("/proc/sysvipc/sem");
  EXPECT_EQ(0u, table.find("       key      semid perms      nsems   uid   gid  cuid  cgid"));
  char line[200];
  snprintf(line, sizeof line, "%10d %10d  %4o %10d", unused_key(4), int(id), 0640, 6);
  EXPECT_NE(std::string::npos, table.find(line)) << table;
  EXPECT_EQ("32000\t1024000000\t500\t32000\n", read_file("/proc/sys/kernel/sem"));
}

// Two processes hand a token to and fro.
TEST(Sem, PingPong) {
  const Sem id(make(2));
  constexpr int kRounds = 200;
  const pid_t child = start_child([&] {
    for (int i = 0; i < kRounds; ++i)
      if (operate(id, {op(0, -1)}) != 0 || operate(id, {op(1, 1)}) != 0) return 1;
    return 0;
  });
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_OK(operate(id, {op(0, 1)}));
    ASSERT_OK(operate(id, {op(1, -1)}));
  }
  EXPECT_EQ(0, end_of(child));
}

}  // namespace
}  // namespace compat
