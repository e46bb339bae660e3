#include "kernel/drivers/uart/uart_port.h"

#include "kernel/platform/machine.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace {

class UartPort final : public ConsolePort {
 public:
  std::string_view name() const override { return "uart"; }

  Result<usize> read(std::span<std::byte> to) override {
    SpinGuard guard(lock_);
    if (count_ == 0) return Errno::kAgain;
    usize moved = 0;
    for (; moved < to.size() && count_ != 0; ++moved, --count_)
      to[moved] = std::byte(ring_[first_++ % kCapacity]);
    return moved;
  }
  Result<usize> write(std::span<const std::byte> from) override {
    platform::console_write({reinterpret_cast<const char*>(from.data()), from.size()});
    return from.size();
  }
  PollEvents poll() override {
    SpinGuard guard(lock_);
    return kPollWritable | (count_ != 0 ? kPollReadable : PollEvents::kNone);
  }
  void drain(u64) override {}

  // Interrupt context. What does not fit is lost, as on a serial line without flow control.
  void receive(std::string_view bytes) {
    {
      SpinGuard guard(lock_);
      for (char c : bytes)
        if (count_ < kCapacity) ring_[(first_ + count_++) % kCapacity] = c;
    }
    queue().wake(kPollReadable, ~usize{0});
  }

 private:
  static constexpr usize kCapacity = 1024;
  SpinLock<LockRank::kDevice> lock_;
  char ring_[kCapacity] = {};
  usize first_ = 0;
  usize count_ = 0;
};

constinit UartPort* the_port = nullptr;

}  // namespace

Result<Ref<ConsolePort>> open_uart_port() {
  if (!the_port) {
    auto port = TRY(make_ref<UartPort>());
    the_port = port.release();  // it lives as long as the machine
    platform::console_set_receiver([](std::string_view bytes) { the_port->receive(bytes); });
  }
  return Ref<ConsolePort>(the_port);
}

}  // namespace narwhal
