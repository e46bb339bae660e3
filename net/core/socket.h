// Socket: a File that talks. One class for each family and type derives from it (net/inet,
// net/unix, net/netlink).
//
// As with every File nothing sleeps here: an operation that can't go on says EAGAIN (connect:
// EINPROGRESS), and the system call waits on poll_queue(). MSG_DONTWAIT is the caller's business.
#pragma once

#include "fs/core/anonymous_file.h"

namespace narwhal {

// struct sockaddr of any family, as bytes.
struct SocketAddress {
  static constexpr usize kCapacity = 128;  // sizeof(struct sockaddr_storage)
  alignas(8) u8 bytes[kCapacity] = {};
  u32 length = 0;
  u16 family() const { return length >= 2 ? u16(bytes[0] | bytes[1] << 8) : 0; }
};

// Control messages on their way through sendmsg(2) and recvmsg(2), already taken apart.
struct ControlData {
  Vector<FileRef> files;  // SCM_RIGHTS
  struct Ids {
    i32 pid;
    u32 uid, gid;
  };
  bool has_credentials = false;
  Ids credentials{};  // SCM_CREDENTIALS
  // Other messages for the receiver, ready made (level, type, data): IP_PKTINFO, SO_TIMESTAMP, ...
  struct Raw {
    i32 level, type;
    u8 length;
    u8 data[48];
  };
  Vector<Raw> raw;
};

struct Message {
  IoBuffer& data;
  SocketAddress* address = nullptr;  // send: destination or null; receive: filled if not null
  ControlData* control = nullptr;    // likewise
  u32 flags = 0;                     // in: MSG_*
  u32 result_flags = 0;              // out, receive: MSG_TRUNC, MSG_CTRUNC, MSG_EOR, ...
};

class Socket : public File {
 public:
  Socket(int family, int type, int protocol, OpenFlags flags)
      : File(flags), family_(family), type_(type), protocol_(protocol) {}

  Kind kind() const final { return Kind::kSocket; }
  // read(2) and write(2) are receive() and send() without flags.
  Result<usize> read(IoBuffer& to) override;
  Result<usize> write(IoBuffer& from) override;
  Result<> stat(abi::Stat& out) override;
  Result<String> link_text() const override;
  // netdevice(7): sockets of every family answer questions about interfaces.
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  u64 inode_number() const { return inode_number_; }
  // Who made it, as fstat(2) shows it. Set before anybody else knows the socket.
  void set_owner(u32 uid, u32 gid) {
    owner_uid_ = uid;
    owner_gid_ = gid;
  }

  int family() const { return family_; }
  int type() const { return type_; }
  int protocol() const { return protocol_; }

  // What the kernel itself tells a program through its socket (mq_notify(3), netlink(7)): a
  // datagram that nobody sent.
  virtual Result<> deliver(std::span<const std::byte> bytes) {
    return static_cast<void>(bytes), Errno::kOpNotSupp;
  }

  virtual Result<> bind(const SocketAddress& address) = 0;
  virtual Result<> connect(const SocketAddress& address) = 0;  // EINPROGRESS, EALREADY, EISCONN
  // After connect() said EINPROGRESS and the queue was woken: how did it end? EAGAIN: not yet.
  virtual Result<> finish_connect() { return Errno::kOpNotSupp; }
  virtual Result<> listen(int backlog) { return static_cast<void>(backlog), Errno::kOpNotSupp; }
  virtual Result<Ref<Socket>> accept(OpenFlags flags, SocketAddress& peer) {
    return static_cast<void>(flags), static_cast<void>(peer), Errno::kOpNotSupp;
  }
  virtual Result<> shutdown(int how) = 0;
  virtual Result<> local_address(SocketAddress& out) = 0;
  virtual Result<> peer_address(SocketAddress& out) = 0;
  virtual Result<usize> send(Message& message) = 0;
  virtual Result<usize> receive(Message& message) = 0;
  // Level and name as in getsockopt(2). `value` is the program's bytes, already copied in.
  virtual Result<> set_option(int level, int name, std::span<const std::byte> value) = 0;
  virtual Result<usize> get_option(int level, int name, std::span<std::byte> value) = 0;

  // Time limits of SO_RCVTIMEO and SO_SNDTIMEO in ns; 0: none.
  u64 receive_timeout_ns = 0;
  u64 send_timeout_ns = 0;

 private:
  int family_, type_, protocol_;
  u64 inode_number_ = next_anonymous_inode();
  u32 owner_uid_ = 0, owner_gid_ = 0;
};

}  // namespace narwhal
