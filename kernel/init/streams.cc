#include "kernel/init/streams.h"

#include "fs/core/vfs.h"
#include "fs/tty/host_stream.h"
#include "kernel/drivers/uart/uart_port.h"
#include "kernel/drivers/virtio/console.h"
#include "kernel/init/control.h"
#include "kernel/init/devices.h"
#include "syscalls/dispatch.h"

namespace narwhal {
namespace {

constexpr u64 kPortPatience = 2 * kNanosPerSecond;
constexpr u64 kManyDescriptors = 3;

[[clang::no_destroy]] constinit Ref<ConsolePort> trace_port;

Ref<ConsolePort> host_port(std::string_view name) {
  if (!have_virtio_console()) return nullptr;
  auto port = find_console_port(name, platform::monotonic_ns() + kPortPatience);
  if (port.ok()) return port.take();
  LOG_WARN("the host offers no port '" << name << "'");
  return nullptr;
}

Result<FileRef> open_null(OpenFlags flags) {
  auto fs = TRY(make_ref<FsContext>(vfs::root_path(), vfs::root_path(), 022));
  auto who = TRY(make_ref<Credentials>());
  return vfs::open({*fs, *who}, Path(), "/dev/null", flags, 0);
}

// Without a virtio console all three streams are the serial port.
Result<Ref<ConsolePort>> stream_port(std::string_view name) {
  if (auto port = host_port(name)) return port;
  [[clang::no_destroy]] static constinit Ref<ConsolePort> uart;
  if (!uart) uart = TRY(open_uart_port());
  return Ref<ConsolePort>(uart);
}

Result<FileRef> open_stream(StreamKind kind, std::string_view name, OpenFlags flags) {
  if (kind == StreamKind::kNull) return open_null(flags);
  auto port = TRY(stream_port(name));
  if (flags == OpenFlags::kWriteOnly) add_drained_port(port);
  return open_host_stream(std::move(port), flags);
}

void write_trace(std::string_view line) {
  auto left = std::as_bytes(std::span(line));
  while (!left.empty()) {
    auto written = block_until_ready(trace_port->queue(), PollEvents::kOut, platform::kNoDeadline,
                                     [&] { return trace_port->write(left); });
    if (!written.ok()) return;
    left = left.subspan(written.value());
  }
}

}  // namespace

void open_control() {
  start_control(host_port("narwhal.control"));
}

Result<Ref<FdTable>> open_streams(const BootSettings& settings) {
  auto files = TRY(make_ref<FdTable>());
  constexpr std::string_view kNames[] = {"narwhal.stdin", "narwhal.stdout", "narwhal.stderr"};
  for (int i = 0; i < 3; ++i) {
    const OpenFlags flags = i == 0 ? OpenFlags::kReadOnly : OpenFlags::kWriteOnly;
    FileRef file = TRY(open_stream(settings.streams[i], kNames[i], flags));
    auto fd = TRY(files->reserve(kManyDescriptors));
    std::move(fd).commit(std::move(file), false);
  }
  if (settings.trace_calls) {
    trace_port = TRY(stream_port(kNames[2]));
    set_trace_writer(write_trace);
  }
  return files;
}

}  // namespace narwhal
