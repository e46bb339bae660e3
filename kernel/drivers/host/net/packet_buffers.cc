#include "kernel/drivers/host/net/packet_buffers.h"

#include <new>

#include "kernel/mm/frame.h"

namespace narwhal {

PacketBuffers::PacketBuffers(NetDevice& device) : device_(device) {
  constexpr u64 kShareOfMemory = 16, kLeast = 32;
  const u64 share = memory_statistics().total_frames / kShareOfMemory;
  may_grow_by_ = share > kLeast ? share : kLeast;
}

PacketBuffers::~PacketBuffers() {
  while (Frame* frame = frames_) {
    frames_ = frame->next;
    free_frames(frame->address, 0);
    delete frame;
  }
}

bool PacketBuffers::grow() {
  if (may_grow_by_ == 0) return false;
  const auto memory = allocate_frames(0, FrameContent::kAny);
  if (!memory.ok()) return false;
  auto* frame = new (std::nothrow) Frame;
  if (!frame) {
    free_frames(memory.value(), 0);
    return false;
  }
  --may_grow_by_;
  frame->address = memory.value();
  frame->next = frames_;
  frames_ = frame;
  for (usize i = 0; i < kPerFrame; ++i) {
    Buffer& buffer = frame->buffers[i];
    buffer.memory = platform::direct_map(frame->address) + i * kSize;
    buffer.capacity = kSize;
    buffer.device = &device_;
    give_back(buffer);
  }
  return true;
}

PacketBuffers::Buffer* PacketBuffers::take() {
  if (!free_ && !grow()) return nullptr;
  auto* buffer = static_cast<Buffer*>(free_);
  free_ = buffer->next;
  buffer->next = nullptr;
  return buffer;
}

void PacketBuffers::give_back(NetDevice::ReceiveBuffer& buffer) {
  buffer.next = free_;
  free_ = &buffer;
}

void PacketBuffers::append(NetDevice::Received& frame, NetDevice::ReceiveBuffer*& last,
                           Buffer& buffer, u32 size) {
  buffer.data = buffer.memory;
  buffer.length = size;
  buffer.next = nullptr;
  if (last)
    last->next = &buffer;
  else
    frame.first = &buffer;
  last = &buffer;
  frame.length += size;
}

}  // namespace narwhal
