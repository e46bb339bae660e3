// What UDP and raw sockets have in common: receiving with its control messages, the error queue,
// readiness, multicast groups.
#pragma once

#include "kernel/base/vector.h"
#include "net/inet/inet_socket.h"
#include "net/lwip/datagram_endpoint.h"

namespace narwhal::inet {

class DatagramSocket : public InetSocket {
 public:
  DatagramSocket(int family, int type, int protocol, OpenFlags flags);

  Result<usize> send(Message& message) override;
  Result<usize> receive(Message& message) override;
  Result<> shutdown(int how) override;
  PollEvents poll() override;
  Result<i64> ioctl(u32 command, UserAddr argument) override;

 protected:
  virtual net::DatagramEndpoint& datagrams() = 0;
  const net::DatagramEndpoint& datagrams() const {
    return const_cast<DatagramSocket*>(this)->datagrams();
  }
  virtual bool is_connected() = 0;
  // Where a datagram without an address of its own goes.
  virtual IpEndpoint default_destination() = 0;
  // `more`: the datagram goes on (MSG_MORE). EOPNOTSUPP where there is no such thing.
  virtual Result<usize> transmit(IoBuffer& data, const net::SendRequest& request, bool more) = 0;

  void told(net::DatagramEndpoint::Event event);
  void apply_options() override;
  Errno take_socket_error() override { return datagrams().take_error(); }
  Result<> change_membership(const IpAddress& group, u32 interface, bool join) override;
  void leave_groups();

 private:
  struct Membership {
    IpAddress group;
    u32 interface;
  };
  Result<usize> receive_error(Message& message);
  Result<> add_control(const net::Datagram& datagram, ControlData& control);
  Result<> read_control(const ControlData& control, net::SendRequest& request) const;

  Vector<Membership> groups_;
  bool read_shut_ = false;
  bool write_shut_ = false;
};

}  // namespace narwhal::inet
