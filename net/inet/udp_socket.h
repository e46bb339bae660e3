// SOCK_DGRAM sockets of AF_INET and AF_INET6: udp(7).
#pragma once

#include "net/inet/datagram_socket.h"
#include "net/lwip/udp_endpoint.h"

namespace narwhal::inet {

class UdpSocket final : public DatagramSocket {
 public:
  UdpSocket(int family, OpenFlags flags);
  ~UdpSocket() override;

  Result<> bind(const SocketAddress& address) override;
  Result<> connect(const SocketAddress& address) override;
  Result<> set_option(int level, int name, std::span<const std::byte> value) override;
  Result<usize> get_option(int level, int name, std::span<std::byte> value) override;
  Result<> local_address(SocketAddress& out) override;
  Result<> peer_address(SocketAddress& out) override;

 private:
  struct Endpoint final : net::UdpEndpoint {
    Endpoint(UdpSocket& s, IpVersion version) : UdpEndpoint(version), socket(s) {}
    void told(Event event) override { socket.told(event); }
    u64 inode_number() const override { return socket.inode_number(); }
    UdpSocket& socket;
  };

  net::DatagramEndpoint& datagrams() override { return endpoint_; }
  bool is_connected() override { return endpoint_.connected(); }
  bool is_bound() override { return endpoint_.bound(); }
  IpAddress remote_ip() override { return endpoint_.remote().address; }
  IpEndpoint default_destination() override { return endpoint_.remote(); }
  Result<usize> transmit(IoBuffer& data, const net::SendRequest& request, bool more) override {
    return endpoint_.send(data, request, more || cork_);
  }
  void apply_options() override;

  Endpoint endpoint_;
  bool cork_ = false;  // UDP_CORK
};

}  // namespace narwhal::inet
