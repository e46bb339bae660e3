#include "net/core/socket.h"

#include "kernel/abi/socket.h"
#include "kernel/base/format.h"
#include "net/core/socket_families.h"

namespace narwhal {
namespace {

constexpr u64 kSocketDevice = make_device(0, 8);  // Linux's sockfs

}  // namespace

Result<usize> Socket::read(IoBuffer& to) {
  // As System V had it: nothing is asked of the socket.
  if (to.remaining() == 0) return usize{0};
  Message message{to};
  return receive(message);
}

Result<usize> Socket::write(IoBuffer& from) {
  Message message{from};
  if (type_ == abi::kSockSeqPacket) message.flags |= abi::kMsgEndOfRecord;
  if (type_ == abi::kSockStream && from.rules.more_follows) message.flags |= abi::kMsgMore;
  return send(message);
}

Result<> Socket::stat(abi::Stat& out) {
  out = {};
  out.device = kSocketDevice;
  out.inode = inode_number_;
  out.links = 1;
  out.mode = u32(FileType::kSocket) | 0777;
  out.uid = owner_uid_;
  out.gid = owner_gid_;
  out.block_size = kPageSize;
  return {};
}

Result<i64> Socket::ioctl(u32 command, UserAddr argument) {
  return answer_interface_ioctl(command, argument);
}

Result<String> Socket::link_text() const {
  Text<40> text;
  text << "socket:[" << inode_number_ << ']';
  return String::copy(text.view());
}

}  // namespace narwhal
