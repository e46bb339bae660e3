// What threads on different processors see of each other, and of what the kernel does to one of
// them on behalf of another. On one processor the checks hold, too: the threads take turns.
#include "compat_tests/common/processors.h"

#include <immintrin.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "compat_tests/common/expect.h"

namespace compat {
namespace {

// A thread that does something over and over, on the last processor, until the end of the scope.
class Companion {
 public:
  template <typename Step>
  explicit Companion(Step step)
      : thread_([this, step] {
          move_to(processors().back());
          tid_ = static_cast<pid_t>(syscall(SYS_gettid));
          while (!done_) {
            step();
            turns_.fetch_add(1, std::memory_order_relaxed);
          }
        }) {
    wait_for_turns(1);
  }
  ~Companion() {
    done_ = true;
    thread_.join();
  }
  // Whole turns that began after the call.
  void wait_for_turns(unsigned long turns) {
    const unsigned long from = turns_;
    while (turns_ < from + turns + 1) sched_yield();
  }
  pid_t tid() const { return tid_; }
  pthread_t handle() { return thread_.native_handle(); }

 private:
  std::atomic<bool> done_{false};
  std::atomic<unsigned long> turns_{0};
  std::atomic<pid_t> tid_{0};
  std::thread thread_;
};

using Word = std::atomic<unsigned long>;

Word* map_word(int protection = PROT_READ | PROT_WRITE) {
  void* page = mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? nullptr : static_cast<Word*>(page);
}

// --- where threads run

TEST(Processors, AThreadRunsWhereItMay) {
  std::thread([] {
    const auto all = processors();
    for (int round = 0; round < 20; ++round)
      for (const unsigned cpu : all) {
        move_to(cpu);
        unsigned now = ~0u;
        ASSERT_OK(syscall(SYS_getcpu, &now, nullptr, nullptr));
        EXPECT_EQ(cpu, now);
        EXPECT_EQ(static_cast<int>(cpu), sched_getcpu());
      }
  }).join();
}

TEST(Processors, ARunningThreadIsMovedByAnother) {
  std::atomic<int> seen{-1};
  Companion other([&] { seen = sched_getcpu(); });
  for (int round = 0; round < 10; ++round)
    for (const unsigned cpu : processors()) {
      const cpu_set_t set = only(cpu);
      ASSERT_OK(sched_setaffinity(other.tid(), sizeof set, &set));
      while (seen != static_cast<int>(cpu)) sched_yield();
      other.wait_for_turns(2);
      EXPECT_EQ(static_cast<int>(cpu), seen);
    }
}

TEST(Processors, ASleepingThreadWakesWhereItMay) {
  std::mutex mutex;
  std::condition_variable changed;
  int asked = 0, answered = 0, seen = -1;
  std::atomic<pid_t> tid{0};
  std::thread sleeper([&] {
    tid = static_cast<pid_t>(syscall(SYS_gettid));
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return asked != answered; });
      if (asked < 0) return;
      seen = sched_getcpu();
      answered = asked;
      changed.notify_all();
    }
  });
  while (tid == 0) sched_yield();
  for (int round = 1; round <= 10; ++round)
    for (const unsigned cpu : processors()) {
      const cpu_set_t set = only(cpu);
      ASSERT_OK(sched_setaffinity(tid, sizeof set, &set));
      std::unique_lock lock(mutex);
      ++asked;
      changed.notify_all();
      changed.wait(lock, [&] { return asked == answered; });
      EXPECT_EQ(static_cast<int>(cpu), seen);
    }
  {
    const std::unique_lock lock(mutex);
    asked = -1;
    changed.notify_all();
  }
  sleeper.join();
}

