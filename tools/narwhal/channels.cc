#include "tools/narwhal/channels.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "tools/base/error.h"

namespace narwhal::tools {

namespace {

// A guest that writes one endless line would otherwise eat our memory.
constexpr size_t kLongestLine = 64 << 10;
constexpr size_t kNoSlot = SIZE_MAX;

size_t poll_for(std::vector<pollfd>& polled, int fd, short events) {
  polled.push_back({fd, events, 0});
  return polled.size() - 1;
}

bool is_ready(const std::vector<pollfd>& polled, size_t slot) {
  return slot != kNoSlot && polled[slot].revents != 0;
}

bool would_wait(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

}  // namespace

SocketPair make_socket_pair(int type) {
  int fds[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) {
    fail("cannot make a pair of sockets: {}", strerror(errno));
  }
  SocketPair pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
  if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
    fail("cannot set up a pair of sockets: {}", strerror(errno));
  }
  return pair;
}

UniqueFd stream_of_ours(int stream) {
  struct stat status;
  if (fstat(stream, &status) != 0) return {};
  if (S_ISFIFO(status.st_mode)) {
    const int access = fcntl(stream, F_GETFL) & O_ACCMODE;
    return UniqueFd(
        open(fmt::format("/proc/self/fd/{}", stream).c_str(), access | O_NONBLOCK | O_CLOEXEC));
  }
  if (S_ISREG(status.st_mode) || (S_ISCHR(status.st_mode) && isatty(stream) == 0))
    return UniqueFd(fcntl(stream, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  return {};
}

OutputPump::OutputPump(UniqueFd from, int to) : from_(std::move(from)), to_(to) {
  struct stat status;
  to_is_pipe_ = fstat(to, &status) == 0 && S_ISFIFO(status.st_mode);
}

void OutputPump::wait_for(std::vector<pollfd>& polled) {
  from_slot_ = to_slot_ = kNoSlot;
  if (!buffer_.empty()) {
    to_slot_ = poll_for(polled, to_, POLLOUT);
  } else if (from_) {
    from_slot_ = poll_for(polled, from_.get(), POLLIN);
  }
}

bool OutputPump::step(const std::vector<pollfd>& polled) {
  const bool came = is_ready(polled, from_slot_);
  if (came) read_some();
  if (is_ready(polled, to_slot_)) write_some();
  return came && !buffer_.empty();
}

bool OutputPump::take_broken() {
  return std::exchange(broken_, false);
}

void OutputPump::read_some() {
  const ssize_t got =
      buffer_.fill([&](char* bytes, size_t size) { return recv(from_.get(), bytes, size, 0); });
  if (got <= 0 && !would_wait(got)) from_.reset();
}

// Our streams may be shared with other processes, so they stay in blocking mode: poll(2) says that
// there is room, and no more than that is written. A pipe that can be written has room for PIPE_BUF
// bytes.
void OutputPump::write_some() {
  std::string_view bytes = buffer_.view();
  if (to_is_pipe_) bytes = bytes.substr(0, PIPE_BUF);
  const ssize_t written = write(to_, bytes.data(), bytes.size());
  if (would_wait(written)) return;
  if (written < 0) {
    // Nobody will read this any more. Closing our end tells the guest's port so.
    broken_ = true;
    buffer_.clear();
    from_.reset();
    return;
  }
  buffer_.consume(static_cast<size_t>(written));
}

InputPump::InputPump(int from, UniqueFd to) : from_(from), to_(std::move(to)) {}

void InputPump::wait_for(std::vector<pollfd>& polled) {
  from_slot_ = to_slot_ = kNoSlot;
  if (!to_) return;
  if (!buffer_.empty()) {
    to_slot_ = poll_for(polled, to_.get(), POLLOUT);
  } else if (!at_end_ && may_read()) {
    from_slot_ = poll_for(polled, from_, POLLIN);
  }
}

// To read from the terminal in the background (after "narwhal run ... &") would stop this process
// (SIGTTIN, tty_ioctl(4)). There is no event for being brought to the foreground while running, so
// the caller asks again from time to time.
bool InputPump::may_read() {
  const pid_t foreground = tcgetpgrp(from_);
  is_background_ = foreground >= 0 && foreground != getpgrp();
  return !is_background_;
}

void InputPump::step(const std::vector<pollfd>& polled) {
  if (is_ready(polled, from_slot_)) read_some();
  if (is_ready(polled, to_slot_)) write_some();
}

void InputPump::read_some() {
  const ssize_t got = buffer_.fill([&](char* bytes, size_t size) {
    const ssize_t count = read(from_, bytes, size);
    if (count > 0) interrupts_ += static_cast<size_t>(std::count(bytes, bytes + count, 'C' - '@'));
    return count;
  });
  if (got > 0 || would_wait(got)) return;
  at_end_ = true;
  // Not close: QEMU takes the closing of both directions as a hang-up, and drops what it has not
  // read yet.
  shutdown(to_.get(), SHUT_WR);
}

void InputPump::write_some() {
  const std::string_view bytes = buffer_.view();
  const ssize_t sent = send(to_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (would_wait(sent)) return;
  if (sent < 0) {
    to_.reset();
    return;
  }
  buffer_.consume(static_cast<size_t>(sent));
}

void LineChannel::wait_for(std::vector<pollfd>& polled) {
  slot_ = kNoSlot;
  if (!fd_) return;
  slot_ =
      poll_for(polled, fd_.get(), static_cast<short>(POLLIN | (outgoing_.empty() ? 0 : POLLOUT)));
}

std::vector<std::string> LineChannel::step(const std::vector<pollfd>& polled) {
  std::vector<std::string> lines;
  if (!is_ready(polled, slot_)) return lines;
  if ((polled[slot_].revents & POLLOUT) != 0) {
    const ssize_t sent = ::send(fd_.get(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
    if (sent > 0) outgoing_.erase(0, static_cast<size_t>(sent));
    if (sent < 0 && !would_wait(sent)) outgoing_.clear();
  }
  if ((polled[slot_].revents & (POLLIN | POLLHUP | POLLERR)) == 0) return lines;
  char bytes[4096];
  const ssize_t got = recv(fd_.get(), bytes, sizeof bytes, 0);
  if (would_wait(got)) return lines;
  if (got > 0) incoming_.append(bytes, static_cast<size_t>(got));
  if (got <= 0) fd_.reset();
  size_t start = 0;
  for (size_t end; (end = incoming_.find('\n', start)) != std::string::npos; start = end + 1) {
    std::string line = incoming_.substr(start, end - start);
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(std::move(line));
  }
  incoming_.erase(0, start);
  if (!incoming_.empty() && (!fd_ || incoming_.size() > kLongestLine)) {
    lines.push_back(std::exchange(incoming_, ""));
  }
  return lines;
}

void LineChannel::send(std::string_view line) {
  if (!fd_) return;
  outgoing_ += line;
  outgoing_ += '\n';
}

}  // namespace narwhal::tools
