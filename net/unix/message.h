// What waits in a socket's queue: a datagram, or a part of a stream.
#pragma once

#include "net/core/socket.h"

namespace narwhal {

class UnixEndpoint;

// Guards all that changes in AF_UNIX. It is held for a few pointers at a time: nothing is copied,
// no reference is dropped and no message deleted under it.
extern SpinLock<LockRank::kSpinOther> unix_lock;

struct UnixMessage : NonCopyable {
  // Room for `size` bytes, which the caller fills. `charge` counts against the sender's buffer, and
  // has been taken from it; the message gives it back when it is deleted. ENOBUFS.
  static Result<UnixMessage*> create(Ref<UnixEndpoint> sender, usize size, u32 charge);
  static void destroy(UnixMessage* message);

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
  usize left() const { return size - offset; }

  ListNode node;
  usize size = 0;
  usize offset = 0;  // streams: what was read already
  u32 charge = 0;
  ControlData::Ids ids{};
  Ref<UnixEndpoint> sender;
  Vector<FileRef> files;

 private:
  UnixMessage() = default;
  ~UnixMessage() = default;
};

using UnixMessageList = List<UnixMessage, &UnixMessage::node>;

// Deletes messages that are on no queue any more. Files in them may be sockets whose last reference
// goes with them, and which have messages in turn: those are deleted in a loop, not by recursion.
void discard_messages(UnixMessageList& messages);
// Whether somebody is at it; the collector is called when that is done.
bool discarding_messages();

// Messages that a call took off a queue; deleted at the end of the scope. Declare it before any
// lock.
class DiscardedMessages : NonCopyable {
 public:
  ~DiscardedMessages() {
    if (!list.empty()) discard_messages(list);
  }
  UnixMessageList list;
};

}  // namespace narwhal
