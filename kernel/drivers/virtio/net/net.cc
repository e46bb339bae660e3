#include "kernel/drivers/virtio/net/net.h"

#include <cstring>

#include "kernel/base/log.h"
#include "kernel/drivers/virtio/net/net_device.h"

namespace narwhal {
namespace {

// Section 5.1.3.
constexpr u64 kChecksum = u64{1} << 0;       // VIRTIO_NET_F_CSUM
constexpr u64 kGuestChecksum = u64{1} << 1;  // VIRTIO_NET_F_GUEST_CSUM
constexpr u64 kMtu = u64{1} << 3;
constexpr u64 kMac = u64{1} << 5;
constexpr u64 kSegmentsOfTcp4 = u64{1} << 11;  // VIRTIO_NET_F_HOST_TSO4
constexpr u64 kSegmentsOfTcp6 = u64{1} << 12;  // VIRTIO_NET_F_HOST_TSO6
constexpr u64 kMergeBuffers = u64{1} << 15;
constexpr u64 kLinkStatus = u64{1} << 16;
// Indirect descriptors are not asked for: each would cost an allocation for a packet.
constexpr u64 kWanted = kChecksum | kGuestChecksum | kMtu | kMac | kSegmentsOfTcp4 |
                        kSegmentsOfTcp6 | kMergeBuffers | kLinkStatus | kVirtioRingEventIndex;

// Section 5.1.4.
constexpr u32 kMacOffset = 0;
constexpr u32 kStatusOffset = 6;
constexpr u32 kMtuOffset = 10;
constexpr u16 kStatusLinkUp = 1;

constexpr u16 kReceiveQueue = 0;
constexpr u16 kTransmitQueue = 1;
constexpr u16 kQueueSize = 256;

constexpr u32 kEthernetHeader = 14;
constexpr u32 kLeastMtu = 576;    // RFC 1122, section 3.3.3
constexpr u32 kMostMtu = 65'521;  // a frame's length fits 16 bits

// How long a link may be down, or up, without our noticing, when the news of it was lost among
// packets' interrupts.
constexpr u64 kLinkAgeNs = kNanosPerSecond;

}  // namespace

VirtioNet::~VirtioNet() {
  // The device lets go of the rings and of the buffers first.
  transport_->set_status(VirtioStatus::kNone);
  delete[] buffers_;
}

void VirtioNet::read_config(u64 features) {
  checksums_sent_ = (features & kChecksum) != 0;
  constexpr u64 kSegments = kChecksum | kSegmentsOfTcp4 | kSegmentsOfTcp6;
  cuts_segments_ = (features & kSegments) == kSegments;
  checksums_received_ = (features & kGuestChecksum) != 0;
  merges_buffers_ = (features & kMergeBuffers) != 0;
  has_link_status_ = (features & kLinkStatus) != 0;
  if (features & kMac) {
    for (u32 i = 0; i < sizeof mac_.bytes; ++i) mac_.bytes[i] = transport_->config8(kMacOffset + i);
  } else {
    platform::hardware_entropy(std::as_writable_bytes(std::span(mac_.bytes)));
    mac_.bytes[0] = u8((mac_.bytes[0] & 0xfc) | 0x02);  // an individual, locally given address
  }
  if (features & kMtu) {
    const u32 offered = transport_->config16(kMtuOffset);
    const u32 in_one_buffer = kBufferSize - u32(sizeof(Header)) - kEthernetHeader;
    const u32 most = merges_buffers_ ? kMostMtu : in_one_buffer;
    if (offered >= kLeastMtu) mtu_ = offered < most ? offered : most;
  }
}

Result<> VirtioNet::make_buffers(usize count) {
  buffers_ = new (std::nothrow) Buffer[count];
  if (!buffers_) return Errno::kNoMem;
  for (usize i = 0; i < count; ++i) {
    if (i % kPerFrame == 0) TRY(frames_.push_back(TRY(FrameRef::allocate(FrameContent::kZeroed))));
    Buffer& buffer = buffers_[i];
    buffer.memory = frames_.back().data() + i % kPerFrame * kBufferSize;
    buffer.capacity = kBufferSize;
    buffer.device = this;
    give_back(buffer);
  }
  return {};
}

Result<> VirtioNet::make_slots(usize count) {
  constexpr usize kHeaderSpace = 16;
  TRY(slots_.resize(count));
  for (usize i = 0; i < count; ++i) {
    if (i % (kPageSize / kHeaderSpace) == 0)
      TRY(frames_.push_back(TRY(FrameRef::allocate(FrameContent::kZeroed))));
    slots_[i].header = frames_.back().data() + i % (kPageSize / kHeaderSpace) * kHeaderSpace;
    slots_[i].next = free_slots_;
    free_slots_ = &slots_[i];
  }
  return {};
}

// Two for each place in the queue, so that the stack can hold some while the device fills others.
// On a small machine no more than a share of its memory; it then drops frames earlier under load.
usize VirtioNet::receive_buffers(usize queue_size) {
  constexpr u64 kLeast = 64, kShareOfMemory = 64;
  const u64 affordable =
      memory_statistics().total_frames * kPageSize / kShareOfMemory / kBufferSize;
  const u64 most = queue_size * 2, least = most < kLeast ? most : kLeast;
  return usize(affordable > most ? most : affordable < least ? least : affordable);
}

Result<> VirtioNet::start() {
  const u64 features = TRY(virtio_negotiate(*transport_, kWanted, 0));
  read_config(features);
  TRY(transport_->set_interrupt_handler(on_interrupt, this));
  TRY(receive_.start(*transport_, kReceiveQueue, kQueueSize, features));
  TRY(transmit_.start(*transport_, kTransmitQueue, kQueueSize, features));
  receive_.disable_interrupts();
  transmit_.disable_interrupts();
  TRY(make_slots(transmit_.size()));
  TRY(make_buffers(receive_buffers(receive_.size())));
  virtio_driver_ok(*transport_);
  live_.store(true);
  offer_buffers();
  receive_.kick();
  return {};
}

void VirtioNet::set_handlers(EventHandler event, void* argument, CompletionHandler completed) {
  event_ = event;
  event_argument_ = argument;
  completed_ = completed;
}

// Interrupt context, with a call of the stack's perhaps half done: an event armed or not is all
// that counts.
void VirtioNet::on_interrupt(void* self) {
  auto& net = *static_cast<VirtioNet*>(self);
  if (!net.live_.load()) return;
  if (!net.receive_.has_completions() && !net.transmit_.has_completions())
    net.look_at_link_.store(true);
  if (net.armed_.exchange(false) && net.event_) net.event_(net.event_argument_);
}

bool VirtioNet::enable_events() {
  armed_.store(true);  // before the device may interrupt
  interrupts_on_ = true;
  bool pending = receive_.enable_interrupts();
  if (wants_room_ && transmit_.enable_interrupts()) pending = true;
  if (look_at_link_.load()) pending = true;
  // An interrupt that came meanwhile has taken the event: it is told once, here or there.
  if (!pending) return false;
  armed_.store(false);
  return true;
}

bool VirtioNet::link_up() {
  if (receive_.broken() || transmit_.broken()) return false;
  if (!has_link_status_) {
    look_at_link_.store(false);
    return true;
  }
  const u64 now = platform::monotonic_ns();
  // A look costs an exit to the hypervisor.
  if (look_at_link_.exchange(false) || now - link_read_ns_ >= kLinkAgeNs) {
    link_read_ns_ = now;
    link_up_ = (transport_->config16(kStatusOffset) & kStatusLinkUp) != 0;
  }
  return link_up_;
}

// --- receiving

void VirtioNet::give_back(Buffer& buffer) {
  buffer.next = free_buffers_;
  free_buffers_ = &buffer;
}

void VirtioNet::offer_buffers() {
  while (free_buffers_ && receive_.free_descriptors() != 0) {
    Buffer& buffer = *free_buffers_;
    const VirtQueue::Segment segment{platform::direct_map_to_phys(buffer.memory), kBufferSize};
    if (!receive_.submit({}, {&segment, 1}, &buffer).ok()) return;  // the queue is stopped
    free_buffers_ = static_cast<Buffer*>(buffer.next);
    buffer.next = nullptr;
  }
}

void VirtioNet::release(ReceiveBuffer& buffer) {
  give_back(static_cast<Buffer&>(buffer));
}

void VirtioNet::drop(Received& frame) {
  while (frame.first) {
    ReceiveBuffer* next = frame.first->next;
    give_back(static_cast<Buffer&>(*frame.first));
    frame.first = next;
  }
  frame = Received();
}

void VirtioNet::append(Received& frame, ReceiveBuffer*& last, Buffer& buffer, u32 written,
                       u32 skip) {
  if (written <= skip) {
    give_back(buffer);
    return;
  }
  buffer.data = buffer.memory + skip;
  buffer.length = written - skip;
  buffer.next = nullptr;
  if (last)
    last->next = &buffer;
  else
    frame.first = &buffer;
  last = &buffer;
  frame.length += buffer.length;
}

NetDevice::Received VirtioNet::receive() {
  // As long as the stack polls, the device need not interrupt. An event that is still to come stays
  // possible.
  if (interrupts_on_ && !armed_.load()) {
    interrupts_on_ = false;
    receive_.disable_interrupts();
    if (!wants_room_) transmit_.disable_interrupts();
  }
  for (;;) {
    auto done = receive_.pop();
    if (!done.token) {
      offer_buffers();
      return {};
    }
    auto& buffer = *static_cast<Buffer*>(done.token);
    Header header{};
    std::memcpy(&header, buffer.memory, sizeof header);
    const bool headed = done.written >= sizeof header;

    Received frame;
    ReceiveBuffer* last = nullptr;
    append(frame, last, buffer, done.written, sizeof header);
    bool complete = headed;
    for (u32 more = headed && merges_buffers_ ? header.buffers : 1; more > 1; --more) {
      done = receive_.pop();
      if (!done.token) {
        complete = false;  // section 5.1.6.4.2: they are all there, or the device lies
        break;
      }
      append(frame, last, *static_cast<Buffer*>(done.token), done.written, 0);
    }
    // Segmentation was not agreed upon; a runt has no address to go to.
    if (!complete || header.segmentation != 0 || frame.length < kEthernetHeader ||
        frame.first->length < kEthernetHeader) {
      drop(frame);
      continue;
    }
    frame.checksum_good = checksums_received_ && header.checksum_good();
    return frame;
  }
}

// --- sending

Result<> VirtioNet::transmit(const Transmit& packet) {
  if (packet.pieces.empty() || packet.pieces.size() > kMostPieces) return Errno::kInval;
  if (packet.needs_checksum && !checksums_sent_) return Errno::kInval;
  if (packet.segment_size != 0 && (!cuts_segments_ || !packet.needs_checksum)) return Errno::kInval;
  const bool in_headroom = packet.headroom >= sizeof(Header);
  const usize needed = packet.pieces.size() + (in_headroom ? 0 : 1);
  if (needed > transmit_.size()) return Errno::kInval;
  if (!room_for(needed)) {
    complete_transmits();
    if (!room_for(needed)) {
      wants_room_ = true;
      transmit_.kick();
      if (transmit_.enable_interrupts()) complete_transmits();
      if (!room_for(needed)) return Errno::kNoBufs;
    }
  }

  const Header header = Header::of(packet);
  Slot& slot = *free_slots_;
  VirtQueue::Segment segments[kMostPieces + 1];
  usize count = 0;
  if (!in_headroom) {
    std::memcpy(slot.header, &header, sizeof header);
    segments[count++] = {platform::direct_map_to_phys(slot.header), sizeof header};
  }
  for (const Piece& piece : packet.pieces)
    segments[count++] = {platform::direct_map_to_phys(piece.data), piece.length};
  if (in_headroom) {
    auto* before = const_cast<std::byte*>(packet.pieces[0].data) - sizeof header;
    std::memcpy(before, &header, sizeof header);
    segments[0] = {platform::direct_map_to_phys(before),
                   packet.pieces[0].length + u32(sizeof header)};
  }
  TRY(transmit_.submit({segments, count}, {}, &slot));
  free_slots_ = slot.next;
  slot.token = packet.token;
  return {};
}

void VirtioNet::complete_transmits() {
  bool any = false;
  for (auto done = transmit_.pop(); done.token; done = transmit_.pop()) {
    auto& slot = *static_cast<Slot*>(done.token);
    void* token = slot.token;
    slot.token = nullptr;
    slot.next = free_slots_;
    free_slots_ = &slot;
    any = true;
    if (completed_) completed_(token);
  }
  if (any && wants_room_) {
    wants_room_ = false;
    transmit_.disable_interrupts();
  }
}

void VirtioNet::flush() {
  offer_buffers();
  receive_.kick();
  transmit_.kick();
}

Result<Ref<NetDevice>> start_virtio_net(Ref<VirtioTransport> transport) {
  auto net = TRY(make_ref<VirtioNet>(std::move(transport)));
  TRY(net->start());
  return Ref<NetDevice>(std::move(net));
}

}  // namespace narwhal
