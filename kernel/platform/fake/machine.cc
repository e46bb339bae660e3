#include <cstring>

#include "kernel/platform/fake/state.h"

namespace narwhal {

namespace {

struct World {
  u32 cpu_count = 1;
  std::string command_line;
  std::string console;
  void (*receive)(std::string_view bytes) = nullptr;
  u64 random = 0x9e3779b97f4a7c15;
};

World& world() {
  static World& world = *new World;
  return world;
}

}  // namespace

namespace fake {

void set_command_line(std::string_view line) {
  world().command_line = line;
}
std::string& console_output() {
  return world().console;
}
void type_on_console(std::string_view bytes) {
  post_interrupt([text = std::string(bytes)] {
    if (world().receive) world().receive(text);
  });
}

void set_cpu_count(u32 count) {
  world().cpu_count = count;
}

}  // namespace fake

namespace platform {

u32 cpu_count() {
  return world().cpu_count;
}
void start_cpus() {}
void interrupt_cpu(u32) {}
void synchronize_cpus() {}
const CpuIdentity& cpu_identity() {
  static const CpuIdentity identity{
      "NarwhalFake!", "Narwhal fake processor", 6, 1, 0, 1'000'000, 0x078bfbff, 2};
  return identity;
}
usize cpu_flags(std::span<char> out) {
  static constexpr std::string_view kFlags = "fpu tsc cx8 cmov mmx fxsr sse sse2 syscall nx lm";
  const usize size = kFlags.size() < out.size() ? kFlags.size() : out.size();
  std::memcpy(out.data(), kFlags.data(), size);
  return size;
}

std::string_view command_line() {
  return world().command_line;
}
usize hardware_entropy(std::span<std::byte> out) {
  // The same bytes in every test (xorshift64*).
  for (std::byte& byte : out) {
    u64& x = world().random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    byte = std::byte(x * 0x2545f4914f6cdd1d >> 56);
  }
  return out.size();
}
void console_write(std::string_view bytes) {
  world().console += bytes;
}
void console_set_receiver(void (*receive)(std::string_view bytes)) {
  world().receive = receive;
}
void power_off(u8 status) {
  fake::set_power_off_status(status);
  fake::leave_run(fake::RunEnd::kPoweredOff);
}

}  // namespace platform
}  // namespace narwhal
