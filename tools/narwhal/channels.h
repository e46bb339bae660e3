// The way of bytes between the guest's ports and this process's own streams: nothing is lost,
// nothing piles up. Each pump holds at most one buffer; while that is full, it does not read, so
// that the writer at the other end waits.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/base/unique_fd.h"

namespace narwhal::tools {

// A connected pair of stream sockets, both closed on exec: our end, non-blocking, and QEMU's.
struct SocketPair {
  UniqueFd ours;
  UniqueFd theirs;
};
// Ours does not block. `type`: SOCK_STREAM, or SOCK_SEQPACKET.
SocketPair make_socket_pair(int type = SOCK_STREAM);

// For a kernel that reads and writes one of our streams itself: a regular file or device as it is,
// a pipe by an open file description of its own that does not block (our own may be shared with
// other processes, and stays as it is). Nothing, where that can't be: terminals, sockets, and pipes
// of somebody else's.
UniqueFd stream_of_ours(int stream);

// Bytes that were read and not written yet.
class PendingBytes {
 public:
  bool empty() const { return start_ == bytes_.size(); }
  std::string_view view() const { return std::string_view(bytes_).substr(start_); }
  void consume(size_t count) { start_ += count; }
  void clear() { start_ = bytes_.size(); }

  // Reads once, with `call` as read(2) without its descriptor; what was pending is gone. Returns
  // what the call did.
  template <typename Read>
  ssize_t fill(Read call) {
    bytes_.resize(kSize);
    const ssize_t got = call(bytes_.data(), bytes_.size());
    bytes_.resize(got > 0 ? static_cast<size_t>(got) : 0);
    start_ = 0;
    return got;
  }

 private:
  static constexpr size_t kSize = 64 << 10;
  std::string bytes_;
  size_t start_ = 0;
};

// From the guest to one of our streams.
class OutputPump {
 public:
  OutputPump(UniqueFd from, int to);

  // Adds what this pump waits for; then, after poll(2), step() with the same vector. True when
  // bytes came.
  void wait_for(std::vector<pollfd>& polled);
  bool step(const std::vector<pollfd>& polled);

  // Everything that the guest wrote has been passed on, and no more can come.
  bool is_finished() const { return !from_ && buffer_.empty(); }

  // Our stream cannot be written any more (a pipe whose reader went away). True once, for the
  // caller to act on.
  bool take_broken();

 private:
  void read_some();
  void write_some();

  UniqueFd from_;
  int to_;
  bool to_is_pipe_ = false;
  bool broken_ = false;
  PendingBytes buffer_;
  size_t from_slot_ = 0;
  size_t to_slot_ = 0;
};

// From one of our streams to the guest. At its end the guest's port reports end of file.
class InputPump {
 public:
  InputPump(int from, UniqueFd to);

  void wait_for(std::vector<pollfd>& polled);
  void step(const std::vector<pollfd>& polled);

  // How often a terminal's Ctrl-C passed since the last call.
  size_t take_interrupts() { return std::exchange(interrupts_, 0); }

  // Milliseconds after which to call wait_for() again although nothing came; -1: no need.
  int retry_time() const { return is_background_ ? kRetryTime : -1; }

 private:
  static constexpr int kRetryTime = 500;

  bool may_read();
  void read_some();
  void write_some();

  int from_;
  UniqueFd to_;
  bool at_end_ = false;
  size_t interrupts_ = 0;
  bool is_background_ = false;  // our terminal's keys are meant for another program now
  PendingBytes buffer_;
  size_t from_slot_ = 0;
  size_t to_slot_ = 0;
};

// Lines of text, both ways (narwhal.control), or one way (the serial port).
class LineChannel {
 public:
  explicit LineChannel(UniqueFd fd) : fd_(std::move(fd)) {}

  void wait_for(std::vector<pollfd>& polled);
  // The complete lines that came, without their ends. At the end of the stream the rest counts as a
  // line.
  std::vector<std::string> step(const std::vector<pollfd>& polled);

  void send(std::string_view line);
  bool is_finished() const { return !fd_; }

 private:
  UniqueFd fd_;
  std::string incoming_;
  std::string outgoing_;
  size_t slot_ = 0;
};

}  // namespace narwhal::tools
