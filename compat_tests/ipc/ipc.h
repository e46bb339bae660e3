// System V objects that remove themselves, other users, and children. What several processes share
// is what these checks are about, so they may fork.
#pragma once

#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {

// A number that is removed at the end, unless it has been already.
template <auto Remove>
class IpcObject {
 public:
  explicit IpcObject(int id = -1) : id_(id) {}
  IpcObject(const IpcObject&) = delete;
  IpcObject& operator=(const IpcObject&) = delete;
  ~IpcObject() { reset(); }
  operator int() const { return id_; }  // NOLINT: goes wherever a number goes.
  void reset(int id = -1) {
    if (id_ >= 0) Remove(id_);
    id_ = id;
  }
  int release() { return std::exchange(id_, -1); }

 private:
  int id_;
};
using Shm = IpcObject<[](int id) { shmctl(id, IPC_RMID, nullptr); }>;
using Sem = IpcObject<[](int id) { semctl(id, 0, IPC_RMID); }>;
using Msg = IpcObject<[](int id) { msgctl(id, IPC_RMID, nullptr); }>;

// A key that nobody uses: it has this process's number in it.
inline key_t unused_key(int project = 1) {
  return static_cast<key_t>(0x4e000000 | (getpid() & 0xffff) << 8 | project);
}

// Starts a child that ends with what `body` returns.
inline pid_t start_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  return child;
}
// Its exit status; -1 when it did not end by itself.
inline int end_of(pid_t child) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}
inline int in_child(const std::function<int()>& body) {
  return end_of(start_child(body));
}

inline constexpr uid_t kOtherUser = 12345;
inline constexpr gid_t kOtherGroup = 23456;

// Runs `body` as somebody without privileges, in a thread of its own.
template <class Body>
void as_other_user(Body body) {
  in_thread([&] {
    ASSERT_OK(syscall(SYS_setgroups, 0, nullptr));
    ASSERT_OK(syscall(SYS_setresgid, kOtherGroup, kOtherGroup, kOtherGroup));
    ASSERT_OK(syscall(SYS_setresuid, kOtherUser, kOtherUser, kOtherUser));
    body();
  });
}

// Where all objects are this test's own, if the machine has namespaces and lets us make one
// (ipc_namespaces(7)): the same program may run beside this one, and totals would have its objects.
template <class Body>
void in_own_ipc_namespace(Body body) {
  in_thread([&] {
    unshare(CLONE_NEWIPC);
    body();
  });
}

#define NEEDS_ROOT() \
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else"

}  // namespace compat
