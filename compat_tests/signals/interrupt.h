// Runs calls that block, and sends signals to them.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/common/threads.h"

namespace compat {

inline void do_nothing(int, siginfo_t*, void*) {}

// Runs a call that blocks in a thread, and sends signals until it has come back.
inline void expect_interrupted(int flags, const std::function<intptr_t()>& call) {
  ScopedAction action(SIGUSR1, do_nothing, flags);
  std::atomic<bool> done = false;
  std::thread blocked([&] {
    EXPECT_ERRNO(EINTR, call());
    done = true;
  });
  let_others_block();
  EXPECT_TRUE(eventually([&] {
    if (!done) pthread_kill(blocked.native_handle(), SIGUSR1);
    return done.load();
  }));
  blocked.join();
}

// Runs a call that blocks, with SA_RESTART; sends signals, which it must survive; then lets it
// finish.
inline void expect_restarted(const std::function<void()>& call,
                             const std::function<void()>& finish) {
  ScopedAction action(SIGUSR1, do_nothing, SA_RESTART);
  std::atomic<bool> done = false;
  std::thread blocked([&] {
    call();
    done = true;
  });
  let_others_block();
  for (int i = 0; i < 5; ++i) {
    pthread_kill(blocked.native_handle(), SIGUSR1);
    sleep_for(milliseconds(5));
  }
  EXPECT_FALSE(done);
  finish();
  blocked.join();
}

class Interrupt : public testing::Test {
 protected:
  Interrupt() {
    int ends[2];
    EXPECT_OK(pipe(ends));
    reader.reset(ends[0]);
    writer.reset(ends[1]);
    EXPECT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    left.reset(ends[0]);
    right.reset(ends[1]);
  }

  void fill_pipe() {
    ASSERT_OK(fcntl(writer, F_SETFL, O_NONBLOCK));
    while (write(writer, "0123456789abcdef", 16) > 0) {
    }
    ASSERT_OK(fcntl(writer, F_SETFL, 0));
  }

  Fd reader, writer, left, right;
  char byte = 'x';
};

}  // namespace compat
