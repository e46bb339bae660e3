// Mutexes, condition variables, read-write locks, barriers and semaphores, as programs use them.
#include <pthread.h>
#include <semaphore.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

timespec realtime_after(milliseconds time) {
  timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_nsec += time.count() * 1'000'000;
  limit.tv_sec += limit.tv_nsec / 1'000'000'000;
  limit.tv_nsec %= 1'000'000'000;
  return limit;
}

TEST(PthreadMutex, Excludes) {
  std::mutex mutex;
  long counter = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 5000; ++n) {
        std::lock_guard lock(mutex);
        ++counter;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(20000, counter);
}

TEST(PthreadMutex, Kinds) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutex_t checking, recursive;
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  ASSERT_EQ(0, pthread_mutex_init(&checking, &attributes));
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  ASSERT_EQ(0, pthread_mutex_init(&recursive, &attributes));
  EXPECT_EQ(0, pthread_mutex_lock(&checking));
  EXPECT_EQ(EDEADLK, pthread_mutex_lock(&checking));
  in_thread([&] {
    EXPECT_EQ(EPERM, pthread_mutex_unlock(&checking));
    EXPECT_EQ(EBUSY, pthread_mutex_trylock(&checking));
  });
  EXPECT_EQ(0, pthread_mutex_unlock(&checking));
  EXPECT_EQ(0, pthread_mutex_lock(&recursive));
  EXPECT_EQ(0, pthread_mutex_lock(&recursive));
  EXPECT_EQ(0, pthread_mutex_unlock(&recursive));
  in_thread([&] { EXPECT_EQ(EBUSY, pthread_mutex_trylock(&recursive)); });
  EXPECT_EQ(0, pthread_mutex_unlock(&recursive));
  in_thread([&] {
    EXPECT_EQ(0, pthread_mutex_trylock(&recursive));
    EXPECT_EQ(0, pthread_mutex_unlock(&recursive));
  });
}

TEST(PthreadMutex, TimedLock) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  ASSERT_EQ(0, pthread_mutex_lock(&mutex));
  in_thread([&] {
    const timespec limit = realtime_after(milliseconds(20));
    EXPECT_EQ(ETIMEDOUT, pthread_mutex_timedlock(&mutex, &limit));
  });
  EXPECT_EQ(0, pthread_mutex_unlock(&mutex));
}

TEST(PthreadCondition, ProducerAndConsumers) {
  std::mutex mutex;
  std::condition_variable filled, drained;
  std::deque<int> queue;
  long sum = 0;
  std::vector<std::thread> consumers;
  for (int i = 0; i < 3; ++i) {
    consumers.emplace_back([&] {
      for (;;) {
        std::unique_lock lock(mutex);
        filled.wait(lock, [&] { return !queue.empty(); });
        const int item = queue.front();
        if (item < 0) return;
        queue.pop_front();
        sum += item;
        drained.notify_one();
      }
    });
  }
  for (int item = 1; item <= 500; ++item) {
    std::unique_lock lock(mutex);
    drained.wait(lock, [&] { return queue.size() < 4; });
    queue.push_back(item);
    filled.notify_one();
  }
  {
    std::unique_lock lock(mutex);
    drained.wait(lock, [&] { return queue.empty(); });
    queue.push_back(-1);
    filled.notify_all();
  }
  for (std::thread& consumer : consumers) consumer.join();
  EXPECT_EQ(500 * 501 / 2, sum);
}

TEST(PthreadCondition, TimesOut) {
  std::mutex mutex;
  std::condition_variable condition;
  std::unique_lock lock(mutex);
  const milliseconds taken = duration_of(
      [&] { EXPECT_EQ(std::cv_status::timeout, condition.wait_for(lock, milliseconds(30))); });
  EXPECT_GE(taken, milliseconds(30));
}

TEST(PthreadCondition, BroadcastWakesAll) {
  std::mutex mutex;
  std::condition_variable condition;
  bool go = false;
  int done = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 10; ++i) {
    threads.emplace_back([&] {
      std::unique_lock lock(mutex);
      condition.wait(lock, [&] { return go; });
      ++done;
    });
  }
  let_others_block();
  {
    std::lock_guard lock(mutex);
    go = true;
  }
  condition.notify_all();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(10, done);
}

TEST(PthreadRwlock, ReadersTogetherWritersAlone) {
  std::shared_mutex lock;
  lock.lock_shared();
  in_thread([&] {
    EXPECT_TRUE(lock.try_lock_shared());
    lock.unlock_shared();
    EXPECT_FALSE(lock.try_lock());
  });
  lock.unlock_shared();
  lock.lock();
  in_thread([&] { EXPECT_FALSE(lock.try_lock_shared()); });
  lock.unlock();
}

TEST(PthreadBarrier, LetsGoTogether) {
  pthread_barrier_t barrier;
  ASSERT_EQ(0, pthread_barrier_init(&barrier, nullptr, 4));
  std::atomic<int> serial = 0, arrived = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 1; round <= 20; ++round) {
        ++arrived;
        const int result = pthread_barrier_wait(&barrier);
        if (result == PTHREAD_BARRIER_SERIAL_THREAD) ++serial;
        EXPECT_GE(arrived, 4 * round);
        pthread_barrier_wait(&barrier);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(20, serial);
  pthread_barrier_destroy(&barrier);
}

TEST(Semaphore, CountsAndWaits) {
  sem_t semaphore;
  ASSERT_OK(sem_init(&semaphore, 0, 2));
  EXPECT_OK(sem_trywait(&semaphore));
  EXPECT_OK(sem_wait(&semaphore));
  EXPECT_ERRNO(EAGAIN, sem_trywait(&semaphore));
  const timespec limit = realtime_after(milliseconds(20));
  EXPECT_ERRNO(ETIMEDOUT, sem_timedwait(&semaphore, &limit));
  std::thread poster([&] { EXPECT_OK(sem_post(&semaphore)); });
  EXPECT_OK(sem_wait(&semaphore));
  poster.join();
  sem_destroy(&semaphore);
}

TEST(Semaphore, Named) {
  const std::string name = "/compat-" + std::to_string(getpid());
  sem_t* semaphore = sem_open(name.c_str(), O_CREAT | O_EXCL, 0600, 1);
  ASSERT_NE(SEM_FAILED, semaphore);
  EXPECT_EQ(SEM_FAILED, sem_open(name.c_str(), O_CREAT | O_EXCL, 0600, 1));
  EXPECT_EQ(EEXIST, errno);
  EXPECT_OK(sem_trywait(semaphore));
  EXPECT_ERRNO(EAGAIN, sem_trywait(semaphore));
  EXPECT_OK(sem_close(semaphore));
  EXPECT_OK(sem_unlink(name.c_str()));
}

}  // namespace
}  // namespace compat
