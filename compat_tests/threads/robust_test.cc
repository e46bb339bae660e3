// Robust futexes: what becomes of a lock whose owner ends (get_robust_list(2),
// pthread_mutexattr_setrobust(3)).
#include <pthread.h>

#include <thread>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"
#include "compat_tests/threads/futex.h"

namespace compat {
namespace {

class RobustMutex : public testing::Test {
 protected:
  RobustMutex() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    EXPECT_EQ(0, pthread_mutex_init(&mutex, &attributes));
    pthread_mutexattr_destroy(&attributes);
  }
  ~RobustMutex() override { pthread_mutex_destroy(&mutex); }

  void die_with_mutex() {
    in_thread([&] { EXPECT_EQ(0, pthread_mutex_lock(&mutex)); });
  }

  pthread_mutex_t mutex;
};

TEST_F(RobustMutex, NextOwnerIsTold) {
  die_with_mutex();
  EXPECT_EQ(EOWNERDEAD, pthread_mutex_lock(&mutex));
  EXPECT_EQ(0, pthread_mutex_consistent(&mutex));
  EXPECT_EQ(0, pthread_mutex_unlock(&mutex));
  EXPECT_EQ(0, pthread_mutex_lock(&mutex));
  EXPECT_EQ(0, pthread_mutex_unlock(&mutex));
}

TEST_F(RobustMutex, UnlessRepairedItIsLostForGood) {
  die_with_mutex();
  EXPECT_EQ(EOWNERDEAD, pthread_mutex_lock(&mutex));
  EXPECT_EQ(0, pthread_mutex_unlock(&mutex));
  EXPECT_EQ(ENOTRECOVERABLE, pthread_mutex_lock(&mutex));
}

TEST_F(RobustMutex, WaiterIsWoken) {
  std::atomic<bool> locked = false;
  std::thread owner([&] {
    EXPECT_EQ(0, pthread_mutex_lock(&mutex));
    locked = true;
    sleep_for(milliseconds(100));
  });
  EXPECT_TRUE(eventually([&] { return locked.load(); }));
  EXPECT_EQ(EOWNERDEAD, pthread_mutex_lock(&mutex));
  EXPECT_EQ(0, pthread_mutex_consistent(&mutex));
  EXPECT_EQ(0, pthread_mutex_unlock(&mutex));
  owner.join();
}

TEST_F(RobustMutex, SeveralAtOnce) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t mutexes[10];
  for (pthread_mutex_t& each : mutexes) EXPECT_EQ(0, pthread_mutex_init(&each, &attributes));
  in_thread([&] {
    for (pthread_mutex_t& each : mutexes) EXPECT_EQ(0, pthread_mutex_lock(&each));
    EXPECT_EQ(0, pthread_mutex_unlock(&mutexes[4]));
  });
  for (size_t i = 0; i < std::size(mutexes); ++i) {
    EXPECT_EQ(i == 4 ? 0 : EOWNERDEAD, pthread_mutex_trylock(&mutexes[i])) << i;
  }
}

// A robust list of our own, in a thread that ends by the bare system call.
struct Node {
  robust_list link;
  FutexWord word;
};
struct List {
  robust_list_head head;
  Node node;
  std::atomic<bool> set;
};

TEST(RobustList, KernelMarksTheWord) {
  static List list;
  list.head.list.next = &list.node.link;
  list.node.link.next = &list.head.list;
  list.head.futex_offset = offsetof(Node, word) - offsetof(Node, link);
  list.head.list_op_pending = nullptr;
  pid_t owner = 0;
  in_thread([&] {
    robust_list_head* old_head = nullptr;
    size_t size = 0;
    EXPECT_OK(syscall(SYS_get_robust_list, 0, &old_head, &size));
    EXPECT_EQ(sizeof(robust_list_head), size);
    owner = gettid();
    list.node.word = static_cast<uint32_t>(owner) | FUTEX_WAITERS;
    EXPECT_OK(syscall(SYS_set_robust_list, &list.head, sizeof list.head));
    robust_list_head* new_head = nullptr;
    EXPECT_OK(syscall(SYS_get_robust_list, owner, &new_head, &size));
    EXPECT_EQ(&list.head, new_head);
  });
  EXPECT_TRUE(eventually([&] { return (list.node.word & FUTEX_OWNER_DIED) != 0; }));
  EXPECT_EQ(static_cast<uint32_t>(FUTEX_OWNER_DIED | FUTEX_WAITERS), list.node.word);
}

TEST(RobustList, PendingOperationCounts) {
  static List list;
  list.head.list.next = &list.head.list;
  list.head.futex_offset = offsetof(Node, word) - offsetof(Node, link);
  list.head.list_op_pending = &list.node.link;
  in_thread([&] {
    list.node.word = static_cast<uint32_t>(gettid());
    EXPECT_OK(syscall(SYS_set_robust_list, &list.head, sizeof list.head));
  });
  EXPECT_TRUE(eventually([&] { return (list.node.word & FUTEX_OWNER_DIED) != 0; }));
}

TEST(RobustList, WordsOfOthersAreLeftAlone) {
  static List list;
  list.head.list.next = &list.node.link;
  list.node.link.next = &list.head.list;
  list.head.futex_offset = offsetof(Node, word) - offsetof(Node, link);
  const auto other = static_cast<uint32_t>(gettid());
  pid_t tid = 0;
  in_thread([&] {
    tid = gettid();
    list.node.word = other;
    EXPECT_OK(syscall(SYS_set_robust_list, &list.head, sizeof list.head));
  });
  EXPECT_TRUE(eventually([&] { return tgkill(getpid(), tid, 0) == -1; }));
  EXPECT_EQ(other, list.node.word);
}

TEST(RobustList, BrokenListsDoNoHarm) {
  // A list in a circle, and one that leads nowhere: the thread just ends.
  static List circle, nowhere;
  circle.head.list.next = &circle.node.link;
  circle.node.link.next = &circle.node.link;
  circle.head.futex_offset = offsetof(Node, word) - offsetof(Node, link);
  in_thread([&] { EXPECT_OK(syscall(SYS_set_robust_list, &circle.head, sizeof circle.head)); });
  nowhere.head.list.next = bad_pointer<robust_list>();
  in_thread([&] { EXPECT_OK(syscall(SYS_set_robust_list, &nowhere.head, sizeof nowhere.head)); });
  in_thread([&] {
    EXPECT_OK(syscall(SYS_set_robust_list, bad_pointer<robust_list_head>(), sizeof nowhere.head));
  });
}

TEST(RobustList, Errors) {
  robust_list_head head = {};
  robust_list_head* found;
  size_t size;
  EXPECT_ERRNO(EINVAL, syscall(SYS_set_robust_list, &head, sizeof head - 1));
  EXPECT_ERRNO(ESRCH, syscall(SYS_get_robust_list, 0x3fffffff, &found, &size));
  EXPECT_ERRNO(EFAULT, syscall(SYS_get_robust_list, 0, bad_pointer<void>(), &size));
}

}  // namespace
}  // namespace compat
