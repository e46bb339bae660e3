// TCP and UDP over a network card whose wire loses, repeats and reorders packets.
#include <gtest/gtest.h>

#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "net/inet/testing/mirror_device.h"
#include "net/inet/testing/sockets.h"
#include "net/lwip/interface.h"

namespace narwhal {
namespace {

using testing::address_of;
using testing::kOk;
using testing::MirrorDevice;
using testing::pass_time;

constexpr std::string_view kOwn[] = {"10.0.0.1", "10.1.0.1"};
constexpr std::string_view kMirror[] = {"10.0.0.2", "10.1.0.2"};

// "<EAGAIN>" and the like; data may begin with the same byte.
bool is_error(const std::string& received) {
  constexpr usize kLongest = 20;
  return received.size() < kLongest && received.starts_with('<') && received.ends_with('>');
}

// With checksums computed and segments cut by the device, or by lwIP.
class DeviceTest : public testing::Sockets, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    Sockets::SetUp();
    device_ = &device(GetParam());
    device_->loss = device_->repeats = device_->reorders = 0;
    device_->queue_room = 256;
    device_->hides_window_scaling = false;
    own_ = kOwn[GetParam()];
    mirror_ = kMirror[GetParam()];
  }
  static MirrorDevice& device(bool sums_checksums) {
    static MirrorDevice* devices[2];
    MirrorDevice*& device = devices[sums_checksums];
    if (!device) {
      auto made = make_ref<MirrorDevice>(sums_checksums).take();
      device = made.get();
      const u32 index = net::add_interface(std::move(made)).take();
      EXPECT_TRUE(net::set_ipv4(index, parse_ip_address(kOwn[sums_checksums]).value(), 24,
                                IpAddress::any(IpVersion::k4))
                      .ok());
    }
    return *device;
  }

  Pair connect_through_mirror() {
    auto listening = listener(own_);
    const u16 port = inet::parse_address(abi::kAfInet, local(*listening)).value().port;
    Pair pair{stream(), nullptr};
    EXPECT_EQ(connect(*pair.client, address_of(mirror_, port)), Errno::kInProgress);
    for (int i = 0; i < 100 && !pair.server; ++i) {
      pass_time(100 * kNanosPerMilli);
      auto accepted = accept(*listening);
      if (accepted.ok()) pair.server = accepted.take();
    }
    EXPECT_TRUE(pair.server);
    EXPECT_EQ(pair.client->finish_connect().error(), kOk);
    return pair;
  }

  // Returns how long it took.
  u64 carry(Socket& from, Socket& to, usize size, usize most_sent = 50'000,
            usize most_read = 33'333) {
    const u64 start = platform::monotonic_ns();
    std::string sent(size, 0), got;
    for (usize i = 0; i < size; ++i) sent[i] = char((i * 2654435761u) >> 13);
    usize done = 0;
    int idle = 0;
    while (got.size() < size && idle < 10'000) {
      bool moved = false;
      if (done < size) {
        auto result = send(from, std::string_view(sent).substr(done, most_sent));
        if (result.ok()) {
          done += result.value();
          moved = true;
        }
      }
      testing::settle();
      const std::string part = receive(to, most_read);
      if (!part.empty() && !is_error(part)) {
        got += part;
        moved = true;
      } else if (part != "<EAGAIN>") {
        ADD_FAILURE() << part;
        break;
      }
      if (!moved) {
        pass_time(10 * kNanosPerMilli);
        ++idle;
      }
    }
    EXPECT_TRUE(got == sent) << got.size() << " of " << size;
    return platform::monotonic_ns() - start;
  }

  MirrorDevice* device_ = nullptr;
  std::string_view own_, mirror_;
};
INSTANTIATE_TEST_SUITE_P(Checksums, DeviceTest, ::testing::Bool());

TEST_P(DeviceTest, ACleanWire) {
  auto [client, server] = connect_through_mirror();
  // As fast as the wire is: no wait for a timer.
  EXPECT_LT(carry(*client, *server, 2'000'000), 200 * kNanosPerMilli);
  EXPECT_LT(carry(*server, *client, 2'000'000), 200 * kNanosPerMilli);
}

