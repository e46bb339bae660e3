// The inside of the console driver: the device and its ports.
#pragma once

#include "kernel/drivers/virtio/console.h"
#include "kernel/drivers/virtio/queue.h"
#include "kernel/mm/frame.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {

// One device, one spinlock: its ports are few and their work is short.
using ConsoleLock = SpinLock<LockRank::kDevice>;

class VirtioConsolePort final : public ConsolePort {
 public:
  VirtioConsolePort(ConsoleLock& lock, u32 id) : lock_(lock), id_(id) {}

  std::string_view name() const override { return {name_, name_size_}; }
  Result<usize> read(std::span<std::byte> to) override;
  Result<usize> write(std::span<const std::byte> from) override;
  PollEvents poll() override;
  void drain(u64 deadline_ns) override;

  // By the device, under the lock except where noted.
  Result<> start(VirtioTransport& transport, u16 receive_queue, u64 features);
  void set_name(std::string_view name);
  void set_host_open(bool open);
  // Looks at both queues; returns what to wake waiters with, after the lock.
  PollEvents service();
  u32 id() const { return id_; }
  bool named() const { return name_size_ != 0; }
  bool was_open() const { return was_open_; }

 private:
  static constexpr usize kReceiveBuffers = 2;
  static constexpr usize kSendBuffers = 4;
  static constexpr usize kBufferSize = 2048;
  static constexpr usize kFrames = 3;
  struct Buffer {
    std::byte* data = nullptr;
    u32 length = 0;     // receive: bytes in it
    u32 taken = 0;      // receive: bytes already read
    bool busy = false;  // with the device (send), or holding bytes not read yet (receive)
  };

  void offer(Buffer& buffer);
  Buffer* free_send_buffer();

  ConsoleLock& lock_;
  u32 id_;
  char name_[32] = {};
  usize name_size_ = 0;
  bool host_open_ = false;
  bool was_open_ = false;  // before the host has opened its end there is no end of file
  VirtQueue receive_;
  VirtQueue send_;
  FrameRef frames_[kFrames];
  Buffer receive_buffers_[kReceiveBuffers];
  Buffer send_buffers_[kSendBuffers];
  // Full receive buffers in the order in which they came.
  Buffer* arrived_[kReceiveBuffers] = {};
  usize arrived_count_ = 0;
};

class VirtioConsole : NonCopyable {
 public:
  explicit VirtioConsole(Ref<VirtioTransport> transport) : transport_(std::move(transport)) {}
  Result<> start();
  Ref<VirtioConsolePort> find(std::string_view name);
  WaitQueue& ports_changed() { return ports_changed_; }

 private:
  // Section 5.3.6.2.
  struct Control {
    u32 id;
    u16 event;
    u16 value;
  };
  enum Event : u16 {
    kDeviceReady = 0,
    kDeviceAdd = 1,
    kDeviceRemove = 2,
    kPortReady = 3,
    kConsolePort = 4,
    kResize = 5,
    kPortOpen = 6,
    kPortName = 7
  };
  static constexpr usize kMaxPorts = 8;
  static constexpr usize kControlBuffers = 16;
  static constexpr usize kControlSize = 128;

  static void on_interrupt(void* self);
  void handle_control(std::span<const std::byte> message);
  void send_control(u32 id, Event event, u16 value);
  void add_port(u32 id);
  VirtioConsolePort* port(u32 id);

  Ref<VirtioTransport> transport_;
  ConsoleLock lock_;
  u64 features_ = 0;
  VirtQueue control_receive_;
  VirtQueue control_send_;
  FrameRef control_frame_;
  FrameRef control_send_frame_;
  usize control_send_next_ = 0;
  Ref<VirtioConsolePort> ports_[kMaxPorts];
  WaitQueue ports_changed_;
};

}  // namespace narwhal
