#include "net/lwip/packet_tap.h"

#include "lwip/netif.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip.h"
#include "lwip_hooks.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/packet_tap_lwip.h"

namespace narwhal::net {

constinit PacketTap* first_tap = nullptr;

namespace {

static_assert(kLinkHeaderSize == SIZEOF_ETH_HDR);
constexpr usize kTypeAt = 12;
// From here on what stands there is an EtherType; below, it is a length (IEEE 802.3).
constexpr u16 kFirstType = 1536;

// Who sends just now: it sees what comes, and not what it sends.
constinit const PacketTap* sender = nullptr;

netif* find(u32 index) {
  return index != 0 && index < 256 ? netif_get_by_index(u8(index)) : nullptr;
}

u16 type_of(const u8* header) {
  return u16(header[kTypeAt] << 8 | header[kTypeAt + 1]);
}

void tell(TappedFrame& frame, netif& interface, bool outgoing) {
  frame.interface = netif_get_index(&interface);
  frame.loopback = &interface == loopback_interface();
  frame.payload_size = usize{frame.packet->tot_len} - frame.payload_at;
  frame.protocol = type_of(frame.header);
  if (frame.protocol < kFirstType) {
    u8 begin[2] = {};
    pbuf_copy_partial(frame.packet, begin, sizeof begin, frame.payload_at);
    frame.protocol = begin[0] == 0xff && begin[1] == 0xff ? kNovellProtocol : kLinkControlProtocol;
  }
  // Loopback's address and its broadcast address are both 0: to the latter goes nothing.
  static constexpr u8 kEverybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  if (outgoing)
    frame.kind = TappedFrame::Kind::kOutgoing;
  else if (!frame.loopback && std::memcmp(frame.header, kEverybody, sizeof kEverybody) == 0)
    frame.kind = TappedFrame::Kind::kBroadcast;
  else if (frame.header[0] & 1)
    frame.kind = TappedFrame::Kind::kMulticast;
  else if (std::memcmp(frame.header, interface.hwaddr, sizeof kEverybody) != 0)
    frame.kind = TappedFrame::Kind::kOtherHost;
  for (PacketTap* tap = first_tap; tap; tap = tap->next())
    if (tap->wants(frame) && !(outgoing && tap == sender)) tap->tapped(frame);
}

}  // namespace

Result<LinkInfo> find_link(u32 index) {
  const netif* interface = find(index);
  if (!interface) return Errno::kNoDev;
  LinkInfo info;
  info.loopback = interface == loopback_interface();
  std::memcpy(info.mac.bytes, interface->hwaddr, sizeof info.mac.bytes);
  return info;
}

void TappedFrame::copy(std::byte* to, usize from, usize size) const {
  if (from < kLinkHeaderSize) {
    const usize part = size < kLinkHeaderSize - from ? size : kLinkHeaderSize - from;
    std::memcpy(to, header + from, part);
    to += part;
    from += part;
    size -= part;
  }
  if (size != 0)
    pbuf_copy_partial(packet, to, u16(size), u16(payload_at + (from - kLinkHeaderSize)));
}

void tap_frame(netif& interface, const pbuf* frame, bool outgoing) {
  TappedFrame tapped;
  if (pbuf_copy_partial(frame, tapped.header, kLinkHeaderSize, 0) != kLinkHeaderSize) return;
  tapped.packet = frame;
  tapped.payload_at = kLinkHeaderSize;
  tell(tapped, interface, outgoing);
}

void tap_loopback(netif& interface, const pbuf* packet, const u8* header, bool outgoing) {
  TappedFrame tapped;
  tapped.packet = packet;
  if (header) {
    std::memcpy(tapped.header, header, kLinkHeaderSize);
  } else {
    const u16 type = IP_HDR_GET_VERSION(packet->payload) == 6 ? ETHTYPE_IPV6 : ETHTYPE_IP;
    tapped.header[kTypeAt] = u8(type >> 8);
    tapped.header[kTypeAt + 1] = u8(type);
  }
  tell(tapped, interface, outgoing);
}

void PacketTap::listen(u16 protocol, u32 interface) {
  protocol_ = protocol;
  interface_ = interface;
  const bool listens = protocol != 0;
  if (listens == listening_) return;
  listening_ = listens;
  if (listens) {
    next_ = std::exchange(first_tap, this);
    return;
  }
  PacketTap** link = &first_tap;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

bool PacketTap::wants(const TappedFrame& frame) const {
  if (interface_ != 0 && interface_ != frame.interface) return false;
  if (protocol_ == kEveryProtocol) return true;
  return frame.kind != TappedFrame::Kind::kOutgoing && protocol_ == frame.protocol;
}

Result<usize> PacketTap::send(u32 index, IoBuffer& from, const u8* header) {
  netif* interface = find(index);
  if (!interface) return Errno::kNxIo;
  if (!netif_is_up(interface)) return Errno::kNetDown;
  const usize size = from.remaining();
  const usize before = header ? kLinkHeaderSize : 0;
  const usize most = usize{interface->mtu} + kLinkHeaderSize;
  // A pbuf's length has 16 bits, so that the longest of loopback's packets are out of reach.
  if (before + size > most || before + size > 0xffff) return Errno::kMsgSize;
  if (before + size < kLinkHeaderSize) return Errno::kInval;
  pbuf* frame = pbuf_alloc(PBUF_RAW_TX, u16(before + size), PBUF_RAM);
  if (!frame) return Errno::kNoBufs;
  auto* bytes = static_cast<std::byte*>(frame->payload);
  if (header) std::memcpy(bytes, header, kLinkHeaderSize);
  const auto moved = size == 0 ? Result<usize>(usize{0}) : from.read(bytes + before, size);
  if (!moved.ok() || moved.value() != size) {
    pbuf_free(frame);
    return moved.ok() ? Errno::kFault : moved.error();
  }
  frame->flags |= NARWHAL_PBUF_AS_IT_IS;
  sender = this;
  const err_t sent = interface == loopback_interface() ? loopback_send_frame(frame)
                                                       : interface->linkoutput(interface, frame);
  sender = nullptr;
  pbuf_free(frame);
  core_work_noted.traffic = true;
  if (sent != ERR_OK) return Errno::kNoBufs;
  return size;
}

}  // namespace narwhal::net
