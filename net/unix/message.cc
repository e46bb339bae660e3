#include "net/unix/message.h"

#include "net/unix/collector.h"
#include "net/unix/endpoint.h"

namespace narwhal {

constinit SpinLock<LockRank::kSpinOther> unix_lock;

namespace {

constinit UnixMessageList doomed TA_GUARDED_BY(unix_lock);
// Somebody works on `doomed`.
constinit bool reaping TA_GUARDED_BY(unix_lock) = false;

}  // namespace

Result<UnixMessage*> UnixMessage::create(Ref<UnixEndpoint> sender, usize size, u32 charge) {
  void* memory = ::operator new(sizeof(UnixMessage) + size, std::nothrow);
  if (!memory) {
    sender->uncharge(charge);
    return Errno::kNoBufs;
  }
  auto* message = new (memory) UnixMessage();
  message->size = size;
  message->charge = charge;
  message->sender = std::move(sender);
  return message;
}

void UnixMessage::destroy(UnixMessage* message) {
  message->sender->uncharge(message->charge);
  message->~UnixMessage();
  ::operator delete(message);
}

void discard_messages(UnixMessageList& messages) {
  UnixMessageList with_files;
  while (UnixMessage* message = messages.pop_front()) {
    if (message->files.empty())
      UnixMessage::destroy(message);
    else
      with_files.push_back(*message);
  }
  if (with_files.empty()) return;
  {
    SpinGuard guard(unix_lock);
    doomed.splice_back(with_files);
    // Whoever works on the list, perhaps further up on this very stack, takes these as well.
    if (reaping) return;
    reaping = true;
  }
  for (;;) {
    UnixMessage* message;
    {
      SpinGuard guard(unix_lock);
      message = doomed.pop_front();
      if (!message) reaping = false;
    }
    if (!message) break;
    UnixMessage::destroy(message);
  }
  // Sockets that went on the way did not look.
  UnixGarbage::collect();
}

bool discarding_messages() {
  SpinGuard guard(unix_lock);
  return reaping;
}

}  // namespace narwhal
