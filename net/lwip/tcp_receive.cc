// The receiving half of TcpEndpoint.
#include "lwip/priv/tcp_priv.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/device_io.h"
#include "net/lwip/packet_memory.h"
#include "net/lwip/tcp_callbacks.h"
#include "net/lwip/tcp_endpoint.h"

namespace narwhal::net {
namespace {

// Packets up to this size are copied together when the program falls behind, so that a stream of
// tiny segments does not hold a device buffer each.
constexpr u16 kSmall = 512;
constexpr u16 kChunk = 2048 - sizeof(pbuf);
constexpr u32 kMostReceiveLimit = TCP_WND;
constexpr u32 kWindowWhenShort = 16 * kKiB;
// An answer comes within this time, or the acknowledgement goes without it.
constexpr u64 kAnswerTimeNs = TCP_TMR_INTERVAL * kNanosPerMilli;

}  // namespace

// Takes the piece over.
void TcpEndpoint::append_piece(pbuf* piece) {
  packet_memory.add(pbuf_footprint(piece));
  piece->next = nullptr;
  if (received_last_)
    received_last_->next = piece;
  else
    received_first_ = piece;
  received_last_ = piece;
  received_spare_ = 0;
}

bool TcpEndpoint::append_copy(const pbuf* piece) {
  if (received_spare_ < piece->len) {
    pbuf* chunk = pbuf_alloc(PBUF_RAW, kChunk, PBUF_RAM);
    if (!chunk) return false;
    append_piece(chunk);
    chunk->len = chunk->tot_len = 0;
    received_spare_ = kChunk;
  }
  pbuf* last = received_last_;
  std::memcpy(static_cast<std::byte*>(last->payload) + last->len, piece->payload, piece->len);
  last->len = u16(last->len + piece->len);
  received_spare_ -= piece->len;
  return true;
}

void TcpEndpoint::append_received(pbuf* packet) {
  for (pbuf* piece = packet; piece;) {
    pbuf* const next = piece->next;
    const u16 length = piece->len;
    const bool behind = received_bytes_ != 0;
    if (length == 0 || (behind && length <= kSmall && append_copy(piece))) {
      piece->next = nullptr;
      pbuf_free(piece);
    } else {
      append_piece(piece);
    }
    received_bytes_ += length;
    piece = next;
  }
}

void TcpEndpoint::drop_first() {
  pbuf* piece = received_first_;
  received_first_ = piece->next;
  if (!received_first_) {
    received_last_ = nullptr;
    received_spare_ = 0;
  }
  packet_memory.remove(pbuf_footprint(piece));
  piece->next = nullptr;
  pbuf_free(piece);
}

void TcpEndpoint::drop_received() {
  while (received_first_) drop_first();
  received_bytes_ = 0;
}

// Takes bytes off the front.
void TcpEndpoint::consume(usize bytes) {
  received_bytes_ -= u32(bytes);
  read_since_growth_ += u32(bytes);
  while (bytes != 0) {
    pbuf* piece = received_first_;
    if (bytes < piece->len) {
      pbuf_remove_header(piece, bytes);
      break;
    }
    bytes -= piece->len;
    drop_first();
  }
  open_window();
  // The peer may wait for the acknowledgement before it sends more, and the program has no answer.
  if (received_bytes_ == 0 && pushed_ && pcb_ && (pcb_->flags & TF_ACK_DELAY) &&
      !expects_answer(core_now()))
    acknowledge_now();
}

Result<usize> TcpEndpoint::receive(IoBuffer& to, bool peek) {
  if (received_bytes_ == 0) return Errno::kAgain;
  usize total = 0;
  Errno error{};
  for (const pbuf* piece = received_first_; piece && to.remaining() != 0; piece = piece->next) {
    const usize wanted = piece->len < to.remaining() ? piece->len : to.remaining();
    auto moved = to.write(piece->payload, wanted);
    if (!moved.ok()) {
      error = moved.error();
      break;
    }
    total += moved.value();
    if (moved.value() < wanted) break;
  }
  if (total == 0) return error;
  if (!peek) consume(total);
  return total;
}

usize TcpEndpoint::discard(usize bytes) {
  if (bytes > received_bytes_) bytes = received_bytes_;
  if (bytes != 0) consume(bytes);
  return bytes;
}

// --- the window

u32 TcpEndpoint::window_target() const {
  u32 limit = receive_limit_;
  if (packet_memory.is_short() && limit > kWindowWhenShort) limit = kWindowWhenShort;
  const u32 left = limit > received_bytes_ ? limit - received_bytes_ : 0;
  const u32 most = TCP_WND_MAX(pcb_);
  return left < most ? left : most;
}

// After the program has read: lets the peer send more, and tells it when that is worth a segment.
void TcpEndpoint::open_window() {
  if (!pcb_ || end_of_input_) return;
  // The program keeps up with what comes: more may be on its way at a time.
  if (!receive_limit_fixed_ && read_since_growth_ >= 2 * receive_limit_) {
    read_since_growth_ = 0;
    if (received_bytes_ < receive_limit_ / 2 && !packet_memory.is_short() &&
        receive_limit_ < kMostReceiveLimit)
      receive_limit_ *= 2;
  }
  const u32 target = window_target();
  // A window once offered is not taken back.
  if (target > pcb_->rcv_wnd) pcb_->rcv_wnd = target;
  // Half of what may be offered at all is always worth a segment, else the peer would wait for an
  // update that never comes: the limit may be larger than a window without scaling, or smaller than
  // loopback's segments (RFC 9293, section 3.8.6.2.2).
  const u32 most = TCP_WND_MAX(pcb_);
  const u32 capacity = receive_limit_ < most ? receive_limit_ : most;
  const u32 least = pcb_->mss < capacity / 2 ? pcb_->mss : capacity / 2;
  const u32 worth = capacity / 4 > least ? capacity / 4 : least;
  const u32 right_edge = pcb_->rcv_nxt + pcb_->rcv_wnd;
  const u32 gained =
      TCP_SEQ_GT(right_edge, pcb_->rcv_ann_right_edge) ? right_edge - pcb_->rcv_ann_right_edge : 0;
  if (gained != 0 && gained >= worth) {
    pcb_->rcv_ann_wnd = pcb_->rcv_wnd;
    acknowledge_now();
  }
}

void TcpEndpoint::set_receive_limit(usize bytes) {
  receive_limit_fixed_ = true;
  receive_limit_ = u32(bytes < kMostReceiveLimit ? bytes : kMostReceiveLimit);
  if (pcb_ && pcb_->state >= ESTABLISHED) open_window();
}

// --- acknowledging
//
// lwIP acknowledges every second segment at once, and the odd one when its tick comes. A peer that
// waits for the acknowledgement of a single segment, by Nagle's algorithm or because its congestion
// window is small, would then move at the speed of the tick. As Linux does it
// (net/ipv4/tcp_input.c, "quick" and "pingpong" mode): the first segments are acknowledged at once,
// later ones when the program has read them; but where the program answers what it reads, the
// acknowledgement waits for the answer and travels with it.

void TcpEndpoint::acknowledge_now() {
  tcp_ack_now(pcb_);
  tcp_output(pcb_);
  note_tcp();
}

bool TcpEndpoint::expects_answer(u64 now) const {
  return interactive_ && !(unanswered_ && now - last_received_ns_ >= kAnswerTimeNs);
}

void TcpEndpoint::note_received(const pbuf* packet) {
  const u64 now = core_now();
  interactive_ = expects_answer(now);
  const u64 rto_ns = u64(pcb_->rto) * TCP_SLOW_INTERVAL * kNanosPerMilli;
  if (now - last_received_ns_ > rto_ns) quick_acks_left_ = kQuickAcks;
  last_received_ns_ = now;
  unanswered_ = true;
  pushed_ = (packet->flags & PBUF_FLAG_PUSH) != 0;
  if (interactive_ || quick_acks_left_ == 0) return;
  --quick_acks_left_;
  tcp_ack_now(pcb_);  // lwIP sends it when it is done with the segment
}

void TcpEndpoint::note_sent() {
  if (!unanswered_) return;
  interactive_ = core_now() - last_received_ns_ < kAnswerTimeNs;
  unanswered_ = false;
}

void TcpEndpoint::set_quick_ack(bool on) {
  interactive_ = !on;
  unanswered_ = false;
  if (on && pcb_ && (pcb_->flags & TF_ACK_DELAY)) acknowledge_now();
}
bool TcpEndpoint::quick_ack() const {
  return !expects_answer(core_now());
}

err_t TcpCallbacks::received(void* argument, tcp_pcb*, pbuf* packet, err_t) {
  auto& self = *static_cast<TcpEndpoint*>(argument);
  if (packet) {
    self.bytes_received_ += packet->tot_len;
    self.note_received(packet);
    self.append_received(packet);
  } else {
    self.end_of_input_ = true;
  }
  self.told(TcpEndpoint::Event::kReadable);
  return ERR_OK;
}

}  // namespace narwhal::net
