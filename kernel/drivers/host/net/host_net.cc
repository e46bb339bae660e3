#include "kernel/drivers/host/net/host_net.h"

#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/process/host.h"

namespace narwhal {

HostNet::HostNet(std::span<const int> fds, u32 mtu)
    : queues_(fds.size()), mtu_(mtu), buffers_(*this) {
  ASSERT(queues_ != 0 && queues_ <= kMostQueues);
  if (!host::random(std::as_writable_bytes(std::span(mac_.bytes))).ok())
    LOG_WARN("the host gives no random bytes for a network card's address");
  mac_.bytes[0] = u8((mac_.bytes[0] & 0xfc) | 0x02);  // an individual, locally given address
  for (usize queue = 0; queue < queues_; ++queue) {
    process_home::Watch& watch = watches_[queue];
    watch.fd = fds[queue];
    watch.ready = on_ready;
    watch.argument = this;
    process_home::add_watch(watch);
    process_home::allow_signals(watch);
  }
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
  InterruptGuard guard;
  for (usize queue = 0; queue < queues_; ++queue) {
    const i16 events =
        i16((starved_ ? 0 : host::kPollIn) | (queue == full_queue_ ? host::kPollOut : 0));
    if (events != 0) process_home::arm(watches_[queue], events);
  }
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
