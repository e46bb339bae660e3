// One end of UDP (RFC 768): what a socket is built on. See datagram_endpoint.h for the rules.
#pragma once

#include "net/lwip/datagram_endpoint.h"
#include "net/lwip/ports.h"

struct udp_pcb;

namespace narwhal::net {

class UdpEndpoint : public DatagramEndpoint {
 public:
  explicit UdpEndpoint(IpVersion version) : version_(version) {
    binding_.address = IpAddress::any(version);
  }

  // EADDRINUSE, ENOMEM, ENOBUFS. Port 0: one of the ephemeral range.
  Result<> bind(const IpEndpoint& local);
  bool bound() const { return binding_.port != nullptr; }
  PortBinding& binding() { return binding_; }
  IpVersion version() const { return version_; }
  // Of the socket, for who lists endpoints.
  virtual u64 inode_number() const { return 0; }
  IpEndpoint local() const;
  IpEndpoint remote() const { return remote_; }
  bool connected() const { return connected_; }
  // Only datagrams from there are received from now on. Binds if need be. The port may be 0, for
  // who only wants to know the way (getsockname(2) afterwards). ENETUNREACH, and as bind().
  Result<> connect(const IpEndpoint& remote);
  void disconnect();
  void release();
  // Takes over what changed in binding().
  void apply_binding();

  // Sends the whole buffer as one datagram. EMSGSIZE, ENETUNREACH, EACCES (broadcast), EINVAL
  // (no way from this source), ENOBUFS, EFAULT; binds if need be. `more`: the datagram goes on in
  // the next call, which `request` of the first one governs (udp(7), UDP_CORK). A failure loses
  // what was gathered.
  Result<usize> send(IoBuffer& from, const SendRequest& request, bool more);
  // Sends what was gathered, if there is any.
  Result<> uncork();

  // --- from lwIP
  static UdpEndpoint& of_binding(PortBinding& binding);
  void receive(pbuf* packet, const IpEndpoint& from);
  void icmp_error(const IcmpError& error) { report(error, connected_); }

 protected:
  ~UdpEndpoint() { ASSERT(!pcb_); }

 private:
  UdpEndpoint& sharer_for(const IpEndpoint& from);
  Result<> transmit(pbuf* packet, const SendRequest& request);
  void drop_gathered();

  const IpVersion version_;
  udp_pcb* pcb_ = nullptr;
  PortBinding binding_;
  IpEndpoint local_, remote_;  // while connected
  bool connected_ = false;
  bool chosen_port_ = false;  // by the system: given back by disconnect()
  pbuf* gathered_ = nullptr;  // the beginning of a datagram
  SendRequest gathered_for_;
};

// Every bound endpoint.
void for_each_udp(void (*visit)(UdpEndpoint& endpoint, void* argument), void* argument);

}  // namespace narwhal::net
