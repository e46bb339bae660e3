#include "net/unix/collector.h"

#include "net/unix/socket.h"

namespace narwhal {
namespace {

// Sockets in flight, at least, before a send looks for garbage.
constexpr u32 kMany = 64;
// So many sockets in flight are looked at for each socket that is closed.
constexpr u32 kPerClose = 16;

constinit List<UnixSocket, &UnixSocket::in_flight_node> sockets_in_flight TA_GUARDED_BY(unix_lock);
constinit Atomic<u32> references_in_flight{0};
// How many were left by the last collection.
constinit Atomic<u32> left_in_flight{0};
constinit Atomic<u32> closes_since{0};

UnixSocket* as_unix_socket(File& file) {
  if (file.kind() != File::Kind::kSocket) return nullptr;
  auto& socket = static_cast<Socket&>(file);
  return socket.family() == abi::kAfUnix ? static_cast<UnixSocket*>(&socket) : nullptr;
}

}  // namespace

u32 UnixGarbage::in_flight() {
  return references_in_flight.load(Order::kRelaxed);
}

void UnixGarbage::note_sent(UnixMessage& message) {
  for (const FileRef& file : message.files) {
    UnixSocket* socket = as_unix_socket(*file);
    if (!socket) continue;
    if (socket->in_flight++ == 0) sockets_in_flight.push_back(*socket);
    references_in_flight.fetch_add(1);
  }
}

void UnixGarbage::note_taken(UnixMessage& message) {
  for (const FileRef& file : message.files) {
    UnixSocket* socket = as_unix_socket(*file);
    if (!socket) continue;
    if (--socket->in_flight == 0) sockets_in_flight.remove(*socket);
    references_in_flight.fetch_sub(1);
  }
}

template <typename Visit>
void UnixGarbage::for_each_in_queue(UnixMessageList& queue, Visit visit) {
  for (UnixMessage& message : queue)
    for (const FileRef& file : message.files)
      if (UnixSocket* socket = as_unix_socket(*file)) visit(*socket);
}

// Connections that wait to be accepted have queues of their own, which go with the listener.
template <typename Visit>
void UnixGarbage::for_each_held_by(UnixSocket& socket, Visit visit) {
  UnixEndpoint& endpoint = socket.endpoint();
  for_each_in_queue(endpoint.queue_, visit);
  for (UnixEndpoint& child : endpoint.pending_) for_each_in_queue(child.queue_, visit);
}

// The references of a candidate all come from messages. One that is in the queue of a socket which
// is no candidate keeps it, and so does one in the queue of a candidate that is kept. A file gets
// new references only from those that use it or, under the lock, from a queue: so what is found
// unreachable stays so.
void UnixGarbage::take_garbage(UnixMessageList& garbage) {
  List<UnixSocket, &UnixSocket::work_node> work;
  for (UnixSocket& socket : sockets_in_flight) {
    socket.candidate = socket.ref_count() == socket.in_flight;
    socket.from_outside = socket.in_flight;
  }
  for (UnixSocket& socket : sockets_in_flight)
    if (socket.candidate)
      for_each_held_by(socket, [](UnixSocket& held) TA_NO_ANALYSIS { --held.from_outside; });

  for (UnixSocket& socket : sockets_in_flight)
    if (socket.candidate && socket.from_outside != 0) {
      socket.candidate = false;
      work.push_back(socket);
    }
  while (UnixSocket* kept = work.pop_front())
    for_each_held_by(*kept, [&](UnixSocket& held) TA_NO_ANALYSIS {
      if (!held.candidate) return;
      held.candidate = false;
      work.push_back(held);
    });

  // The list of those in flight changes as queues are emptied.
  for (UnixSocket& socket : sockets_in_flight)
    if (socket.candidate) work.push_back(socket);
  while (UnixSocket* lost = work.pop_front()) {
    UnixEndpoint& endpoint = lost->endpoint();
    endpoint.purge_queue(garbage);
    for (UnixEndpoint& child : endpoint.pending_) child.purge_queue(garbage);
  }
}

void UnixGarbage::collect() {
  if (in_flight() == 0) return;
  closes_since.store(0);
  DiscardedMessages garbage;
  SpinGuard guard(unix_lock);
  take_garbage(garbage.list);
  left_in_flight.store(references_in_flight.load());
}

void UnixGarbage::note_closed() {
  const u32 closes = closes_since.fetch_add(1) + 1;
  // While messages are deleted, the collector's turn comes at the end.
  if (closes >= in_flight() / kPerClose && !discarding_messages()) collect();
}

void UnixGarbage::collect_if_many() {
  if (in_flight() >= kMany + 2 * left_in_flight.load(Order::kRelaxed)) collect();
}

}  // namespace narwhal
