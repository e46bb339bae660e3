#include "net/lwip/tcp_cut.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip_hooks.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/device_io.h"
#include "net/lwip/references.h"
#include "net/lwip/tcp_callbacks.h"

namespace narwhal::net {
namespace {

// The long segment that was last on its way through lwIP to its device.
constinit const pbuf* long_packet = nullptr;
constinit u16 long_packet_cut_size = 0;

// Headers of the other layers; the whole frame must fit into what the device takes.
constexpr u32 kMostHeaders = 14 + 40 + 60;

usize data_in_first(const tcp_seg& segment) {
  const auto* data =
      reinterpret_cast<const u8*>(segment.tcphdr) + TCPH_HDRLEN_BYTES(segment.tcphdr);
  return segment.p->len - usize(data - static_cast<const u8*>(segment.p->payload));
}

// The last `size` bytes of a segment's first piece, which has the headers and can't be shared.
pbuf* copy_of_end(const pbuf* first, u16 size) {
  pbuf* copy = pbuf_alloc(PBUF_RAW, size, PBUF_RAM);
  if (copy)
    std::memcpy(copy->payload, static_cast<const u8*>(first->payload) + first->len - size, size);
  return copy;
}

void set_lengths(pbuf* first, u32 total) {
  for (pbuf* piece = first; piece; piece = piece->next) {
    piece->tot_len = u16(total);
    total -= piece->len;
  }
}

}  // namespace

u16 longest_segment(const netif* interface, u16 peers_size) {
  if (!interface || interface->linkoutput != device_transmit) return peers_size;
  const u32 most = static_cast<const DeviceInterface*>(interface->state)->device->largest_segment();
  if (most < kMostHeaders + 2u * peers_size) return peers_size;
  return u16((most - kMostHeaders) / peers_size * peers_size);
}

u16 size_to_cut(const pbuf* frame) {
  return frame == long_packet ? long_packet_cut_size : 0;
}

bool cut_segment(tcp_pcb& pcb, tcp_seg& segment, u16 at) {
  auto* second = static_cast<tcp_seg*>(heap_allocate(sizeof(tcp_seg)));
  pbuf* head = pbuf_alloc(PBUF_TRANSPORT, 0, PBUF_RAM);
  // The piece that ends up before the cut, and what of it belongs behind.
  pbuf* before = segment.p;
  usize left = at;
  u16 behind = 0;
  pbuf* part = nullptr;
  if (const usize here = data_in_first(segment); left < here) {
    behind = u16(here - left);
    part = copy_of_end(before, behind);
  } else {
    left -= here;
    while (left != 0 && left >= before->next->len) {
      before = before->next;
      left -= before->len;
    }
    if (left != 0) {
      before = before->next;
      behind = u16(before->len - left);
      part = refer_to_packet(before, static_cast<std::byte*>(before->payload) + left, behind);
    }
  }
  if (!second || !head || (behind != 0 && !part)) {
    heap_free(second);
    if (head) pbuf_free(head);
    if (part) pbuf_free(part);
    return false;
  }
  head->next = part ? part : before->next;
  if (part) part->next = before->next;
  before->next = nullptr;
  before->len = u16(before->len - behind);

  tcp_hdr& first_header = *segment.tcphdr;
  pbuf_add_header(head, TCP_HLEN);
  *second = {};
  second->next = segment.next;
  second->p = head;
  second->len = u16(segment.len - at);
  second->flags = segment.flags;
  second->tcphdr = static_cast<tcp_hdr*>(head->payload);
  *second->tcphdr = first_header;
  second->tcphdr->seqno = lwip_htonl(lwip_ntohl(first_header.seqno) + at);
  TCPH_UNSET_FLAG(&first_header, TCP_PSH | TCP_FIN);
  const u32 total = segment.p->tot_len;
  segment.next = second;
  segment.len = at;
  segment.p->flags &= u8(~NARWHAL_PBUF_IS_CUT);
  set_lengths(head, u32{TCP_HLEN} + second->len);
  set_lengths(segment.p, total - second->len);
  pcb.snd_queuelen = u16(pcb.snd_queuelen + 1 + (part ? 1 : 0));
  if (pcb.unacked_last == &segment) pcb.unacked_last = second;
  TcpCallbacks::was_cut(pcb, segment, *second);
  return true;
}

}  // namespace narwhal::net

using namespace narwhal;
using namespace narwhal::net;

err_t narwhal_tcp_fit(tcp_pcb* pcb, netif* interface, tcp_seg* segment, u32_t window) {
  const u32 size = pcb->mss;
  if (segment->len <= size) return ERR_OK;
  const u32 in_flight = lwip_ntohl(segment->tcphdr->seqno) - pcb->lastack;
  // What was acknowledged of a segment that is sent again counts as room, too.
  const i64 free = i64{window} - i32(in_flight);
  const u32 most = longest_segment(interface, u16(size));
  u32 fits = free < 0 ? 0 : free < segment->len ? u32(free) : segment->len;
  if (fits > most) fits = most;
  if (fits < segment->len) {
    // Better whole, soon, than in bits that cost as much each: an acknowledgement is on its way.
    if (pcb->unacked && i32(in_flight) >= i32(2 * size) && in_flight >= window / 2 &&
        fits < segment->len / 2 && most >= segment->len)
      return ERR_OK;
    const u32 at = fits < size ? size : fits / size * size;
    if (!cut_segment(*pcb, *segment, u16(at))) return ERR_MEM;
  }
  if (segment->len > size) {
    segment->p->flags |= NARWHAL_PBUF_IS_CUT;
    long_packet = segment->p;
    long_packet_cut_size = u16(size);
  }
  return ERR_OK;
}

void narwhal_tcp_cut_to_resend(tcp_pcb* pcb, tcp_seg* segment) {
  const u32 size = pcb->mss;
  const u32 acknowledged = pcb->lastack - lwip_ntohl(segment->tcphdr->seqno);
  const u64 end = (u64{acknowledged} / size + 1) * size;
  // Without memory more is sent than is needed.
  if (end < segment->len) static_cast<void>(cut_segment(*pcb, *segment, u16(end)));
}