// A peer with Nagle's algorithm waits for each acknowledgement.
TEST_P(DeviceTest, AcknowledgesWhatNeedsNoAnswerAtOnce) {
  auto [client, server] = connect_through_mirror();
  for (usize i = 1; i <= 40; ++i) {
    const usize before = device_->transmitted;
    EXPECT_EQ(send(*client, "x").value(), 1u);
    testing::settle();
    EXPECT_EQ(receive(*server), "x");
    testing::settle();
    EXPECT_EQ(device_->transmitted - before, 2u) << "message " << i;
  }
}

// An answer takes the acknowledgement along: two packets for an exchange, not four.
TEST_P(DeviceTest, AnswersCarryAcknowledgements) {
  auto [client, server] = connect_through_mirror();
  const auto exchange = [&, &client = client, &server = server] {
    EXPECT_EQ(send(*client, "x").value(), 1u);
    testing::settle();
    EXPECT_EQ(receive(*server), "x");
    EXPECT_EQ(send(*server, "y").value(), 1u);
    testing::settle();
    EXPECT_EQ(receive(*client), "y");
  };
  for (int i = 0; i < 4; ++i) exchange();
  EXPECT_EQ(get(*server, abi::kProtocolTcp, abi::kTcpQuickAck), 0);
  const usize before = device_->transmitted;
  for (int i = 0; i < 100; ++i) exchange();
  EXPECT_EQ(device_->transmitted - before, 200u);
  // An answer that does not come is not waited for again.
  EXPECT_EQ(send(*client, "x").value(), 1u);
  testing::settle();
  EXPECT_EQ(device_->transmitted - before, 201u);
  pass_time(100 * kNanosPerMilli);
  EXPECT_EQ(device_->transmitted - before, 202u);
  EXPECT_EQ(get(*server, abi::kProtocolTcp, abi::kTcpQuickAck), 1);
}

// Without Nagle's algorithm the first of many small pieces leaves at once, and the others together.
TEST_P(DeviceTest, SmallPiecesBehindTheFirstLeaveTogether) {
  auto [client, server] = connect_through_mirror();
  EXPECT_EQ(set(*client, abi::kProtocolTcp, abi::kTcpNoDelay, 1), kOk);
  pass_time(kNanosPerMilli);
  const usize before = device_->transmitted;
  std::string all;
  for (; all.size() < 1200; all += "abc") EXPECT_EQ(send(*client, "abc").value(), 3u);
  EXPECT_EQ(device_->transmitted - before, 1u);
  // Soon, also if the program neither sleeps nor goes on.
  EXPECT_LE(net::core_next_deadline(), platform::monotonic_ns() + 100 * kNanosPerMicro);
  pass_time(kNanosPerMilli);
  EXPECT_EQ(receive(*server), all);
  // Two with data, and acknowledgements of them.
  EXPECT_LE(device_->transmitted - before, 4u);
  // What waits goes before the end.
  EXPECT_TRUE(send(*client, "x").ok() && send(*client, "y").ok());
  client = Ref<Socket>();
  pass_time(kNanosPerMilli);
  EXPECT_EQ(receive(*server), "xy");
}

// The window can't grow with the receive buffer then (QEMU's user network is such a peer), and
// still the program's reading opens it in time.
TEST_P(DeviceTest, APeerWithoutWindowScaling) {
  device_->hides_window_scaling = true;
  auto [client, server] = connect_through_mirror();
  EXPECT_LT(carry(*client, *server, 4'000'000, 1'000'000, 1'000'000), 200 * kNanosPerMilli);
  EXPECT_LT(carry(*server, *client, 4'000'000, 1'000'000, 1'000'000), 200 * kNanosPerMilli);
}

TEST_P(DeviceTest, SegmentsLeaveTogetherWhereTheDeviceCutsThem) {
  auto [client, server] = connect_through_mirror();
  const usize before = device_->transmitted, cut_before = device_->cut;
  carry(*client, *server, 1'000'000);
  const usize cut = device_->cut - cut_before;
  if (!GetParam()) {
    EXPECT_EQ(cut, 0u);
    return;
  }
  constexpr usize kSegments = 1'000'000 / 1460;
  EXPECT_GT(cut, kSegments * 9 / 10);
  // Acknowledgements are among what was transmitted.
  EXPECT_LT(device_->transmitted - before, kSegments);
}