TEST(Processors, ChildrenInheritTheMask) {
  const auto all = processors();
  std::thread([&] {
    move_to(all.back());
    const pid_t child = fork();
    if (child == 0) {
      cpu_set_t set;
      CPU_ZERO(&set);
      const bool same = sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1 &&
                        CPU_ISSET(all.back(), &set);
      _exit(same ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(child, waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
  }).join();
}

TEST(Processors, RegistersMoveAlong) {
  const auto all = processors();
  const auto run = [&](long seed) {
    thread_local long own;
    own = seed;
    __m128i value = _mm_set_epi64x(seed, ~seed);
    double real = static_cast<double>(seed) / 3;
    for (int round = 0; round < 200; ++round) {
      asm volatile("" : "+x"(value), "+x"(real));
      // Straight to the system call, so that the registers are live across it.
      const cpu_set_t set = only(all[static_cast<unsigned>(round) % all.size()]);
      long result = SYS_sched_setaffinity;
      register const void* mask asm("rdx") = &set;
      asm volatile("syscall"
                   : "+a"(result), "+x"(value), "+x"(real)
                   : "D"(0), "S"(sizeof set), "r"(mask)
                   : "rcx", "r11", "memory");
      ASSERT_GE(result, 0);
      long lanes[2];
      std::memcpy(lanes, &value, sizeof lanes);
      ASSERT_EQ(~seed, lanes[0]);
      ASSERT_EQ(seed, lanes[1]);
      ASSERT_EQ(static_cast<double>(seed) / 3, real);
      ASSERT_EQ(seed, own);
    }
  };
  std::vector<std::thread> threads;
  for (long seed = 1; seed <= 4; ++seed) threads.emplace_back(run, seed * 0x1111);
  for (std::thread& thread : threads) thread.join();
}

// --- mappings that change under a thread on another processor

TEST(Processors, TakingTheRightToWriteHoldsAtOnce) {
  Word* const word = map_word();
  ASSERT_NE(nullptr, word);
  struct sigaction on_fault = {}, before;
  // The writer waits in its handler for as long as it may not write: it tries again.
  on_fault.sa_handler = [](int) { sched_yield(); };
  ASSERT_OK(sigaction(SIGSEGV, &on_fault, &before));
  {
    Companion writer([&] { word->fetch_add(1); });
    for (int round = 0; round < 50; ++round) {
      ASSERT_OK(mprotect(word, 4096, PROT_READ));
      const unsigned long then = word->load();
      for (int look = 0; look < 1000; ++look) ASSERT_EQ(then, word->load());
      ASSERT_OK(mprotect(word, 4096, PROT_READ | PROT_WRITE));
      writer.wait_for_turns(1);
    }
  }
  ASSERT_OK(sigaction(SIGSEGV, &before, nullptr));
  munmap(word, 4096);
}

TEST(Processors, AReplacedPageIsSeenByAll) {
  Word* const word = map_word();
  ASSERT_NE(nullptr, word);
  Companion writer([&] { word->fetch_add(1); });
  for (int round = 0; round < 50; ++round) {
    ASSERT_EQ(word, mmap(word, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    // What is written from now on is in the new page.
    while (word->load() == 0) sched_yield();
  }
}

TEST(Processors, AnUnmappedFrameIsNotWrittenAnyMore) {
  // The writer follows the pointer; what it left behind goes back to the system and comes again
  // elsewhere, where only this thread may change it.
  std::atomic<Word*> target{map_word()};
  Companion writer([&] { target.load()->fetch_add(1); });
  for (int round = 0; round < 50; ++round) {
    Word* const old = target.load();
    target = map_word();
    ASSERT_NE(nullptr, target.load());
    writer.wait_for_turns(1);
    ASSERT_OK(munmap(old, 4096));
    Word* const fresh = map_word();
    ASSERT_NE(nullptr, fresh);
    for (int look = 0; look < 100; ++look) ASSERT_EQ(0u, fresh->load());
    fresh->store(7);
    for (int look = 0; look < 100; ++look) ASSERT_EQ(7u, fresh->load());
    munmap(fresh, 4096);
  }
}

TEST(Processors, AForkIsOneMomentOfMemory) {
  // Two words, on two pages, that are written one after the other: the child sees at most one step
  // between them, and then no change.
  auto* const pages = static_cast<char*>(
      mmap(nullptr, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(MAP_FAILED, static_cast<void*>(pages));
  auto* const first = reinterpret_cast<Word*>(pages);
  auto* const second = reinterpret_cast<Word*>(pages + 4096);
  {
    Companion writer([&] {
      const unsigned long next = first->load(std::memory_order_relaxed) + 1;
      first->store(next);
      second->store(next);
    });
    for (int round = 0; round < 10; ++round) {
      const pid_t child = fork();
      ASSERT_OK(child);
      if (child == 0) {
        const unsigned long one = first->load(), two = second->load();
        if (one != two && one != two + 1) _exit(1);
        for (int look = 0; look < 2000; ++look)
          if (first->load() != one || second->load() != two) _exit(2);
        _exit(0);
      }
      int status = -1;
      ASSERT_EQ(child, waitpid(child, &status, 0));
      ASSERT_EQ(0, status);
    }
  }
  munmap(pages, 2 * 4096);
}

TEST(Processors, FirstTouchesAtTheSameTimeAreOnePage) {
  constexpr unsigned kPages = 64;
  for (int round = 0; round < 20; ++round) {
    auto* const pages = static_cast<char*>(
        mmap(nullptr, kPages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(MAP_FAILED, static_cast<void*>(pages));
    std::atomic<unsigned> ready{0};
    const auto touch = [&] {
      ++ready;
      while (ready < 2) sched_yield();
      for (unsigned i = 0; i < kPages; ++i) reinterpret_cast<Word*>(pages + i * 4096)->fetch_add(1);
    };
    std::thread other(touch);
    touch();
    other.join();
    for (unsigned i = 0; i < kPages; ++i)
      ASSERT_EQ(2u, reinterpret_cast<Word*>(pages + i * 4096)->load());
    munmap(pages, kPages * 4096);
  }
}

// The mapping is another process' own, and that runs on another processor.
TEST(Processors, ATruncatedFileIsGoneForAProcessThatRuns) {
  const int file = memfd_create("shared", 0);
  ASSERT_OK(file);
  for (int round = 0; round < 20; ++round) {
    ASSERT_OK(ftruncate(file, 4096));
    void* const page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ASSERT_NE(MAP_FAILED, page);
    auto* const word = static_cast<Word*>(page);
    word->store(0);
    const pid_t child = fork();
    ASSERT_OK(child);
    if (child == 0) {
      signal(SIGBUS, [](int) { _exit(7); });
      const cpu_set_t set = only(processors().back());
      if (sched_setaffinity(0, sizeof set, &set) != 0) _exit(1);
      for (;;) word->fetch_add(1);
    }
    while (word->load() < 1000) sched_yield();
    ASSERT_OK(ftruncate(file, 0));
    int status = -1;
    ASSERT_EQ(child, waitpid(child, &status, 0));
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(7, WEXITSTATUS(status));
    munmap(page, 4096);
  }
  close(file);
}

// --- what one thread does to another that runs

TEST(Processors, ASignalReachesAThreadThatOnlyComputes) {
  static std::atomic<int> taken;
  taken = 0;
  struct sigaction count = {}, before;
  count.sa_handler = [](int) { ++taken; };
  ASSERT_OK(sigaction(SIGUSR1, &count, &before));
  {
    volatile unsigned long work = 0;
    Companion other([&] {
      for (int i = 0; i < 1000; ++i) work = work + 1;
    });
    for (int round = 1; round <= 100; ++round) {
      ASSERT_EQ(0, pthread_kill(other.handle(), SIGUSR1));
      while (taken < round) sched_yield();
    }
  }
  ASSERT_OK(sigaction(SIGUSR1, &before, nullptr));
}

TEST(Processors, AGroupEndsWithThreadsThatOnlyCompute) {
  for (int round = 0; round < 10; ++round) {
    const pid_t child = fork();
    ASSERT_OK(child);
    if (child == 0) {
      std::atomic<int> begun{0};
      for (int i = 0; i < 3; ++i)
        std::thread([&] {
          ++begun;
          for (volatile unsigned long work = 0;;) work = work + 1;
        }).detach();
      while (begun < 3) sched_yield();
      _exit(7);
    }
    int status = -1;
    ASSERT_EQ(child, waitpid(child, &status, 0));
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(7, WEXITSTATUS(status));
  }
}

TEST(Processors, ANewProgramTakesTheTimeOfThreadsThatOnlyCompute) {
  for (int round = 0; round < 5; ++round) {
    const pid_t child = fork();
    ASSERT_OK(child);
    if (child == 0) {
      std::atomic<int> begun{0};
      for (int i = 0; i < 2; ++i)
        std::thread([&] {
          ++begun;
          for (volatile unsigned long work = 0;;) work = work + 1;
        }).detach();
      while (begun < 2) sched_yield();
      // This program once more, without a check to do; nobody wants to read that.
      close(STDOUT_FILENO);
      execl("/proc/self/exe", "again", "--gtest_filter=-*", nullptr);
      _exit(8);
    }
    int status = -1;
    ASSERT_EQ(child, waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
  }
}

// One side has a barrier only for the compiler, the other one of the kernel's for both.
TEST(Processors, MembarrierOrdersTheOthersToo) {
  ASSERT_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  std::atomic<int> mine{0}, theirs{0}, saw{0}, round{0}, answered{0};
  std::thread other([&] {
    move_to(processors().back());
    for (int last = 0;;) {
      int now;
      while ((now = round.load()) == last) __builtin_ia32_pause();
      if (now < 0) return;
      last = now;
      theirs.store(1, std::memory_order_relaxed);
      asm volatile("" ::: "memory");
      saw.store(mine.load(std::memory_order_relaxed), std::memory_order_relaxed);
      answered.store(now);
    }
  });
  for (int now = 1; now <= 300; ++now) {
    mine = theirs = 0;
    round = now;
    mine.store(1, std::memory_order_relaxed);
    ASSERT_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    const int seen = theirs.load(std::memory_order_relaxed);
    while (answered != now) sched_yield();
    EXPECT_TRUE(seen == 1 || saw == 1);
  }
  round = -1;
  other.join();
}

// --- no wake-up is lost

TEST(Processors, TurnsByConditionVariables) {
  constexpr int kThreads = 4, kTurns = 2000;
  std::mutex mutex;
  std::array<std::condition_variable, kThreads> changed;
  int turn = 0;
  std::vector<std::thread> threads;
  for (int me = 0; me < kThreads; ++me)
    threads.emplace_back([&, me] {
      for (int i = 0; i < kTurns / kThreads; ++i) {
        std::unique_lock lock(mutex);
        changed[static_cast<unsigned>(me)].wait(lock, [&] { return turn % kThreads == me; });
        ++turn;
        changed[static_cast<unsigned>(turn % kThreads)].notify_one();
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(kTurns, turn);
}

TEST(Processors, BytesThroughPipes) {
  constexpr int kBytes = 2000;
  int there[2], back[2];
  ASSERT_OK(pipe(there));
  ASSERT_OK(pipe(back));
  std::thread echo([&] {
    char byte;
    while (read(there[0], &byte, 1) == 1)
      if (write(back[1], &byte, 1) != 1) return;
    close(back[1]);
  });
  for (int i = 0; i < kBytes; ++i) {
    char byte = static_cast<char>(i), answer = 0;
    ASSERT_EQ(1, write(there[1], &byte, 1));
    ASSERT_EQ(1, read(back[0], &answer, 1));
    ASSERT_EQ(byte, answer);
  }
  close(there[1]);
  echo.join();
  close(there[0]);
  close(back[0]);
}

}  // namespace
}  // namespace compat
