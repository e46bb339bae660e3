#include "kernel/init/control.h"

#include "fs/block/write_back.h"
#include "fs/tty/terminal_file.h"
#include "kernel/base/format.h"
#include "kernel/base/log.h"
#include "kernel/init/network.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/rewrite/call_ways.h"
#include "process/absent.h"
#include "process/pid_table.h"
#include "process/signals.h"

namespace narwhal {
namespace {

constexpr usize kMaxPorts = 4;
constexpr u64 kDrainPatience = 5 * kNanosPerSecond;
constexpr u32 kFirstPid = 1;

[[clang::no_destroy]] constinit Ref<ConsolePort> control;
[[clang::no_destroy]] constinit Ref<ConsolePort> drained[kMaxPorts];

// The next word of a line.
std::string_view take_word(std::string_view& line) {
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  const usize end = line.find(' ') == std::string_view::npos ? line.size() : line.find(' ');
  const auto word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

bool take_number(std::string_view& line, u32& out) {
  const auto word = take_word(line);
  out = 0;
  for (char c : word) {
    if (c < '0' || c > '9' || out > 99'999) return false;
    out = out * 10 + u32(c - '0');
  }
  return !word.empty();
}

void obey(std::string_view line) {
  std::string_view rest = line;
  const auto verb = take_word(rest);
  u32 a = 0, b = 0;
  if (verb == "signal" && take_number(rest, a) && is_signal(i32(a))) {
    if (Ref<Process> process = find_process(kFirstPid))
      send_signal(*process, kernel_signal(Signal(a))).ignore();
  } else if (verb == "winsize" && take_number(rest, a) && take_number(rest, b)) {
    abi::WindowSize size{};
    size.rows = u16(a);
    size.columns = u16(b);
    if (auto terminal = console_terminal()) terminal->set_window_size(size);
  } else {
    LOG_WARN("the host said something unknown on the control channel: '" << line << "'");
  }
}

void listen(void*) {
  char line[128];
  usize length = 0;
  bool too_long = false;
  for (;;) {
    std::byte bytes[64];
    auto got = block_until_ready(control->queue(), PollEvents::kIn, platform::kNoDeadline,
                                 [&] { return control->read(bytes); });
    // The host has closed its end: nobody will say anything any more.
    if (!got.ok() || got.value() == 0) return;
    for (usize i = 0; i < got.value(); ++i) {
      const char c = char(bytes[i]);
      if (c != '\n') {
        if (length < sizeof line)
          line[length++] = c;
        else
          too_long = true;
        continue;
      }
      if (!too_long) obey({line, length});
      length = 0;
      too_long = false;
    }
  }
}

void write_all(ConsolePort& port, std::string_view text) {
  auto left = std::as_bytes(std::span(text));
  while (!left.empty()) {
    auto written =
        block_until_ready(port.queue(), PollEvents::kOut, platform::monotonic_ns() + kDrainPatience,
                          [&] { return port.write(left); });
    if (!written.ok()) return;
    left = left.subspan(written.value());
  }
}

[[noreturn]] void switch_off(u8 status) {
  sync_all_disks();
  const u64 deadline = platform::monotonic_ns() + kDrainPatience;
  if (auto terminal = console_terminal()) terminal->drain(deadline);
  for (Ref<ConsolePort>& port : drained)
    if (port) port->drain(deadline);
  if (control) control->drain(deadline);
  platform::power_off(status);
}

}  // namespace

void start_control(Ref<ConsolePort> port) {
  if (!port) return;
  control = std::move(port);
  if (auto started = start_kernel_thread("control", listen, nullptr); !started.ok())
    LOG_ERROR("the control channel has no listener: " << started.error());
}

void tell_host(std::string_view line) {
  if (!control) return;
  Text<400> text;
  text << line << '\n';
  write_all(*control, text.view());
}

void add_drained_port(Ref<ConsolePort> port) {
  for (Ref<ConsolePort>& slot : drained) {
    if (slot) continue;
    slot = std::move(port);
    return;
  }
}

void end_machine(i32 wait_status) {
  finish_sending();
  constexpr u8 kSignalledStatus = 128;  // as shells count
  const i32 signal = wait_status & 0x7f;
  const u8 status = signal != 0 ? u8(kSignalledStatus + signal) : u8(wait_status >> 8);
  if (signal == 0 && status != 0) {
    for_each_absent([](std::string_view path) {
      Text<160> line;
      line << "absent " << path;
      if (path.find('\n') == std::string_view::npos) tell_host(line.view());
    });
  }
  if (call_ways.counted) {
    Text<80> ways;
    const CallCount all = call_ways.sum();
    ways << "calls " << all.direct << ' ' << all.caught << ' ' << all.rewritten;
    tell_host(ways.view());
  }
  Text<40> line;
  if (signal != 0)
    line << "killed " << signal;
  else
    line << "exit " << u32(status);
  tell_host(line.view());
  switch_off(status);
}

void fail_machine(std::string_view why, u8 status) {
  LOG_ERROR(why);
  Text<300> line;
  line << "error " << why;
  tell_host(line.view());
  Text<40> end;
  end << "exit " << u32(status);
  tell_host(end.view());
  switch_off(status);
}

}  // namespace narwhal
