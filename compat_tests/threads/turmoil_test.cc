// Threads, children, signals, mappings and futexes all at once: what each does for itself holds,
// whatever the others are at.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/threads/futex.h"

namespace compat {
namespace {

constexpr int kRounds = 30;

// A page that this thread maps, fills, protects, and gives back.
void churn_mappings(int seed) {
  for (int round = 0; round < kRounds * 4; ++round) {
    constexpr size_t kPages = 5;
    void* const area =
        mmap(nullptr, kPages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(MAP_FAILED, area);
    auto* const bytes = static_cast<unsigned char*>(area);
    for (size_t page = 0; page < kPages; ++page)
      memset(bytes + page * 4096, seed + static_cast<int>(page), 4096);
    ASSERT_OK(mprotect(bytes + 4096, 2 * 4096, PROT_READ));
    for (size_t page = 0; page < kPages; ++page)
      for (const size_t at : {0, 2000, 4095})
        ASSERT_EQ(static_cast<unsigned char>(seed + static_cast<int>(page)),
                  bytes[page * 4096 + at]);
    ASSERT_OK(munmap(area, kPages * 4096));
  }
}

// A child each round, which has its own copy of a word, maps and unmaps itself, and says so.
void churn_children(int seed) {
  auto* const word = static_cast<std::atomic<int>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(MAP_FAILED, static_cast<void*>(word));
  for (int round = 0; round < kRounds; ++round) {
    *word = seed + round;
    const pid_t child = fork();
    ASSERT_OK(child);
    if (child == 0) {
      if (*word != seed + round) _exit(1);
      *word = -1;
      void* const page =
          mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      memset(page, 1, 4096);
      _exit(munmap(page, 4096) == 0 && *word == -1 ? 7 : 2);
    }
    int status = -1;
    pid_t got;
    while ((got = waitpid(child, &status, 0)) < 0 && errno == EINTR) {
    }
    ASSERT_EQ(child, got);
    ASSERT_TRUE(WIFEXITED(status)) << status;
    ASSERT_EQ(7, WEXITSTATUS(status));
    ASSERT_EQ(seed + round, *word);
  }
  munmap(word, 4096);
}

// Two threads that pass a turn to each other.
struct PingPong {
  FutexWord turn{0};

  void play(uint32_t me) {
    for (int round = 0; round < kRounds * 8; ++round) {
      uint32_t now;
      while ((now = turn) % 2 != me) futex_wait(&turn, now);
      turn = now + 1;
      futex_wake(&turn, 1);
    }
  }
};

TEST(Turmoil, EverythingAtOnce) {
  static std::atomic<unsigned> taken;
  taken = 0;
  struct sigaction count = {}, before;
  count.sa_handler = [](int) { ++taken; };
  ASSERT_OK(sigaction(SIGUSR1, &count, &before));
  {
    PingPong game;
    std::atomic<bool> done{false};
    std::vector<std::thread> workers;
    // They begin when each has a signal: on a busy machine they could be done before the first.
    std::atomic<bool> disturbed{false};
    const auto start = [&](auto work) {
      workers.emplace_back([&disturbed, work] {
        disturbed.wait(false);
        work();
      });
    };
    for (int i = 0; i < 2; ++i) start([i] { churn_mappings(10 + i * 50); });
    for (int i = 0; i < 2; ++i) start([i] { churn_children(1000 * (i + 1)); });
    for (uint32_t i = 0; i < 2; ++i) start([&game, i] { game.play(i); });
    // Signals for all of them, and an own process for whoever has nothing to do with the others.
    std::thread disturber([&] {
      while (!done) {
        for (std::thread& worker : workers) pthread_kill(worker.native_handle(), SIGUSR1);
        disturbed = true;
        disturbed.notify_all();
        usleep(200);
      }
    });
    const pid_t stranger = fork();
    ASSERT_OK(stranger);
    if (stranger == 0) {
      churn_mappings(99);
      _exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(stranger, waitpid(stranger, &status, 0));
    EXPECT_EQ(0, status);
    // The disturber holds their handles: they are waited for when it has ended.
    while (game.turn < kRounds * 16) std::this_thread::yield();
    done = true;
    disturber.join();
    for (std::thread& worker : workers) worker.join();
  }
  EXPECT_GT(taken, 0u);
  ASSERT_OK(sigaction(SIGUSR1, &before, nullptr));
}

}  // namespace
}  // namespace compat
