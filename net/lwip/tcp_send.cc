// The sending half of TcpEndpoint. Segments are built here from the program's memory, with one
// copy, or of frames that hold a file, with none, and put on lwIP's queue; tcp_write() would copy
// twice and coalesce less. Where the device cuts segments they are as long as it takes them.
//
// Only whole segments go to lwIP's queue at once. The last, partial one stays with the endpoint
// while more may come: under TCP_CORK and MSG_MORE, by Nagle's algorithm (RFC 9293, section
// 3.7.4), while the window is full anyway, and for a moment while the device is at the one before
// (tcp_held.cc).
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/packet_memory.h"
#include "net/lwip/references.h"
#include "net/lwip/tcp_callbacks.h"
#include "net/lwip/tcp_cut.h"
#include "net/lwip/tcp_endpoint.h"

namespace narwhal::net {
namespace {

constexpr u32 kMostSendLimit = TCP_SND_BUF;
constexpr u32 kSendLimitWhenShort = 16 * kKiB;
// What a segment that may still grow gets first: most are small, whatever could follow; and one of
// Ethernet's gets its memory in one piece. Where more comes at once, it gets all.
constexpr usize kFirstGrowth = 1536;

// A longer segment gets its memory in pieces of four pages, headers and pbuf included.
constexpr usize kMostGrowth = 16256;
// Less than this of a frame is copied, and so is all where a segment has many pieces already: each
// costs the device something.
constexpr usize kLeastReferred = 2048;
constexpr u16 kMostPieces = 40;

constexpr usize grown(usize wanted, usize most) {
  if (most > kMostGrowth) most = kMostGrowth;
  return wanted <= kFirstGrowth && kFirstGrowth < most ? kFirstGrowth : most;
}

}  // namespace

struct TcpEndpoint::Batch {
  tcp_seg* first = nullptr;
  tcp_seg* last = nullptr;
};

usize TcpEndpoint::segment_size() const {
  const tcp_pcb& pcb = *pcb_;
  // Never more than half of the largest window that the peer ever offered (RFC 9293, 3.8.6.2.1).
  const u32 half_window = pcb.snd_wnd_max / 2;
  usize size = half_window != 0 && half_window < pcb.mss ? half_window : pcb.mss;
  if (max_segment_ && max_segment_ < size) size = max_segment_;
  return size;
}

usize TcpEndpoint::longest_segment() {
  if (longest_segment_ == 0) {
    const netif* way_out = ip_route(&pcb_->local_ip, &pcb_->remote_ip);
    longest_segment_ = net::longest_segment(way_out, pcb_->mss);
    has_device_ = way_out != loopback_interface() && !is_local_address(pcb_->remote_ip);
  }
  // What the peer or the program wants smaller is made here, one by one.
  const usize size = segment_size();
  return size < pcb_->mss || longest_segment_ < size ? size : longest_segment_;
}

usize TcpEndpoint::queued_to_send() const {
  return (pcb_ ? TCP_SND_BUF - pcb_->snd_buf : 0) + (tail_ ? tail_->len : 0);
}
usize TcpEndpoint::unsent_bytes() const {
  usize bytes = tail_ ? tail_->len : 0;
  if (pcb_)
    for (const tcp_seg* segment = pcb_->unsent; segment; segment = segment->next)
      bytes += segment->len;
  return bytes;
}
usize TcpEndpoint::send_limit() const {
  return packet_memory.is_short() && send_limit_ > kSendLimitWhenShort ? kSendLimitWhenShort
                                                                       : send_limit_;
}
usize TcpEndpoint::send_room() const {
  if (!pcb_) return 0;
  const usize queued = queued_to_send(), limit = send_limit();
  return queued < limit && pcb_->snd_queuelen < TCP_SND_QUEUELEN - 64 ? limit - queued : 0;
}
bool TcpEndpoint::writable() const {
  const usize queued = queued_to_send();
  const bool enough =
      queued + queued / 2 <= send_limit() && (!pcb_ || pcb_->snd_queuelen < TCP_SND_QUEUELEN - 64);
  if (!enough) wants_room_ = true;
  return enough;
}

// --- the last segment

bool TcpEndpoint::make_tail(usize data_room) {
  pbuf* packet = pbuf_alloc(PBUF_TRANSPORT, u16(data_room), PBUF_RAM);
  if (!packet) return false;
  auto* segment = static_cast<tcp_seg*>(heap_allocate(sizeof(tcp_seg)));
  if (!segment) {
    pbuf_free(packet);
    return false;
  }
  packet->len = packet->tot_len = 0;
  *segment = {};
  segment->p = tail_end_ = packet;
  tail_ = segment;
  tail_pieces_ = 1;
  tail_room_ = u32(data_room);
  tail_since_ns_ = core_now();
  return true;
}

// The lengths of all pieces are set when the segment is complete (move_tail).
void TcpEndpoint::append_to_tail(pbuf* piece) {
  tail_end_ = tail_end_->next = piece;
  ++tail_pieces_;
}

// Another piece of memory for a segment that is not full.
bool TcpEndpoint::grow_tail(usize wanted, usize most) {
  // What has grown already grows on.
  const usize size = grown(wanted > tail_->len ? wanted : tail_->len, most - tail_->len);
  pbuf* piece = pbuf_alloc(PBUF_RAW, u16(size), PBUF_RAM);
  if (!piece) return false;
  piece->len = 0;
  append_to_tail(piece);
  tail_room_ = u32(size);
  return true;
}

void TcpEndpoint::drop_tail() {
  if (tail_) tcp_seg_free(std::exchange(tail_, nullptr));
  tail_room_ = 0;
  if (held_node_.linked()) held_node_.unlink();
}

// Up to `left` bytes of the program's; as many as the segment's present piece takes.
Result<usize> TcpEndpoint::put_copy(IoBuffer& from, usize left, usize most, bool may_grow) {
  if (!tail_) {
    // One of many packets has nothing but headers in its first piece, so that it can be cut.
    const usize wanted = left < most ? left : most;
    const bool is_long = wanted > segment_size();
    if (!make_tail(is_long ? 0 : may_grow ? grown(wanted, segment_size()) : wanted))
      return Errno::kNoBufs;
  }
  if (tail_room_ == 0 && !grow_tail(left, most)) return Errno::kNoBufs;
  const usize wanted = left < tail_room_ ? left : tail_room_;
  auto moved = from.read(static_cast<std::byte*>(tail_end_->payload) + tail_end_->len, wanted);
  const usize count = moved.ok() ? moved.value() : 0;
  tail_end_->len = u16(tail_end_->len + count);
  tail_->len = u16(tail_->len + count);
  tail_room_ -= u32(count);
  if (tail_->len == 0) drop_tail();
  return moved;
}

Result<usize> TcpEndpoint::put_frame(const FramePiece& frame, usize most) {
  if (!tail_ && !make_tail(0)) return Errno::kNoBufs;
  const usize room = most - tail_->len;
  const usize count = frame.length < room ? frame.length : room;
  pbuf* piece = refer_to_frame(frame.frame, frame.offset, u16(count));
  if (!piece) {
    if (tail_->len == 0) drop_tail();
    return Errno::kNoBufs;
  }
  append_to_tail(piece);
  tail_->len = u16(tail_->len + count);
  tail_room_ = 0;
  return count;
}

// Gives the last segment its header and its place in the stream.
void TcpEndpoint::move_tail(Batch& batch, bool push) {
  tcp_seg* segment = std::exchange(tail_, nullptr);
  tail_room_ = 0;
  if (held_node_.linked()) held_node_.unlink();
  tcp_pcb& pcb = *pcb_;
  u32 length = segment->len;
  for (pbuf* piece = segment->p; piece; piece = piece->next) {
    piece->tot_len = u16(length);
    length -= piece->len;
  }
  pbuf_add_header(segment->p, TCP_HLEN);
  auto* header = static_cast<tcp_hdr*>(segment->p->payload);
  segment->tcphdr = header;
  header->src = lwip_htons(pcb.local_port);
  header->dest = lwip_htons(pcb.remote_port);
  header->seqno = lwip_htonl(pcb.snd_lbb);
  TCPH_HDRLEN_FLAGS_SET(header, TCP_HLEN / 4, push ? TCP_PSH : 0);
  header->urgp = 0;
  pcb.snd_lbb += segment->len;
  pcb.snd_buf -= segment->len;
  packet_memory.add(segment->len);
  pcb.snd_queuelen = u16(pcb.snd_queuelen + tail_pieces_);
  bytes_sent_ += segment->len;
  if (batch.last)
    batch.last->next = segment;
  else
    batch.first = segment;
  batch.last = segment;
}

// Of a last segment of more than the peer takes at once, what makes whole ones; the rest stays.
void TcpEndpoint::move_full_part(Batch& batch) {
  const usize size = segment_size();
  const u16 at = u16(tail_->len / size * size);
  const bool whole = at == tail_->len;
  const void* const end = static_cast<u8*>(tail_end_->payload) + tail_end_->len;
  const u32 room = tail_room_;
  tcp_seg* first = tail_;
  move_tail(batch, false);
  // Without memory for a cut all of it goes.
  if (whole || !cut_segment(*pcb_, *first, at)) return;
  tcp_seg* rest = std::exchange(first->next, nullptr);
  tcp_pcb& pcb = *pcb_;
  pcb.snd_lbb -= rest->len;
  pcb.snd_buf += rest->len;
  packet_memory.remove(rest->len);
  bytes_sent_ -= rest->len;
  pbuf_remove_header(rest->p, TCP_HLEN);
  tail_ = rest;
  tail_pieces_ = pbuf_clen(rest->p);
  pcb.snd_queuelen = u16(pcb.snd_queuelen - tail_pieces_);
  for (tail_end_ = rest->p; tail_end_->next;) tail_end_ = tail_end_->next;
  const bool same_memory = static_cast<u8*>(tail_end_->payload) + tail_end_->len == end;
  tail_room_ = same_memory ? room : 0;
}

void TcpCallbacks::was_cut(const tcp_pcb& pcb, const tcp_seg& first, tcp_seg& second) {
  auto* self = static_cast<TcpEndpoint*>(pcb.callback_arg);
  if (self && self->last_queued_ == &first) self->last_queued_ = &second;
}

void TcpEndpoint::enqueue(Batch& batch) {
  if (!batch.first) return;
  tcp_seg** end = &pcb_->unsent;
  // With a small window thousands wait here. The last of all has not been acknowledged while others
  // wait; it is one of them if it was never sent, and perhaps if it is to be sent again.
  if (*end && last_queued_ && !TCP_SEQ_LT(lwip_ntohl(last_queued_->tcphdr->seqno), pcb_->snd_nxt))
    end = &last_queued_->next;
  while (*end) end = &(*end)->next;
  *end = batch.first;
  last_queued_ = batch.last;
}

// Whether a partial segment may be sent now.
bool TcpEndpoint::tail_may_go() const {
  if (cork_ || more_) return false;
  const tcp_pcb& pcb = *pcb_;
  // Behind a full window it may still grow; acknowledged() lets it go.
  if (pcb.unsent) return false;
  return no_delay_ || !pcb.unacked;
}

void TcpEndpoint::send_tail(bool push) {
  Batch batch;
  move_tail(batch, push);
  enqueue(batch);
  tcp_output(pcb_);
  last_output_ns_ = core_now();
  note_tcp();
}

// --- sending

void TcpEndpoint::adapt_send_limit() {
  if (send_limit_fixed_ || packet_memory.is_short()) return;
  // Room for what is on its way and as much again, while that is sent and acknowledged.
  const u64 useful = u64{3} * pcb_->cwnd;
  if (useful > send_limit_) send_limit_ = u32(useful < kMostSendLimit ? useful : kMostSendLimit);
}

Result<usize> TcpEndpoint::send(IoBuffer& from, bool more) {
  adapt_send_limit();
  usize room = send_room();
  if (room == 0) {
    wants_room_ = true;
    return Errno::kAgain;
  }
  more_ = more;
  const usize most = longest_segment();
  const bool nagle = !no_delay_ && (pcb_->unacked || pcb_->unsent);
  const bool holds = no_delay_ && !cork_ && !more && device_is_busy();
  Batch batch;
  usize total = 0;
  Errno error{};
  while (from.remaining() != 0 && room != 0) {
    const usize left = from.remaining() < room ? from.remaining() : room;
    FramePiece frame;
    const bool refers = from.next_frame(frame, left) && frame.length >= kLeastReferred &&
                        !(tail_ && tail_pieces_ >= kMostPieces);
    auto put = refers ? put_frame(frame, most)
                      : put_copy(from, left, most, more || cork_ || nagle || holds);
    if (!put.ok()) {
      error = put.error();
      break;
    }
    const usize count = put.value();
    if (refers) from.skip(count);
    if (count == 0) break;  // the program's memory ends here; the next call says so
    total += count;
    room -= count;
    if (tail_->len >= most) move_tail(batch, from.remaining() == 0 && !more);
  }
  if (total != 0) note_sent();
  const bool ready = batch.first != nullptr;
  if (ready) enqueue(batch);
  bool output = ready;
  if (tail_ && holds) {
    hold_tail();
  } else if (tail_ && (tail_may_go() || (ready && no_delay_ && !cork_ && !more_))) {
    Batch rest;
    move_tail(rest, true);
    enqueue(rest);
    output = true;
  } else if (tail_ && tail_->len >= segment_size() && !(more_ && (pcb_->unacked || pcb_->unsent))) {
    // What is announced to follow makes it longer, while others are on their way.
    Batch full;
    move_full_part(full);
    enqueue(full);
    output = true;
  }
  if (output) {
    tcp_output(pcb_);
    last_output_ns_ = core_now();
  }
  watch_clock();
  note_tcp();
  if (total == 0) return error;
  return total;
}

void TcpEndpoint::acknowledged(u32 bytes) {
  packet_memory.remove(bytes);
  bytes_acked_ += bytes;
  last_progress_ns_ = core_now();
  if (tail_ && !cork_ && !more_ && (no_delay_ || (!pcb_->unsent && !pcb_->unacked))) {
    // lwIP sends what is on its queue when it is done with the segment that came.
    Batch batch;
    move_tail(batch, true);
    enqueue(batch);
  } else if (tail_ && !pcb_->unsent && tail_->len >= segment_size()) {
    Batch batch;
    move_full_part(batch);
    enqueue(batch);
  }
  watch_clock();
  if (wants_room_ && writable()) {
    wants_room_ = false;
    told(Event::kWritable);
  }
}

err_t TcpCallbacks::sent(void* argument, tcp_pcb*, u16_t bytes) {
  static_cast<TcpEndpoint*>(argument)->acknowledged(bytes);
  return ERR_OK;
}

// --- options

void TcpEndpoint::set_send_limit(usize bytes) {
  send_limit_fixed_ = true;
  send_limit_ = u32(bytes < kMostSendLimit ? bytes : kMostSendLimit);
  if (wants_room_ && writable()) {
    wants_room_ = false;
    told(Event::kWritable);
  }
}
void TcpEndpoint::set_no_delay(bool on) {
  no_delay_ = on;
  if (on && tail_ && tail_may_go()) send_tail(true);
}
void TcpEndpoint::set_cork(bool on) {
  cork_ = on;
  if (!on) {
    more_ = false;
    if (tail_ && pcb_) send_tail(true);
  }
  watch_clock();
}

}  // namespace narwhal::net
