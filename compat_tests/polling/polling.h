// What the checks of waiting share: pipes and an epoll set that is easy to ask.
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {

struct PipeEnds {
  Fd reading, writing;
};
inline PipeEnds make_pipe(int flags = 0) {
  int ends[2] = {-1, -1};
  EXPECT_OK(pipe2(ends, flags));
  return {ends[0], ends[1]};
}

inline short poll_once(int fd, short events, int timeout = 0) {
  pollfd entry = {.fd = fd, .events = events, .revents = 0};
  EXPECT_OK(poll(&entry, 1, timeout));
  return entry.revents;
}

inline bool put(int fd, std::string_view text = "x") {
  return write(fd, text.data(), text.size()) == ssize_t(text.size());
}
inline std::string take(int fd, size_t size = 4096) {
  std::string text(size, '\0');
  const ssize_t got = read(fd, text.data(), size);
  if (got < 0) return "error " + error_name(errno);
  text.resize(size_t(got));
  return text;
}
// Writes until the pipe takes no more; how much that was.
inline size_t fill(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  EXPECT_OK(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
  const std::string block(4096, 'x');
  size_t total = 0;
  for (ssize_t count; (count = write(fd, block.data(), block.size())) > 0;) total += size_t(count);
  EXPECT_OK(fcntl(fd, F_SETFL, flags));
  return total;
}

class EpollSet {
 public:
  struct Ready {
    uint32_t events;
    uint64_t data;
    bool operator==(const Ready&) const = default;
  };

  int fd() const { return fd_; }
  int control(int operation, int fd, uint32_t events, uint64_t data) {
    epoll_event event = {.events = events, .data = {.u64 = data}};
    return epoll_ctl(fd_, operation, fd, &event);
  }
  int add(int fd, uint32_t events, uint64_t data = 0) {
    return control(EPOLL_CTL_ADD, fd, events, data);
  }
  int change(int fd, uint32_t events, uint64_t data = 0) {
    return control(EPOLL_CTL_MOD, fd, events, data);
  }
  int remove(int fd) { return epoll_ctl(fd_, EPOLL_CTL_DEL, fd, nullptr); }
  std::vector<Ready> wait(int timeout = 0, int most = 16) {
    std::vector<epoll_event> events(static_cast<size_t>(most));
    const int count = epoll_wait(fd_, events.data(), most, timeout);
    EXPECT_GE(count, 0);
    std::vector<Ready> result;
    for (int i = 0; i < count; ++i)
      result.push_back({events[size_t(i)].events, events[size_t(i)].data.u64});
    return result;
  }
  // The events of the one descriptor that is ready; 0 when none is.
  uint32_t next(int timeout = 0) {
    const auto ready = wait(timeout, 1);
    return ready.empty() ? 0 : ready[0].events;
  }

 private:
  Fd fd_ = epoll_create1(EPOLL_CLOEXEC);
};

inline constexpr int kLong = 20000;  // milliseconds, for what will certainly come

}  // namespace compat
