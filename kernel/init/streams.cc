#include "kernel/init/streams.h"

#include "fs/core/vfs.h"
#include "fs/tty/host_stream.h"
#include "fs/tty/terminal_file.h"
#include "kernel/init/control.h"
#include "kernel/init/devices.h"
#include "syscalls/dispatch.h"

namespace narwhal {
namespace {

constexpr u64 kManyDescriptors = 3;

[[clang::no_destroy]] constinit Ref<ConsolePort> trace_port;

Result<FileRef> open_device(std::string_view path, OpenFlags flags) {
  auto fs = TRY(make_ref<FsContext>(vfs::root_path(), vfs::root_path(), 022));
  auto who = TRY(make_ref<Credentials>());
  return vfs::open({*fs, *who}, Path(), path, flags, 0);
}

// Without ports of the host's all three streams are one.
Result<Ref<ConsolePort>> stream_port(int stream) {
  constexpr std::string_view kNames[] = {"narwhal.stdin", "narwhal.stdout", "narwhal.stderr"};
  if (auto port = host_port(kNames[stream])) return port;
  [[clang::no_destroy]] static constinit Ref<ConsolePort> fallback;
  if (!fallback) fallback = TRY(fallback_port());
  return Ref<ConsolePort>(fallback);
}

// The terminal that the streams of that kind share: input from the first of them, output to one of
// the others.
Result<> make_terminal(const BootSettings& settings) {
  const auto port_if_terminal = [&](int stream) -> Result<Ref<ConsolePort>> {
    if (settings.streams[stream] != StreamKind::kTerminal) return Ref<ConsolePort>();
    return stream_port(stream);
  };
  auto input = TRY(port_if_terminal(0));
  auto output = TRY(port_if_terminal(1));
  if (!output) output = TRY(port_if_terminal(2));
  if (!input && !output) return {};
  auto terminal = TRY(make_ref<Terminal>(std::move(input), std::move(output)));
  abi::WindowSize size{};
  size.rows = settings.rows;
  size.columns = settings.columns;
  terminal->set_window_size(size);
  TRY(terminal->start());
  set_console_terminal(std::move(terminal));
  return {};
}

Result<FileRef> open_stream(StreamKind kind, int stream) {
  const OpenFlags flags = stream == 0 ? OpenFlags::kReadOnly : OpenFlags::kWriteOnly;
  switch (kind) {
    case StreamKind::kTerminal:
      return open_device("/dev/console", OpenFlags::kReadWrite);
    case StreamKind::kNull:
      return open_device("/dev/null", flags);
    case StreamKind::kPipe:
      break;
  }
  auto port = TRY(stream_port(stream));
  if (stream != 0) add_drained_port(port);
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
  TRY(make_terminal(settings));
  auto files = TRY(make_ref<FdTable>());
  for (int stream = 0; stream < 3; ++stream) {
    FileRef file = TRY(open_stream(settings.streams[stream], stream));
    auto fd = TRY(files->reserve(kManyDescriptors));
    std::move(fd).commit(std::move(file), false);
  }
  if (settings.trace_calls) {
    trace_port = TRY(stream_port(2));
    set_trace_writer(write_trace);
  }
  return files;
}

}  // namespace narwhal
