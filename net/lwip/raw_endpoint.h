// Packets of one protocol straight above IP: raw(7). See datagram_endpoint.h for the rules.
#pragma once

#include "net/lwip/datagram_endpoint.h"

struct raw_pcb;

namespace narwhal::net {

class RawEndpoint : public DatagramEndpoint {
 public:
  RawEndpoint(IpVersion version, u8 protocol) : version_(version), protocol_(protocol) {
    local_ = remote_ = IpAddress::any(version);
  }
  // Begins to receive. ENOBUFS. Nothing else may be called before.
  Result<> open();
  void release();

  void bind(const IpAddress& local);
  void connect(const IpAddress& remote);  // any: from everybody again
  const IpAddress& local() const { return local_; }
  const IpAddress& remote() const { return remote_; }
  void set_device(u32 index);
  u8 protocol() const { return protocol_; }
  // Of the socket, for who lists endpoints.
  virtual u64 inode_number() const { return 0; }

  // IPv4: `header_included` means that the data begins with the IP header. IPv6: `checksum_at` is
  // where the transport's checksum goes, or negative. EMSGSIZE, ENETUNREACH, EACCES, EINVAL,
  // ENOBUFS, EFAULT.
  Result<usize> send(IoBuffer& from, const SendRequest& request, bool header_included,
                     i32 checksum_at);

  // --- from lwIP
  void receive(const pbuf* packet, const IpAddress& from);
  void icmp_error(const IcmpError& error) { report(error, !remote_.is_any()); }
  static RawEndpoint* first();
  RawEndpoint* next() const { return next_; }

 protected:
  ~RawEndpoint() { ASSERT(!pcb_); }
  // ICMP_FILTER, ICMP6_FILTER: whether the socket wants messages of this type.
  virtual bool wants(u8 icmp_type) const = 0;

 private:
  const IpVersion version_;
  const u8 protocol_;
  raw_pcb* pcb_ = nullptr;
  RawEndpoint* next_ = nullptr;
  IpAddress local_, remote_;
};

}  // namespace narwhal::net
