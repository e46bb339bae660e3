#include "kernel/drivers/virtio/console.h"

#include <cstring>

#include "kernel/base/log.h"
#include "kernel/drivers/virtio/console_device.h"

namespace narwhal {
namespace {

constexpr u64 kMultiport = u64{1} << 1;  // VIRTIO_CONSOLE_F_MULTIPORT
constexpr u32 kMaxPortsOffset = 4;       // in the configuration space

constinit VirtioConsole* the_console = nullptr;

}  // namespace

// Section 5.3.2: port 0 has queues 0 and 1, control 2 and 3, port n > 0 has 2n + 2 and 2n + 3.
static u16 receive_queue_of(u32 port) {
  return port == 0 ? 0 : u16(2 * port + 2);
}

Result<> VirtioConsole::start() {
  features_ = TRY(virtio_negotiate(*transport_, kMultiport, kMultiport));
  TRY(transport_->set_interrupt_handler(on_interrupt, this));
  control_frame_ = TRY(FrameRef::allocate(FrameContent::kZeroed));
  control_send_frame_ = TRY(FrameRef::allocate(FrameContent::kZeroed));
  const u32 offered = transport_->config32(kMaxPortsOffset);
  const usize count = offered < kMaxPorts ? offered : kMaxPorts;
  for (u32 id = 0; id < count; ++id) {
    ports_[id] = TRY(make_ref<VirtioConsolePort>(lock_, id));
    TRY(ports_[id]->start(*transport_, receive_queue_of(id), features_));
  }
  TRY(control_receive_.start(*transport_, 2, kControlBuffers, features_));
  TRY(control_send_.start(*transport_, 3, kControlBuffers, features_));
  for (usize i = 0; i < kControlBuffers; ++i) {
    std::byte* buffer = control_frame_.data() + i * kControlSize;
    const VirtQueue::Segment segment{platform::direct_map_to_phys(buffer), kControlSize};
    TRY(control_receive_.submit({}, {&segment, 1}, buffer));
  }
  virtio_driver_ok(*transport_);
  SpinGuard guard(lock_);
  control_receive_.kick();
  send_control(~0u, kDeviceReady, 1);
  return {};
}

void VirtioConsole::send_control(u32 id, Event event, u16 value) {
  while (control_send_.pop().token) {
  }
  if (control_send_.free_descriptors() == 0) {
    LOG_ERROR("virtio console: the device does not take control messages");
    return;
  }
  // As many slots as the queue has entries, used in turn: a free entry means that the oldest slot
  // is free.
  std::byte* slot =
      control_send_frame_.data() + control_send_next_++ % kControlBuffers * sizeof(Control);
  const Control message{id, event, value};
  std::memcpy(slot, &message, sizeof message);
  const VirtQueue::Segment segment{platform::direct_map_to_phys(slot), sizeof message};
  control_send_.submit({&segment, 1}, {}, slot).ignore();
  control_send_.kick();
}

VirtioConsolePort* VirtioConsole::port(u32 id) {
  return id < kMaxPorts ? ports_[id].get() : nullptr;
}

void VirtioConsole::handle_control(std::span<const std::byte> message) {
  if (message.size() < sizeof(Control)) return;
  Control control;
  std::memcpy(&control, message.data(), sizeof control);
  VirtioConsolePort* which = port(control.id);
  if (!which) return;
  switch (control.event) {
    case kDeviceAdd:
      send_control(control.id, kPortReady, 1);
      break;
    case kPortName: {
      auto text = message.subspan(sizeof control);
      const auto* name = reinterpret_cast<const char*>(text.data());
      usize size = text.size();
      while (size > 0 && name[size - 1] == '\0') --size;
      which->set_name({name, size});
      send_control(control.id, kPortOpen, 1);
      break;
    }
    case kPortOpen:
      which->set_host_open(control.value != 0);
      break;
    default:
      break;
  }
}

void VirtioConsole::on_interrupt(void* self) {
  auto& console = *static_cast<VirtioConsole*>(self);
  PollEvents events[kMaxPorts] = {};
  bool control = false;
  {
    SpinGuard guard(console.lock_);
    for (auto done = console.control_receive_.pop(); done.token;
         done = console.control_receive_.pop()) {
      auto* buffer = static_cast<std::byte*>(done.token);
      console.handle_control({buffer, done.written});
      const VirtQueue::Segment segment{platform::direct_map_to_phys(buffer), kControlSize};
      console.control_receive_.submit({}, {&segment, 1}, buffer).ignore();
      control = true;
    }
    console.control_receive_.kick();
    for (usize i = 0; i < kMaxPorts; ++i)
      if (console.ports_[i]) events[i] = console.ports_[i]->service();
  }
  for (usize i = 0; i < kMaxPorts; ++i) {
    if (!console.ports_[i]) continue;
    // A port that opened or closed may have become readable (end of file) or writable.
    if (control) events[i] |= kPollReadable | kPollWritable | PollEvents::kHup;
    if (events[i] != PollEvents::kNone) console.ports_[i]->queue().wake(events[i], ~usize{0});
  }
  if (control) console.ports_changed_.wake_all();
}

Ref<VirtioConsolePort> VirtioConsole::find(std::string_view name) {
  SpinGuard guard(lock_);
  for (auto& candidate : ports_)
    if (candidate && candidate->name() == name) return candidate;
  return nullptr;
}

Result<> start_virtio_console(Ref<VirtioTransport> transport) {
  auto console = TRY(make_own<VirtioConsole>(std::move(transport)));
  the_console = console.get();
  TRY(console->start());
  static_cast<void>(console.release());  // it lives as long as the machine
  return {};
}

Result<Ref<ConsolePort>> find_console_port(std::string_view name, u64 deadline_ns) {
  if (!the_console) return Errno::kNoDev;
  // The name comes before the word that the host's end is open, and what is written before that
  // word would be lost.
  auto found =
      block_until_ready(the_console->ports_changed(), PollEvents::kAll, deadline_ns,
                        [&]() -> Result<Ref<ConsolePort>> {
                          if (auto port = the_console->find(name); port && port->was_open())
                            return Ref<ConsolePort>(port);
                          return Errno::kAgain;
                        });
  if (found.ok()) return found;
  if (auto port = the_console->find(name)) return Ref<ConsolePort>(port);
  return Errno::kNoDev;
}

}  // namespace narwhal
