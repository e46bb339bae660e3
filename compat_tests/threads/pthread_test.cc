// POSIX threads: their life, their own data, cancellation, and many of them at work in one address
// space.
#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

void* return_argument(void* argument) {
  return argument;
}

TEST(Pthread, JoinReturnsTheResult) {
  pthread_t thread;
  int value = 0;
  ASSERT_EQ(0, pthread_create(&thread, nullptr, return_argument, &value));
  void* result = nullptr;
  EXPECT_EQ(0, pthread_join(thread, &result));
  EXPECT_EQ(&value, result);
}

TEST(Pthread, JoinErrors) {
  EXPECT_EQ(EDEADLK, pthread_join(pthread_self(), nullptr));
  std::atomic<bool> end = false;
  std::thread detached([&] {
    while (!end) sleep_for(milliseconds(1));
    end = false;
  });
  const pthread_t handle = detached.native_handle();
  detached.detach();
  EXPECT_EQ(EINVAL, pthread_join(handle, nullptr));
  end = true;
  EXPECT_TRUE(eventually([&] { return !end; }));
}

TEST(Pthread, ManyOneAfterTheOther) {
  int count = 0;
  for (int i = 0; i < 300; ++i) in_thread([&] { ++count; });
  EXPECT_EQ(300, count);
}

TEST(Pthread, ManyAtOnce) {
  std::atomic<int> running = 0;
  std::atomic<bool> go = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&] {
      ++running;
      while (!go) sleep_for(milliseconds(5));
    });
  }
  EXPECT_TRUE(eventually([&] { return running == 64; }));
  go = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(Pthread, SpinningThreadIsPreempted) {
  // Nobody here makes a system call: on one processor this ends only because the clock ticks.
  std::atomic<bool> flag = false;
  std::atomic<bool> started = false;
  std::thread spinner([&] {
    started = true;
    while (!flag) {
    }
  });
  while (!started) {
  }
  flag = true;
  spinner.join();
}

