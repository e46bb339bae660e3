// Sockets that are in flight: sent in SCM_RIGHTS messages and not received yet.
//
// A socket whose only references are messages that wait in its own queue, or in queues of others
// like it, can never be reached again, yet its reference count never falls to zero. Such rings are
// looked for when a socket is closed and when many are in flight, and their messages are deleted.
#pragma once

#include "net/unix/message.h"

namespace narwhal {

class UnixSocket;

class UnixGarbage {
 public:
  // A message goes on, or off, a queue.
  static void note_sent(UnixMessage& message) TA_REQUIRES(unix_lock);
  static void note_taken(UnixMessage& message) TA_REQUIRES(unix_lock);
  // Sockets in flight.
  static u32 in_flight();
  // Looks for unreachable rings, when there can be one. No lock may be held.
  static void collect();
  // The same after a socket was closed. With many in flight, a look follows only every so many
  // closes: the work for each stays small.
  static void note_closed();
  // The same, but only when so many more are in flight than the last time that it is worth it.
  static void collect_if_many();

 private:
  template <typename Visit>
  static void for_each_in_queue(UnixMessageList& queue, Visit visit) TA_REQUIRES(unix_lock);
  template <typename Visit>
  static void for_each_held_by(UnixSocket& socket, Visit visit) TA_REQUIRES(unix_lock);
  static void take_garbage(UnixMessageList& garbage) TA_REQUIRES(unix_lock);
};

}  // namespace narwhal
