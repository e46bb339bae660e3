#include "kernel/platform/process/write_queue.h"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <thread>

namespace narwhal::process_home {
namespace {

void pause() {
  std::this_thread::yield();
}
void sleep(u32& word, u32 value) {
  syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}
void wake(u32& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}
void forbidden(u32&) {
  FAIL() << "nobody sleeps";
}

void post(WriteQueue& queue, int number) {
  queue.next().fd = number;
  queue.post(forbidden);
}
int write_one(WriteQueue& queue) {
  const int number = queue.wait_for_job([] { FAIL(); }, [](u32&, u32) { FAIL(); }).fd;
  queue.written();
  return number;
}

TEST(WriteQueue, GivesBackWhatWasWrittenInOrder) {
  auto queue = std::make_unique<WriteQueue>();
  EXPECT_TRUE(queue->is_empty());
  EXPECT_EQ(nullptr, queue->take_back());
  post(*queue, 1);
  post(*queue, 2);
  EXPECT_FALSE(queue->is_empty());
  EXPECT_EQ(nullptr, queue->take_back());
  EXPECT_EQ(1, write_one(*queue));
  EXPECT_FALSE(queue->is_empty());
  ASSERT_NE(nullptr, queue->take_back());
  EXPECT_EQ(nullptr, queue->take_back());
  EXPECT_EQ(2, write_one(*queue));
  EXPECT_TRUE(queue->is_empty());
  const WriteJob* last = queue->take_back();
  ASSERT_NE(nullptr, last);
  EXPECT_EQ(2, last->fd);
}

// A place is free when its job was taken back, not as soon as it was written.
TEST(WriteQueue, IsFullUntilJobsAreTakenBack) {
  auto queue = std::make_unique<WriteQueue>();
  for (u32 i = 0; i < WriteQueue::kMostJobs; ++i) {
    EXPECT_FALSE(queue->is_full());
    post(*queue, int(i));
  }
  EXPECT_TRUE(queue->is_full());
  EXPECT_EQ(0, write_one(*queue));
  EXPECT_TRUE(queue->is_full());
  EXPECT_NE(nullptr, queue->take_back());
  EXPECT_FALSE(queue->is_full());
}

// What the sleep is for: a job that comes between the last look and the sleep is not slept over.
TEST(WriteQueue, SleepsOnlyWhenThereIsNothing) {
  auto queue = std::make_unique<WriteQueue>();
  int sleeps = 0, wakes = 0;
  WriteJob& job =
      queue->wait_for_job([] {},
                          [&](u32& word, u32 value) {
                            EXPECT_EQ(value, word);
                            ++sleeps;
                            queue->next().fd = 7;
                            queue->post([&](u32& woken) {
                              EXPECT_EQ(&word, &woken);
                              EXPECT_NE(value, woken);  // a sleep that begins now ends at once
                              ++wakes;
                            });
                          });
  EXPECT_EQ(7, job.fd);
  EXPECT_EQ(1, sleeps);
  EXPECT_EQ(1, wakes);
}

TEST(WriteQueue, NoJobIsLostBetweenTwoThreads) {
  constexpr int kJobs = 300'000;
  auto queue = std::make_unique<WriteQueue>();
  std::thread writer([&] {
    for (int i = 0; i < kJobs; ++i) {
      ASSERT_EQ(i, queue->wait_for_job(pause, sleep).fd);
      queue->written();
    }
  });
  int taken_back = 0;
  const auto take_back = [&] {
    while (const WriteJob* job = queue->take_back()) ASSERT_EQ(taken_back++, job->fd);
  };
  for (int i = 0; i < kJobs; ++i) {
    while (queue->is_full()) {
      pause();
      take_back();
    }
    queue->next().fd = i;
    queue->post(wake);
    // Now and then the writer gets to sleep.
    if (i % 1000 == 0)
      while (!queue->is_empty()) pause();
  }
  writer.join();
  take_back();
  EXPECT_EQ(kJobs, taken_back);
}

}  // namespace
}  // namespace narwhal::process_home
