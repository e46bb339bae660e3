// SOCK_RAW sockets of AF_INET and AF_INET6: raw(7), and ICMPv6 as RFC 3542 has it.
#pragma once

#include "net/inet/datagram_socket.h"
#include "net/lwip/raw_endpoint.h"

namespace narwhal::inet {

class RawSocket final : public DatagramSocket {
 public:
  RawSocket(int family, u8 protocol, OpenFlags flags);
  ~RawSocket() override;
  Result<> open();

  Result<> bind(const SocketAddress& address) override;
  Result<> connect(const SocketAddress& address) override;
  Result<> local_address(SocketAddress& out) override;
  Result<> peer_address(SocketAddress& out) override;
  Result<> set_option(int level, int name, std::span<const std::byte> value) override;
  Result<usize> get_option(int level, int name, std::span<std::byte> value) override;

 private:
  struct Endpoint final : net::RawEndpoint {
    Endpoint(RawSocket& s, IpVersion version, u8 protocol)
        : RawEndpoint(version, protocol), socket(s) {}
    void told(Event event) override { socket.told(event); }
    u64 inode_number() const override { return socket.inode_number(); }
    bool wants(u8 icmp_type) const override {
      return !(socket.filter_[icmp_type / 32] >> icmp_type % 32 & 1);
    }
    RawSocket& socket;
  };

  net::DatagramEndpoint& datagrams() override { return endpoint_; }
  bool is_connected() override { return !endpoint_.remote().is_any(); }
  bool is_bound() override { return !endpoint_.local().is_any(); }
  IpAddress remote_ip() override { return endpoint_.remote(); }
  IpEndpoint default_destination() override { return {endpoint_.remote(), 0}; }
  Result<usize> transmit(IoBuffer& data, const net::SendRequest& request, bool more) override;
  void apply_options() override;
  std::span<u32> filter_words(int level, int name);

  Endpoint endpoint_;
  u32 filter_[8] = {};  // a bit for each ICMP type that is not wanted
  i32 checksum_at_ = -1;
};

}  // namespace narwhal::inet
