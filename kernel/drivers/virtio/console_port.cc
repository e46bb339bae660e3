#include <cstring>

#include "kernel/drivers/virtio/console_device.h"

namespace narwhal {

Result<> VirtioConsolePort::start(VirtioTransport& transport, u16 receive_queue, u64 features) {
  constexpr usize kPerFrame = kPageSize / kBufferSize;
  for (FrameRef& frame : frames_) frame = TRY(FrameRef::allocate(FrameContent::kAny));
  usize next = 0;
  const auto take = [&] {
    std::byte* data = frames_[next / kPerFrame].data() + next % kPerFrame * kBufferSize;
    ++next;
    return data;
  };
  static_assert(kReceiveBuffers + kSendBuffers <= kFrames * kPerFrame);
  for (Buffer& buffer : receive_buffers_) buffer.data = take();
  for (Buffer& buffer : send_buffers_) buffer.data = take();
  TRY(receive_.start(transport, receive_queue, kReceiveBuffers, features));
  TRY(send_.start(transport, u16(receive_queue + 1), kSendBuffers, features));
  for (Buffer& buffer : receive_buffers_) offer(buffer);
  return {};
}

void VirtioConsolePort::offer(Buffer& buffer) {
  buffer.length = buffer.taken = 0;
  buffer.busy = false;
  const VirtQueue::Segment segment{platform::direct_map_to_phys(buffer.data), kBufferSize};
  receive_.submit({}, {&segment, 1}, &buffer).ignore();  // there is one descriptor for each buffer
  receive_.kick();
}

void VirtioConsolePort::set_name(std::string_view name) {
  name_size_ = name.size() < sizeof name_ ? name.size() : sizeof name_;
  std::memcpy(name_, name.data(), name_size_);
}

void VirtioConsolePort::set_host_open(bool open) {
  host_open_ = open;
  was_open_ |= open;
}

PollEvents VirtioConsolePort::service() {
  PollEvents events = PollEvents::kNone;
  for (auto done = receive_.pop(); done.token; done = receive_.pop()) {
    auto& buffer = *static_cast<Buffer*>(done.token);
    buffer.length = done.written;
    if (buffer.length == 0) {
      offer(buffer);
      continue;
    }
    buffer.busy = true;
    arrived_[arrived_count_++] = &buffer;
    events |= kPollReadable;
  }
  for (auto done = send_.pop(); done.token; done = send_.pop()) {
    static_cast<Buffer*>(done.token)->busy = false;
    events |= kPollWritable;
  }
  return events;
}

Result<usize> VirtioConsolePort::read(std::span<std::byte> to) {
  SpinGuard guard(lock_);
  service();
  if (arrived_count_ == 0)
    return host_open_ || !was_open_ ? Result<usize>(Errno::kAgain) : Result<usize>(usize{0});
  Buffer& buffer = *arrived_[0];
  const usize left = buffer.length - buffer.taken;
  const usize size = to.size() < left ? to.size() : left;
  std::memcpy(to.data(), buffer.data + buffer.taken, size);
  buffer.taken += u32(size);
  if (buffer.taken == buffer.length) {
    for (usize i = 1; i < arrived_count_; ++i) arrived_[i - 1] = arrived_[i];
    --arrived_count_;
    offer(buffer);
  }
  return size;
}

VirtioConsolePort::Buffer* VirtioConsolePort::free_send_buffer() {
  for (Buffer& buffer : send_buffers_)
    if (!buffer.busy) return &buffer;
  return nullptr;
}

Result<usize> VirtioConsolePort::write(std::span<const std::byte> from) {
  SpinGuard guard(lock_);
  if (!host_open_) return from.size();
  service();
  usize total = 0;
  while (total < from.size()) {
    Buffer* buffer = free_send_buffer();
    if (!buffer) break;
    const usize left = from.size() - total;
    const usize size = left < kBufferSize ? left : kBufferSize;
    std::memcpy(buffer->data, from.data() + total, size);
    const VirtQueue::Segment segment{platform::direct_map_to_phys(buffer->data), u32(size)};
    if (!send_.submit({&segment, 1}, {}, buffer).ok()) break;
    buffer->busy = true;
    total += size;
  }
  send_.kick();
  if (total == 0 && !from.empty()) return Errno::kAgain;
  return total;
}

PollEvents VirtioConsolePort::poll() {
  SpinGuard guard(lock_);
  service();
  PollEvents events = PollEvents::kNone;
  if (arrived_count_ != 0) events |= kPollReadable;
  if (!host_open_ && was_open_) events |= kPollReadable | PollEvents::kHup;
  if (free_send_buffer() || !host_open_) events |= kPollWritable;
  return events;
}

void VirtioConsolePort::drain(u64 deadline_ns) {
  for (;;) {
    {
      SpinGuard guard(lock_);
      service();
      if (send_.in_flight() == 0 || send_.broken()) return;
    }
    if (platform::monotonic_ns() >= deadline_ns) return;
    __builtin_ia32_pause();
  }
}

}  // namespace narwhal
