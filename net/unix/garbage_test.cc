// Sockets that only messages refer to.
#include "net/unix/collector.h"
#include "net/unix/testing.h"

namespace narwhal {
namespace {

using namespace testing;

// A file that tells when it is gone.
class Witness final : public AnonymousFile {
 public:
  Witness() : AnonymousFile(OpenFlags::kReadWrite, "witness", 0) { ++alive; }
  ~Witness() override { --alive; }
  static inline int alive = 0;
};

class UnixInFlight : public UnixTest {
 protected:
  void TearDown() override {
    EXPECT_EQ(UnixGarbage::in_flight(), 0u);
    EXPECT_EQ(Witness::alive, 0);
    UnixTest::TearDown();
  }
  static void pass(Socket& through, FileRef file) {
    ControlData control;
    ASSERT_TRUE(control.files.push_back(std::move(file)).ok());
    EXPECT_EQ(send(through, "x", {}, &control), 1);
  }
  static FileRef witness() { return make_ref<Witness>().take(); }
};

TEST_F(UnixInFlight, MessagesThatNobodyReadsCloseWhatTheyCarry) {
  auto ends = pair(abi::kSockStream);
  pass(*ends.first, witness());
  pass(*ends.first, stream());
  EXPECT_EQ(UnixGarbage::in_flight(), 1u);
  EXPECT_EQ(Witness::alive, 1);
  ends.second = nullptr;
  EXPECT_EQ(Witness::alive, 0);
}

TEST_F(UnixInFlight, ASocketInItsOwnQueueIsCollected) {
  auto ends = pair(abi::kSockStream);
  pass(*ends.first, ends.second);
  pass(*ends.first, witness());
  ends.second = nullptr;
  // The queue of the one that was sent holds itself; its peer is open still.
  UnixGarbage::collect();
  EXPECT_EQ(Witness::alive, 0);
  EXPECT_EQ(ends.first->poll(), kEnd | kHup | kWritable);
}

TEST_F(UnixInFlight, TwoThatHoldEachOtherAreCollectedWithTheLastClose) {
  auto ends = pair(abi::kSockDatagram);
  pass(*ends.first, ends.first);
  pass(*ends.second, ends.second);
  pass(*ends.second, witness());
  ends = {};
  EXPECT_EQ(Witness::alive, 1);
  // Any socket's end looks for them.
  datagram();
  EXPECT_EQ(Witness::alive, 0);
}

TEST_F(UnixInFlight, WhatCanStillBeReceivedStays) {
  auto outer = pair(abi::kSockStream);
  auto inner = pair(abi::kSockStream);
  // A ring, reachable through a message to a socket that is open.
  pass(*inner.first, inner.second);
  pass(*inner.second, inner.first);
  pass(*inner.second, witness());
  pass(*outer.first, inner.first);
  inner = {};
  UnixGarbage::collect();
  EXPECT_EQ(Witness::alive, 1);
  {
    ControlData control;
    EXPECT_EQ(receive(*outer.second, 1, 0, &control).text, "x");
    ASSERT_EQ(control.files.size(), 1u);
    auto& first = static_cast<Socket&>(*control.files[0]);
    ControlData inside;
    EXPECT_EQ(receive(first, 1, 0, &inside).text, "x");
    EXPECT_EQ(inside.files[0].get(), &first);
    UnixGarbage::collect();
    EXPECT_EQ(Witness::alive, 1);
  }
  UnixGarbage::collect();
  EXPECT_EQ(Witness::alive, 0);
}

TEST_F(UnixInFlight, ConnectionsThatWaitToBeAcceptedAreLookedInto) {
  auto server = listener("@s");
  auto client = stream();
  ASSERT_EQ(connect(*client, "@s"), kOk);
  pass(*client, server);
  pass(*client, witness());
  server = nullptr;
  UnixGarbage::collect();
  EXPECT_EQ(Witness::alive, 0);
  EXPECT_EQ(connect(*stream(), "@s"), Errno::kConnRefused);
}

TEST_F(UnixInFlight, ALongChainIsTakenApartWithoutRecursion) {
  // Each socket waits in the queue of the next.
  constexpr int kLength = 10'000;
  FileRef last = witness();
  for (int i = 0; i < kLength; ++i) {
    auto ends = pair(abi::kSockStream);
    pass(*ends.first, std::move(last));
    last = std::move(ends.second);
  }
  EXPECT_EQ(Witness::alive, 1);
  last = nullptr;
  EXPECT_EQ(Witness::alive, 0);
}

}  // namespace
}  // namespace narwhal
