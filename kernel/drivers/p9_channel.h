// P9Channel: a way to a 9P server outside the machine, which shares a folder of the host.
// virtio-9p implements it, and the process home's socket to a server (kernel/drivers/host/p9.h).
#pragma once

#include <span>
#include <string_view>

#include "kernel/base/list.h"
#include "kernel/base/ref.h"

namespace narwhal {

class P9Channel : public RefCounted {
 public:
  // What the host calls the folder: mount(2)'s source.
  virtual std::string_view tag() const = 0;
  // Sends one message and sleeps until the answer is there; returns its length. Both are contiguous
  // memory of the kernel (direct map) and stay the caller's. Any number of threads may have a
  // message on its way. Not interruptible. EIO when the device is broken, ENOBUFS is waited out.
  virtual Result<usize> exchange(std::span<const std::byte> message,
                                 std::span<std::byte> answer) = 0;

  ListNode channels_node;
};

// Channels live as long as the kernel. They are found at boot, by one thread.
void keep_p9_channel(Ref<P9Channel> channel);
// The channel with this tag; null when there is none.
Ref<P9Channel> find_p9_channel(std::string_view tag);

}  // namespace narwhal
