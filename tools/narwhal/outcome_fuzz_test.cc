// What a hostile kernel can say on its channels: the command keeps a bounded part of it, and prints
// nothing that a terminal would obey.
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "tools/narwhal/channels.h"
#include "tools/narwhal/outcome.h"

namespace {

using namespace narwhal::tools;

void require(bool holds) {
  if (!holds) abort();
}

bool is_printable(std::string_view text) {
  return text.find("\xc2\x9b") == text.npos && std::none_of(text.begin(), text.end(), [](char c) {
           return (static_cast<unsigned char>(c) < ' ' && c != '\n') || c == 0x7f;
         });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  SocketPair pair = make_socket_pair();
  LineChannel channel(std::move(pair.ours));
  Outcome outcome;
  // The first byte says how the machine ended, and how the bytes come in pieces.
  const size_t piece = size_t{data[0]} + 1;
  outcome.is_process = (data[0] & 1) != 0;
  outcome.qemu_status = data[0];
  std::vector<pollfd> polled;
  for (size_t at = 1; !channel.is_finished(); at += piece) {
    if (at < size)
      require(write(pair.theirs.get(), data + at, std::min(piece, size - at)) > 0);
    else
      pair.theirs.reset();
    polled.clear();
    channel.wait_for(polled);
    require(poll(polled.data(), polled.size(), 0) >= 0);
    for (const std::string& line : channel.step(polled)) {
      require(line.find('\n') == line.npos);
      outcome.take_control_line(line);
      outcome.take_kernel_line(line);
      if (outcome.kernel_log.size() < 10) outcome.kernel_log.push_back(printable(line));
    }
  }
  for (const bool verbose : {false, true}) {
    const Report report = make_report(outcome, "program", verbose, true);
    require(report.status >= 0 && report.status <= 255);
    require(is_printable(report.text));
    require(report.text.empty() || report.text.back() == '\n');
  }
  return 0;
}
