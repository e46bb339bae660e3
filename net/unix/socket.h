// UnixSocket: the open file of a socket.
#pragma once

#include "net/core/basic_options.h"
#include "net/unix/endpoint.h"

namespace narwhal {

class UnixSocket final : public Socket {
 public:
  UnixSocket(Ref<UnixEndpoint> endpoint, OpenFlags flags);
  ~UnixSocket() override;

  UnixEndpoint& endpoint() const { return *endpoint_; }

  Result<> bind(const SocketAddress& address) override { return endpoint_->bind(address); }
  Result<> connect(const SocketAddress& address) override { return endpoint_->connect(address); }
  Result<> listen(int backlog) override { return endpoint_->listen(backlog); }
  Result<Ref<Socket>> accept(OpenFlags flags, SocketAddress& peer) override;
  Result<> shutdown(int how) override { return endpoint_->shutdown(how); }
  Result<> local_address(SocketAddress& out) override {
    endpoint_->local_address(out);
    return {};
  }
  Result<> peer_address(SocketAddress& out) override { return endpoint_->peer_address(out); }
  Result<usize> send(Message& message) override { return endpoint_->send(message); }
  Result<usize> receive(Message& message) override;
  Result<> set_option(int level, int name, std::span<const std::byte> value) override;
  Result<usize> get_option(int level, int name, std::span<std::byte> value) override;
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  PollEvents poll() override { return endpoint_->poll(); }
  WaitQueue* poll_queue() override { return &endpoint_->wait_queue(); }

  // For the collector of what is in flight (net/unix/collector.h).
  ListNode in_flight_node;
  ListNode work_node;
  u32 in_flight TA_GUARDED_BY(unix_lock) = 0;     // references that messages hold
  u32 from_outside TA_GUARDED_BY(unix_lock) = 0;  // of these, by queues of sockets in use
  bool candidate TA_GUARDED_BY(unix_lock) = false;

 private:
  const Ref<UnixEndpoint> endpoint_;
  BasicOptions options_;
};

}  // namespace narwhal
