// Memory that received packets lie in: pieces of half a page, lent to the stack and taken back.
//
// There are as many as were ever needed at once, up to a share of memory: what a program does not
// read must not keep the packets of others from coming in. All calls under the stack's lock.
#pragma once

#include "kernel/base/addr.h"
#include "kernel/drivers/net_device.h"

namespace narwhal {

class PacketBuffers : NonCopyable {
 public:
  static constexpr u32 kSize = kPageSize / 2;

  struct Buffer : NetDevice::ReceiveBuffer {
    std::byte* memory = nullptr;
  };

  // They are lent in the name of `device`.
  explicit PacketBuffers(NetDevice& device);
  ~PacketBuffers();

  // Null: memory is short, or the stack holds as many as it may.
  Buffer* take();
  void give_back(NetDevice::ReceiveBuffer& buffer);
  // Appends `size` bytes, written into the buffer's memory, to a frame whose last piece is `last`.
  static void append(NetDevice::Received& frame, NetDevice::ReceiveBuffer*& last, Buffer& buffer,
                     u32 size);

 private:
  static constexpr usize kPerFrame = kPageSize / kSize;
  struct Frame {
    Frame* next = nullptr;
    PhysAddr address;
    Buffer buffers[kPerFrame];
  };

  bool grow();

  NetDevice& device_;
  usize may_grow_by_;
  Frame* frames_ = nullptr;
  NetDevice::ReceiveBuffer* free_ = nullptr;
};

}  // namespace narwhal
