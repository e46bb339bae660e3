#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "bench/measure.h"

namespace narwhal::bench {

namespace {

// A partner that answers `times` times, and goes.
template <typename Partner>
class Thread {
 public:
  Thread(Partner& partner) {
    require(pthread_create(&thread_, nullptr, run, &partner) == 0, "pthread_create");
  }
  ~Thread() { pthread_join(thread_, nullptr); }

 private:
  static void* run(void* partner) {
    static_cast<Partner*>(partner)->answer();
    return nullptr;
  }
  pthread_t thread_;
};

struct Pipes {
  long long times;
  int to[2];
  int back[2];

  void answer() {
    char byte;
    for (long long i = 0; i < times; ++i) {
      require(read(to[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1, "pipe");
    }
  }
};

// There and back counts as one.
long long pipe_ping_pong(long long times) {
  Pipes pipes = {times, {}, {}};
  require(pipe(pipes.to) == 0 && pipe(pipes.back) == 0, "pipe");
  long long taken;
  {
    const Thread<Pipes> partner(pipes);
    char byte = 'x';
    const long long start = now();
    for (long long i = 0; i < times; ++i) {
      require(write(pipes.to[1], &byte, 1) == 1 && read(pipes.back[0], &byte, 1) == 1, "pipe");
    }
    taken = now() - start;
  }
  for (const int fd : {pipes.to[0], pipes.to[1], pipes.back[0], pipes.back[1]}) close(fd);
  return taken;
}

// A ball that each side waits for, and gives back.
struct Ball {
  long long times;
  std::atomic<unsigned> side = 0;

  void wait_for(unsigned wanted) {
    while (side.load() != wanted) {
      syscall(SYS_futex, &side, FUTEX_WAIT_PRIVATE, 1 - wanted, nullptr, nullptr, 0);
    }
  }
  void give(unsigned to) {
    side.store(to);
    syscall(SYS_futex, &side, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  void answer() {
    for (long long i = 0; i < times; ++i) {
      wait_for(1);
      give(0);
    }
  }
};

long long futex_ping_pong(long long times) {
  Ball ball = {times};
  const Thread<Ball> partner(ball);
  const long long start = now();
  for (long long i = 0; i < times; ++i) {
    ball.give(1);
    ball.wait_for(0);
  }
  return now() - start;
}

long long create_and_join(long long times) {
  const auto nothing = [](void*) -> void* { return nullptr; };
  const long long start = now();
  for (long long i = 0; i < times; ++i) {
    pthread_t thread;
    require(pthread_create(&thread, nullptr, nothing, nullptr) == 0, "pthread_create");
    pthread_join(thread, nullptr);
  }
  return now() - start;
}

}  // namespace

std::vector<Row> thread_rows() {
  return {{"pipe_ping_pong", pipe_ping_pong},
          {"futex_ping_pong", futex_ping_pong},
          {"thread_create_join", create_and_join}};
}

}  // namespace narwhal::bench