TEST(Pthread, ProcessorTimeIsShared) {
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> counts[3] = {};
  std::vector<std::thread> threads;
  for (auto& count : counts) {
    threads.emplace_back([&] {
      while (!stop) count.fetch_add(1, std::memory_order_relaxed);
    });
  }
  EXPECT_TRUE(eventually([&] { return counts[0] > 1000 && counts[1] > 1000 && counts[2] > 1000; }));
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(Pthread, StackSize) {
  pthread_attr_t attributes;
  ASSERT_EQ(0, pthread_attr_init(&attributes));
  ASSERT_EQ(0, pthread_attr_setstacksize(&attributes, 1 << 20));
  EXPECT_EQ(EINVAL, pthread_attr_setstacksize(&attributes, 1000));
  pthread_t thread;
  ASSERT_EQ(0, pthread_create(
                   &thread, &attributes,
                   [](void*) -> void* {
                     volatile char block[900 << 10];
                     for (size_t i = 0; i < sizeof block; i += 4096) block[i] = 1;
                     return nullptr;
                   },
                   nullptr));
  EXPECT_EQ(0, pthread_join(thread, nullptr));
  pthread_attr_destroy(&attributes);
}

TEST(Pthread, StackOfItsOwn) {
  const size_t size = 256 << 10;
  void* stack = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(0, pthread_attr_setstack(&attributes, stack, size));
  pthread_t thread;
  ASSERT_EQ(0, pthread_create(
                   &thread, &attributes, [](void*) -> void* { return __builtin_frame_address(0); },
                   nullptr));
  void* frame = nullptr;
  EXPECT_EQ(0, pthread_join(thread, &frame));
  EXPECT_GT(frame, stack);
  EXPECT_LT(frame, static_cast<char*>(stack) + size);
  pthread_attr_destroy(&attributes);
  munmap(stack, size);
}

TEST(Pthread, SpecificDataIsDestroyed) {
  static std::atomic<int> destroyed;
  destroyed = 0;
  pthread_key_t key;
  ASSERT_EQ(0, pthread_key_create(&key, [](void*) { ++destroyed; }));
  in_thread([&] {
    EXPECT_EQ(nullptr, pthread_getspecific(key));
    EXPECT_EQ(0, pthread_setspecific(key, &destroyed));
    EXPECT_EQ(&destroyed, pthread_getspecific(key));
  });
  EXPECT_EQ(1, destroyed);
  EXPECT_EQ(nullptr, pthread_getspecific(key));
  EXPECT_EQ(0, pthread_key_delete(key));
}

thread_local int local_number = 5;
struct Counted {
  ~Counted() { ++destroyed; }
  int value = 7;
  static inline std::atomic<int> destroyed = 0;
};
thread_local Counted local_object;

TEST(Pthread, ThreadLocalVariables) {
  local_number = 6;
  Counted::destroyed = 0;
  in_thread([] {
    EXPECT_EQ(5, local_number);
    local_number = 50;
    EXPECT_EQ(7, local_object.value);
  });
  EXPECT_EQ(6, local_number);
  EXPECT_EQ(1, Counted::destroyed);
}

TEST(Pthread, Once) {
  std::once_flag once;
  std::atomic<int> calls = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back(
        [&] { std::call_once(once, [&] { sleep_for(milliseconds(5)), ++calls; }); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(1, calls);
}

TEST(Pthread, ExceptionsInThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> caught = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      try {
        throw std::runtime_error(std::to_string(i));
      } catch (const std::exception& error) {
        if (error.what() == std::to_string(i)) ++caught;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(8, caught);
}

TEST(PthreadCancel, BlockedInRead) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader(ends[0]), writer(ends[1]);
  static std::atomic<bool> cleaned;
  cleaned = false;
  pthread_t thread;
  ASSERT_EQ(0, pthread_create(
                   &thread, nullptr,
                   [](void* fd) -> void* {
                     pthread_cleanup_push([](void*) { cleaned = true; }, nullptr);
                     char byte;
                     (void)!read(*static_cast<int*>(fd), &byte, 1);
                     pthread_cleanup_pop(0);
                     return nullptr;
                   },
                   &ends[0]));
  let_others_block();
  EXPECT_EQ(0, pthread_cancel(thread));
  void* result = nullptr;
  EXPECT_EQ(0, pthread_join(thread, &result));
  EXPECT_EQ(PTHREAD_CANCELED, result);
  EXPECT_TRUE(cleaned);
}

TEST(PthreadCancel, AsynchronousInALoop) {
  static std::atomic<bool> spinning;
  spinning = false;
  pthread_t thread;
  ASSERT_EQ(0, pthread_create(
                   &thread, nullptr,
                   [](void*) -> void* {
                     pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
                     spinning = true;
                     for (;;) asm volatile("");
                   },
                   nullptr));
  EXPECT_TRUE(eventually([] { return spinning.load(); }));
  EXPECT_EQ(0, pthread_cancel(thread));
  void* result = nullptr;
  EXPECT_EQ(0, pthread_join(thread, &result));
  EXPECT_EQ(PTHREAD_CANCELED, result);
}

TEST(PthreadCancel, CanBePutOff) {
  static std::atomic<bool> disabled, go_on;
  disabled = go_on = false;
  pthread_t thread;
  ASSERT_EQ(0, pthread_create(
                   &thread, nullptr,
                   [](void*) -> void* {
                     pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
                     disabled = true;
                     while (!go_on) sleep_for(milliseconds(1));
                     return &go_on;
                   },
                   nullptr));
  EXPECT_TRUE(eventually([] { return disabled.load(); }));
  EXPECT_EQ(0, pthread_cancel(thread));
  go_on = true;
  void* result = nullptr;
  EXPECT_EQ(0, pthread_join(thread, &result));
  EXPECT_EQ(&go_on, result);
}

TEST(Parallel, AppendingToOneFile) {
  TempDir dir;
  write_file(dir / "log", "");
  std::vector<std::thread> threads;
  for (char name = 'a'; name < 'e'; ++name) {
    threads.emplace_back([&, name] {
      Fd fd(open((dir / "log").c_str(), O_WRONLY | O_APPEND));
      const std::string line(16, name);
      for (int i = 0; i < 100; ++i) EXPECT_EQ(16, write(fd, line.data(), line.size()));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string log = read_file(dir / "log");
  ASSERT_EQ(4u * 100 * 16, log.size());
  int counts[4] = {};
  for (size_t i = 0; i < log.size(); i += 16) {
    ASSERT_EQ(std::string(16, log[i]), log.substr(i, 16));
    ++counts[log[i] - 'a'];
  }
  for (const int count : counts) EXPECT_EQ(100, count);
}

TEST(Parallel, MappingAndUnmapping) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int n = 0; n < 100; ++n) {
        const size_t size = kPage * static_cast<size_t>(1 + n % 7);
        auto* map = static_cast<char*>(
            mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ASSERT_NE(MAP_FAILED, static_cast<void*>(map));
        for (size_t at = 0; at < size; at += kPage) {
          ASSERT_EQ(0, map[at]);
          map[at] = static_cast<char>(i + 1);
        }
        for (size_t at = 0; at < size; at += kPage) ASSERT_EQ(i + 1, map[at]);
        ASSERT_OK(munmap(map, size));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Parallel, FaultingInTheSamePages) {
  constexpr size_t kPages = 64;
  auto* map = static_cast<std::atomic<int>*>(
      mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (size_t page = 0; page < kPages; ++page) ++map[page * kPage / sizeof(int)];
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t page = 0; page < kPages; ++page) EXPECT_EQ(4, map[page * kPage / sizeof(int)]);
  munmap(map, kPages * kPage);
}

}  // namespace
}  // namespace compat
