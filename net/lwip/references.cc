#include "net/lwip/references.h"

#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"

namespace narwhal::net {
namespace {

struct PacketReference {
  pbuf_custom custom;
  pbuf* owner;
};
struct FrameReference {
  pbuf_custom custom;
  PhysAddr frame;
};

void free_packet_reference(pbuf* piece) {
  auto* reference = reinterpret_cast<PacketReference*>(piece);
  pbuf* owner = reference->owner;
  heap_free(reference);
  pbuf_free(owner);
}

void free_frame_reference(pbuf* piece) {
  auto* reference = reinterpret_cast<FrameReference*>(piece);
  const PhysAddr frame = reference->frame;
  heap_free(reference);
  frame_drop_ref(frame);
}

// Whoever keeps it, the bytes stay where they are (PBUF_ROM).
pbuf* describe(pbuf_custom& custom, void (*free)(pbuf*), void* bytes, u16 size) {
  custom.custom_free_function = free;
  return pbuf_alloced_custom(PBUF_RAW, size, PBUF_ROM, &custom, bytes, size);
}

}  // namespace

pbuf* refer_to_packet(pbuf* owner, void* bytes, u16 size) {
  auto* reference = static_cast<PacketReference*>(heap_allocate(sizeof(PacketReference)));
  if (!reference) return nullptr;
  reference->owner = owner;
  pbuf_ref(owner);
  return describe(reference->custom, free_packet_reference, bytes, size);
}

pbuf* refer_to_frame(PhysAddr frame, u32 offset, u16 size) {
  auto* reference = static_cast<FrameReference*>(heap_allocate(sizeof(FrameReference)));
  if (!reference) return nullptr;
  reference->frame = frame;
  frame_add_ref(frame);
  return describe(reference->custom, free_frame_reference, platform::direct_map(frame) + offset,
                  size);
}

usize reference_footprint(const pbuf* piece) {
  const auto* custom = reinterpret_cast<const pbuf_custom*>(piece);
  if (custom->custom_free_function == free_packet_reference)
    return sizeof(PacketReference) + piece->len;
  return piece->len;
}

}  // namespace narwhal::net
