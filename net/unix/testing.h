// What the tests of AF_UNIX share: sockets of a root user in a tree of files, and short ways to the
// calls.
#pragma once

#include "fs/testing/file_tree.h"
#include "net/core/socket_families.h"
#include "net/unix/socket.h"
#include "net/unix/unix.h"

namespace narwhal::testing {

// What a transfer gave: a count, or an error. For EXPECT_EQ.
struct Moved {
  Errno error{};
  usize count = 0;
  Moved(Errno e) : error(e) {}       // NOLINT: implicit on purpose
  Moved(usize n) : count(n) {}       // NOLINT: implicit on purpose
  Moved(int n) : count(usize(n)) {}  // NOLINT: implicit on purpose
  friend bool operator==(const Moved&, const Moved&) = default;
  friend void PrintTo(const Moved& moved, std::ostream* out) {
    if (moved.error != Errno{})
      *out << errno_name(moved.error);
    else
      *out << moved.count;
  }
};

struct Pair {
  Ref<Socket> first, second;
};

class UnixTest : public FileTree {
 public:
  // On whose behalf sockets act.
  static SocketActor user() {
    if (current) return {*current->fs_, current->who_, pid, open_files_limit};
    static const CredentialsRef root = make_ref<Credentials>().take();
    static const Ref<FsContext> nowhere = make_ref<FsContext>(Path(), Path(), 0u).take();
    return {*nowhere, root, pid, open_files_limit};
  }

 protected:
  static inline UnixTest* current = nullptr;
  static inline i32 pid = 42;
  static inline u64 open_files_limit = 1024;

  void SetUp() override {
    FileTree::SetUp();
    static const bool registered = (register_unix_sockets(), true);
    static_cast<void>(registered);
    current = this;
    pid = 42;
    open_files_limit = 1024;
  }
  void TearDown() override {
    FileTree::TearDown();
    current = nullptr;
  }

  static Ref<Socket> make(int type, OpenFlags flags = OpenFlags::kReadWrite) {
    return create_socket(abi::kAfUnix, type, 0, flags | OpenFlags::kReadWrite).take();
  }
  static Ref<Socket> stream() { return make(abi::kSockStream); }
  static Ref<Socket> datagram() { return make(abi::kSockDatagram); }
  static Pair pair(int type) {
    Pair made{make(type), make(type)};
    EXPECT_TRUE(join_sockets(*made.first, *made.second).ok());
    return made;
  }

  // A path; "@name" is abstract.
  static SocketAddress at(std::string_view name) {
    SocketAddress address;
    address.bytes[0] = 1;
    std::memcpy(address.bytes + 2, name.data(), name.size());
    address.length = u32(2 + name.size());
    if (name[0] == '@') address.bytes[2] = 0;
    return address;
  }
  static Errno bind(Socket& socket, std::string_view name) { return socket.bind(at(name)).error(); }
  static Errno connect(Socket& socket, std::string_view name) {
    return socket.connect(at(name)).error();
  }
  static Errno listen(Socket& socket, int backlog = 5) { return socket.listen(backlog).error(); }
  static Ref<Socket> listener(std::string_view name, int type = abi::kSockStream) {
    auto made = make(type);
    EXPECT_EQ(bind(*made, name), kOk);
    EXPECT_EQ(listen(*made), kOk);
    return made;
  }
  static Result<Ref<Socket>> accept(Socket& socket) {
    SocketAddress peer;
    return socket.accept(OpenFlags::kReadWrite, peer);
  }

  static Moved moved(const Result<usize>& result) {
    return result.ok() ? Moved(result.value()) : Moved(result.error());
  }
  static Moved send(Socket& socket, std::string_view text, std::string_view to = {},
                    ControlData* control = nullptr, u32 flags = 0) {
    IoBuffer data(std::as_bytes(std::span(text)));
    Message message{data};
    SocketAddress address;
    if (!to.empty()) {
      address = at(to);
      message.address = &address;
    }
    message.control = control;
    message.flags = flags;
    return moved(socket.send(message));
  }
  struct Received {
    std::string text;
    Errno error{};
    usize count = 0;
    u32 flags = 0;
    std::string from;
  };
  static Received receive(Socket& socket, usize room = 1000, u32 flags = 0,
                          ControlData* control = nullptr) {
    Received out;
    std::string bytes(room, '.');
    IoBuffer data(std::as_writable_bytes(std::span(bytes.data(), room)));
    Message message{data};
    SocketAddress address;
    message.address = &address;
    message.control = control;
    message.flags = flags;
    auto got = socket.receive(message);
    out.error = got.error();
    if (got.ok()) {
      out.count = got.value();
      out.text = bytes.substr(0, room - data.remaining());
    }
    out.flags = message.result_flags;
    if (address.length > 2)
      out.from.assign(reinterpret_cast<char*>(address.bytes) + 2, address.length - 2);
    return out;
  }
  // Text, or the error's name.
  static std::string text(Socket& socket, usize room = 1000, u32 flags = 0) {
    auto got = receive(socket, room, flags);
    return got.error == kOk ? got.text : std::string(errno_name(got.error));
  }
  static std::string name(Socket& socket) {
    SocketAddress address;
    if (!socket.local_address(address).ok()) return "?";
    return {reinterpret_cast<char*>(address.bytes), address.length};
  }
  static i32 option(Socket& socket, int which) {
    i32 value = -1000;
    auto size =
        socket.get_option(abi::kSolSocket, which, std::as_writable_bytes(std::span(&value, 1)));
    return size.ok() ? value : -i32(size.error());
  }
  static Errno set_option(Socket& socket, int which, i32 value) {
    return socket.set_option(abi::kSolSocket, which, std::as_bytes(std::span(&value, 1))).error();
  }
};

inline constexpr PollEvents kHup = PollEvents::kHup;
inline constexpr PollEvents kReadable = kPollReadable;
inline constexpr PollEvents kWritable = kPollWritable | PollEvents::kWrBand;
inline constexpr PollEvents kEnd = PollEvents::kRdHup | kPollReadable;

// Counts wake-ups for which a waiter of these events is told.
struct WakeCounter : Waiter {
  WakeCounter(Socket& socket, PollEvents events) : queue(*socket.poll_queue()) {
    mask = events;
    on_wake = [](Waiter& waiter, PollEvents) {
      ++static_cast<WakeCounter&>(waiter).count;
      return true;
    };
    queue.add(*this);
  }
  ~WakeCounter() { queue.remove(*this); }
  int take() { return std::exchange(count, 0); }
  WaitQueue& queue;
  int count = 0;
};

}  // namespace narwhal::testing