// As many as fit into a frame, once the window is open.
TEST_P(DeviceTest, LongSegmentsAreOneFrame) {
  auto [client, server] = connect_through_mirror();
  device_->most_cut = 0;
  carry(*client, *server, 3'000'000, 500'000, 500'000);
  if (GetParam()) EXPECT_EQ(device_->most_cut, 65535u / 1460);
}

// Pages of a file, as sendfile(2) hands them over: pieces of all sizes, of which the long ones are
// not copied.
class FramesTest : public DeviceTest {
 protected:
  static constexpr usize kFrames = 200;

  void SetUp() override {
    DeviceTest::SetUp();
    for (usize i = 0; i < kFrames; ++i) {
      frames_.push_back(FrameRef::allocate(FrameContent::kAny).take());
      for (usize at = 0; at < kPageSize; ++at)
        frames_.back().data()[at] = std::byte((i * kPageSize + at) * 2654435761u >> 13);
    }
  }
  // `steps` are lengths of pieces, one for each frame in turn.
  void describe(std::initializer_list<u32> steps) {
    const u32* step = steps.begin();
    for (const FrameRef& frame : frames_) {
      const u32 offset = (kPageSize - *step) / 2;
      pieces_.push_back({frame.address(), offset, *step});
      expected_.append(reinterpret_cast<const char*>(frame.data()) + offset, *step);
      if (++step == steps.end()) step = steps.begin();
    }
  }
  void send_all(Socket& from, Socket& to) {
    std::string got;
    usize first = 0;
    for (int idle = 0; got.size() < expected_.size() && idle < 10'000;) {
      bool moved = false;
      const usize count = std::min<usize>(32, pieces_.size() - first);
      if (count != 0) {
        IoBuffer buffer(std::span<const FramePiece>(pieces_.data() + first, count));
        buffer.rules.more_follows = first + count < pieces_.size();
        auto sent = from.write(buffer);
        moved = sent.ok();
        for (usize left = sent.ok() ? sent.value() : 0; left != 0;) {
          const u32 part = u32(std::min<usize>(left, pieces_[first].length));
          pieces_[first].offset += part;
          pieces_[first].length -= part;
          left -= part;
          if (pieces_[first].length == 0) ++first;
        }
      }
      testing::settle();
      const std::string part = receive(to, 100'000);
      if (!part.empty() && !is_error(part)) {
        got += part;
        moved = true;
      }
      if (!moved) {
        pass_time(10 * kNanosPerMilli);
        ++idle;
      }
    }
    EXPECT_TRUE(got == expected_) << got.size() << " of " << expected_.size();
  }
  void expect_released() {
    pass_time(kNanosPerSecond);
    for (const FrameRef& frame : frames_) EXPECT_EQ(frame_refs(frame.address()), 1u);
  }

  std::vector<FrameRef> frames_;
  std::vector<FramePiece> pieces_;
  std::string expected_;
};
INSTANTIATE_TEST_SUITE_P(Checksums, FramesTest, ::testing::Bool());

TEST_P(FramesTest, WholePages) {
  auto [client, server] = connect_through_mirror();
  describe({kPageSize});
  send_all(*client, *server);
  expect_released();
}

TEST_P(FramesTest, PiecesOfAllSizes) {
  auto [client, server] = connect_through_mirror();
  describe({kPageSize, 1, 2047, 2048, 100, 3001, 7});
  send_all(*client, *server);
  expect_released();
}

TEST_P(FramesTest, ABadWire) {
  auto [client, server] = connect_through_mirror();
  device_->loss = 3;
  device_->repeats = 2;
  device_->reorders = 5;
  describe({kPageSize, 3000, 5});
  send_all(*client, *server);
  device_->loss = device_->repeats = device_->reorders = 0;
  expect_released();
}

TEST_P(FramesTest, ToOurselves) {
  auto [client, server] = connected();
  describe({kPageSize, 3000, 5});
  send_all(*client, *server);
  expect_released();
}

// What is not acknowledged yet is still the file's: who writes there meanwhile changes what is sent
// again, as on Linux, and the frames outlive the file.
TEST_P(FramesTest, TheFileChanges) {
  auto [client, server] = connect_through_mirror();
  device_->loss = 100;
  const PhysAddr frame = frames_[0].address();
  const FramePiece piece{frame, 0, kPageSize};
  IoBuffer buffer(std::span(&piece, 1));
  EXPECT_EQ(client->write(buffer).value(), kPageSize);
  testing::settle();
  EXPECT_GT(frame_refs(frame), 1u);
  std::memset(frames_[0].data(), 'n', kPageSize);
  frames_.clear();
  device_->loss = 0;
  std::string got;
  for (int i = 0; i < 1000 && got.size() < kPageSize; ++i) {
    pass_time(10 * kNanosPerMilli);
    const std::string part = receive(*server);
    if (!is_error(part)) got += part;
  }
  EXPECT_EQ(got.size(), kPageSize);
  // A short end is copied.
  EXPECT_EQ(got.substr(0, kPageSize / 2), std::string(kPageSize / 2, 'n'));
  pass_time(kNanosPerSecond);
  EXPECT_EQ(frame_refs(frame), 0u);
}

TEST_P(DeviceTest, ABadWire) {
  auto [client, server] = connect_through_mirror();
  device_->loss = 3;
  device_->repeats = 2;
  device_->reorders = 5;
  carry(*client, *server, 1'000'000);
  carry(*server, *client, 300'000);
}

TEST_P(DeviceTest, AShortDeviceQueue) {
  auto [client, server] = connect_through_mirror();
  device_->queue_room = 8;
  carry(*client, *server, 1'000'000);
}

TEST_P(DeviceTest, Fragments) {
  auto server = datagram();
  ASSERT_EQ(server->bind(address_of(own_, 0)).error(), kOk);
  auto client = datagram();
  const u16 port = inet::parse_address(abi::kAfInet, local(*server)).value().port;
  const SocketAddress to = address_of(mirror_, port);
  for (usize size : {1u, 1472u, 1473u, 20'000u, 65'507u}) {
    std::string data(size, 0);
    for (usize i = 0; i < size; ++i) data[i] = char(i * 13 >> 2);
    EXPECT_EQ(send(*client, data, 0, &to).value(), size);
    pass_time(10 * kNanosPerMilli);
    EXPECT_TRUE(receive(*server, 70'000) == data) << size;
  }
}

// Buffers of the device come back even if a program does not read.
TEST_P(DeviceTest, BuffersComeBack) {
  {
    auto [client, server] = connect_through_mirror();
    for (int i = 0; i < 100; ++i) send(*client, std::string(10'000, 'x')).ignore();
    pass_time(kNanosPerSecond);
    EXPECT_GT(device_->lent(), 0u);
  }
  pass_time(30 * kNanosPerSecond);
  EXPECT_EQ(device_->lent(), 0u);
}

// SYNs from everywhere, whose senders never answer: they cost a bounded amount of memory, a true
// client still gets through among them, and in the end all is as before.
TEST_P(DeviceTest, AFloodOfSyns) {
  pass_time(60 * kNanosPerSecond);
  const u64 before = memory_statistics().free_frames;
  {
    auto listening = listener(own_, 8);
    const u16 port = inet::parse_address(abi::kAfInet, local(*listening)).value().port;
    const u8 own[] = {10, GetParam(), 0, 1};
    u32 number = 0;
    const auto flood = [&](int count) {
      for (; count != 0; --count, ++number) {
        const u8 from[] = {198, 51, u8(number >> 8), u8(number)};
        device_->inject_syn(from, u16(1024 + number), own, port);
        if (number % 64 == 0) testing::settle();
      }
      testing::settle();
    };
    device_->loss = 100;
    flood(20'000);
    EXPECT_LT(before - memory_statistics().free_frames, 1024u);
    device_->loss = 0;
    auto client = stream();
    EXPECT_EQ(connect(*client, address_of(mirror_, port)), Errno::kInProgress);
    flood(200);
    EXPECT_EQ(client->finish_connect().error(), kOk);
    auto server = accept(*listening).take();
    carry(*client, *server, 100'000);
  }
  pass_time(120 * kNanosPerSecond);
  EXPECT_LE(before, memory_statistics().free_frames + 8);
}

// The machine's memory ends in the middle of a transfer, for the sender and for the receiver: calls
// fail or move nothing for a while, and then everything arrives.
TEST_P(DeviceTest, MemoryRunsOut) {
  auto [client, server] = connect_through_mirror();
  std::string sent(2'000'000, 0), got;
  for (usize i = 0; i < sent.size(); ++i) sent[i] = char((i * 2654435761u) >> 13);
  std::vector<FrameRef> taken;
  std::vector<void*> blocks;
  usize done = 0, refused = 0;
  for (int round = 0; got.size() < sent.size() && round < 3000; ++round) {
    if (round == 10) {
      for (;;) {
        auto frame = FrameRef::allocate(FrameContent::kAny);
        if (!frame.ok()) break;
        taken.push_back(frame.take());
      }
      // And what the heap has in store.
      for (usize size = 8192; size >= 16; size -= 16)
        while (void* block = heap_allocate(size)) blocks.push_back(block);
    }
    if (round == 200) {
      taken.clear();
      for (void* block : blocks) heap_free(block);
    }
    if (done < sent.size()) {
      const auto result = send(*client, std::string_view(sent).substr(done, 50'000));
      if (result.ok())
        done += result.value();
      else if (!result.failed(Errno::kAgain))
        ++refused;
    }
    testing::settle();
    const std::string part = receive(*server, 20'000);
    if (!part.empty() && !is_error(part)) {
      got += part;
    } else {
      EXPECT_EQ(part, "<EAGAIN>");
      pass_time(10 * kNanosPerMilli);
    }
    if (!taken.empty() && round % 10 == 0) {
      auto another =
          inet::create_inet_socket(abi::kAfInet, abi::kSockStream, 0, OpenFlags::kReadWrite);
      if (!another.ok() || connect(*another.value(), address_of(mirror_, 9)) != Errno::kInProgress)
        ++refused;
    }
  }
  EXPECT_TRUE(got == sent) << got.size() << " of " << sent.size();
  EXPECT_GT(refused, 0u);
}

TEST_P(DeviceTest, NobodyAnswers) {
  auto client = stream();
  device_->loss = 100;
  EXPECT_EQ(connect(*client, address_of(GetParam() ? "10.1.0.77" : "10.0.0.77", 80)),
            Errno::kInProgress);
  EXPECT_EQ(client->finish_connect().error(), Errno::kAgain);
  pass_time(10 * kNanosPerSecond);
  EXPECT_EQ(client->finish_connect().error(), Errno::kHostUnreach);
}

TEST_P(DeviceTest, APeerThatFallsSilent) {
  auto [client, server] = connect_through_mirror();
  EXPECT_EQ(set(*client, abi::kSolSocket, abi::kSoKeepAlive, 1), kOk);
  EXPECT_EQ(set(*client, abi::kProtocolTcp, abi::kTcpKeepIdle, 5), kOk);
  EXPECT_EQ(set(*client, abi::kProtocolTcp, abi::kTcpKeepInterval, 1), kOk);
  EXPECT_EQ(set(*client, abi::kProtocolTcp, abi::kTcpKeepCount, 3), kOk);
  pass_time(20 * kNanosPerSecond);
  EXPECT_EQ(receive(*client), "<EAGAIN>");  // the peer's stack answers probes
  device_->loss = 100;
  pass_time(12 * kNanosPerSecond);
  EXPECT_EQ(receive(*client), "<ETIMEDOUT>");
}

TEST_P(DeviceTest, UserTimeout) {
  auto [client, server] = connect_through_mirror();
  EXPECT_EQ(set(*client, abi::kProtocolTcp, abi::kTcpUserTimeout, 2000), kOk);
  device_->loss = 100;
  EXPECT_EQ(send(*client, "x").value(), 1u);
  pass_time(1500 * kNanosPerMilli);
  EXPECT_EQ(receive(*client), "<EAGAIN>");
  pass_time(1500 * kNanosPerMilli);
  EXPECT_EQ(receive(*client), "<ETIMEDOUT>");
}

}  // namespace
}  // namespace narwhal
