// SOCK_STREAM sockets of AF_INET and AF_INET6: tcp(7).
#pragma once

#include "net/inet/inet_socket.h"
#include "net/lwip/tcp_endpoint.h"

namespace narwhal::inet {

class TcpSocket final : public InetSocket {
 public:
  TcpSocket(int family, OpenFlags flags);
  ~TcpSocket() override;

  Result<> bind(const SocketAddress& address) override;
  Result<> connect(const SocketAddress& address) override;
  Result<> finish_connect() override;
  Result<> listen(int backlog) override;
  Result<Ref<Socket>> accept(OpenFlags flags, SocketAddress& peer) override;
  Result<> shutdown(int how) override;
  Result<> local_address(SocketAddress& out) override;
  Result<> peer_address(SocketAddress& out) override;
  Result<usize> send(Message& message) override;
  Result<usize> receive(Message& message) override;
  Result<> set_option(int level, int name, std::span<const std::byte> value) override;
  Result<usize> get_option(int level, int name, std::span<std::byte> value) override;
  PollEvents poll() override;
  Result<i64> ioctl(u32 command, UserAddr argument) override;

 private:
  // How far connect(2) has come, which is more than the protocol knows: a connection that failed is
  // kConnecting until somebody asks how it went.
  enum class Stage : u8 { kUnconnected, kConnecting, kConnected };

  struct Endpoint final : net::TcpEndpoint {
    Endpoint(TcpSocket& s, IpVersion version) : TcpEndpoint(version), socket(s) {}
    void told(Event event) override { socket.told(event); }
    u64 inode_number() const override { return socket.inode_number(); }
    net::TcpEndpoint* new_child() override { return socket.new_child(); }
    void drop_child() override { socket.drop_child(); }
    TcpSocket& socket;
  };

  // Options of IPPROTO_TCP that the endpoint does not keep.
  struct TcpOptions {
    i32 linger2 = 60;      // seconds in FIN-WAIT-2, /proc/sys/net/ipv4/tcp_fin_timeout
    i32 defer_accept = 0;  // seconds; a hint, which accept(2) need not follow
    i32 window_clamp = 0;
    i32 syn_count = 0;  // 0: the default
    i32 fast_open = 0;  // queue length; connections are never opened by data all the same
    u32 not_sent_low_water = 0;
    u16 max_segment = 0;
  };

  void told(net::TcpEndpoint::Event event);
  net::TcpEndpoint* new_child();
  void drop_child();
  void close();
  void apply_options() override;
  bool is_listening() override { return endpoint_.state() == net::TcpState::kListen; }
  bool is_bound() override { return endpoint_.bound(); }
  Errno take_socket_error() override { return endpoint_.take_error(); }
  IpAddress remote_ip() override { return endpoint_.remote().address; }
  Result<> conclude_connect();
  bool input_ended() const { return read_shut_ || endpoint_.end_of_input(); }
  Result<> set_tcp_option(int name, i32 value);
  usize tcp_info(std::span<std::byte> out);

  Endpoint endpoint_;
  TcpOptions tcp_options_;
  Stage stage_ = Stage::kUnconnected;
  bool read_shut_ = false;
  bool closed_ = false;
};

}  // namespace narwhal::inet
