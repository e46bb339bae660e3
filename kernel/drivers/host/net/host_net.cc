#include "kernel/drivers/host/net/host_net.h"

#include "kernel/base/log.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/process/host.h"

namespace narwhal {

HostNet::HostNet(int fd, u32 mtu) : mtu_(mtu), buffers_(*this) {
  if (!host::random(std::as_writable_bytes(std::span(mac_.bytes))).ok())
    LOG_WARN("the host gives no random bytes for a network card's address");
  mac_.bytes[0] = u8((mac_.bytes[0] & 0xfc) | 0x02);  // an individual, locally given address
  watch_.fd = fd;
  watch_.ready = on_ready;
  watch_.argument = this;
  process_home::add_watch(watch_);
  process_home::allow_signals(watch_);
}

void HostNet::set_handlers(EventHandler event, void* argument, CompletionHandler completed) {
  event_ = event;
  event_argument_ = argument;
  completed_ = completed;
}

void HostNet::tell() {
  if (armed_.exchange(false)) event_(event_argument_);
}

void HostNet::on_ready(void* self) {
  static_cast<HostNet*>(self)->tell();
}

// What came since the last look is still there when the descriptor is asked, so nothing is missed.
bool HostNet::enable_events() {
  if (gone_) return false;
  armed_.store(true);
  const i16 events = i16((starved_ ? 0 : host::kPollIn) | (wants_room_ ? host::kPollOut : 0));
  if (events == 0) return false;
  InterruptGuard guard;
  process_home::arm(watch_, events);
  return false;
}

void HostNet::release(ReceiveBuffer& buffer) {
  buffers_.give_back(buffer);
  if (!starved_) return;
  starved_ = false;
  tell();
}

void HostNet::go(std::string_view why) {
  if (gone_) return;
  gone_ = true;
  LOG_ERROR("the network is gone: " << why);
  tell();
}

}  // namespace narwhal
