// NetlinkSocket: requests are answered while they are sent; the answers wait here.
#pragma once

#include "net/core/basic_options.h"
#include "net/core/socket.h"
#include "net/netlink/route.h"

namespace narwhal::netlink {

class NetlinkSocket final : public Socket {
 public:
  NetlinkSocket(const Provider& provider, int type, int protocol, OpenFlags flags);
  ~NetlinkSocket() override;

  Result<> bind(const SocketAddress& address) override;
  Result<> connect(const SocketAddress& address) override;
  Result<> shutdown(int) override { return Errno::kOpNotSupp; }
  Result<> local_address(SocketAddress& out) override;
  Result<> peer_address(SocketAddress& out) override;
  Result<usize> send(Message& message) override;
  Result<usize> receive(Message& message) override;
  Result<> deliver(std::span<const std::byte> bytes) override;
  Result<> set_option(int level, int name, std::span<const std::byte> value) override;
  Result<usize> get_option(int level, int name, std::span<std::byte> value) override;
  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &wait_queue_; }

  ListNode port_node;  // sockets that have a port
  u32 port() const { return port_.load(); }

 private:
  // Gives the socket a port: this one, or (0) the process's number or another that is free.
  // EADDRINUSE.
  Result<> take_port(u32 port);
  void process(std::span<const std::byte> bytes, bool may_change, DatagramList& out);
  Result<> acknowledge(std::span<const std::byte> request, Errno error, DatagramList& out);
  Result<> change_membership(std::span<const std::byte> value, bool join);

  const Provider provider_;
  WaitQueue wait_queue_;
  BasicOptions options_;
  Atomic<u32> port_{0};
  Atomic<u32> groups_{0};    // of the first 32, as a bit set
  Atomic<u32> switches_{0};  // options of SOL_NETLINK that are on, by number
  Atomic<i32> send_buffer_{BasicOptions::kMostBuffer};
  Atomic<bool> pass_credentials_{false};
  // Held over copies of answers to the program.
  Mutex<LockRank::kUnixSocket> mutex_;
  DatagramList answers_ TA_GUARDED_BY(mutex_);
  Errno error_ TA_GUARDED_BY(mutex_) = Errno{};
};

}  // namespace narwhal::netlink
