#include "kernel/drivers/host/net/handshake.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace narwhal {
namespace {

// 10.0.2.15:80 to 10.0.2.2:50000, with a maximum segment size.
std::vector<u8> syn_ack4() {
  return {0x52, 0x55, 10,   0,    2,    2,  2,    1,    2,    3,    4,    5,    8,    0,    0x45,
          0,    0,    44,   0,    0,    0,  0,    64,   6,    0,    0,    10,   0,    2,    15,
          10,   0,    2,    2,    0,    80, 0xc3, 0x50, 0x01, 0xff, 0xff, 0xff, 0x10, 0x20, 0x30,
          0x40, 0x60, 0x12, 0xff, 0xff, 0,  0,    0,    0,    2,    4,    5,    0xb4};
}

// What passt makes of a question.
std::vector<u8> answer_to(std::span<const u8> question) {
  std::vector<u8> frame(question.begin(), question.end());
  for (usize i = 0; i < 6; ++i) frame[i] = question[6 + i];
  frame[14 + 7] = 2;
  for (usize i = 0; i < 10; ++i) {
    frame[14 + 8 + i] = question[14 + 18 + i];
    frame[14 + 18 + i] = question[14 + 8 + i];
  }
  return frame;
}

TEST(Handshake, IsAnsweredAsTheReceiverWouldWhenThePeerIsKnownToHaveIt) {
  const auto place = std::make_unique<Handshakes>();
  Handshakes& handshakes = *place;
  const auto question = handshakes.sent(syn_ack4());
  ASSERT_EQ(question.size(), 42u);
  EXPECT_EQ(question[13], 6);
  u8 out[Handshakes::kMostAnswer] = {};
  EXPECT_EQ(handshakes.received(question, out), 0u);  // it is no answer
  const auto answer = answer_to(question);
  ASSERT_EQ(handshakes.received(answer, out), 54u);
  const std::vector<u8> expected = {
      2, 1,  2,    3,    4,    5,    0x52, 0x55, 10, 0, 2,    2,    8,  0, 0x45, 0,  0,    40,
      0, 0,  0,    0,    64,   6,    0x62, 0xc0, 10, 0, 2,    2,    10, 0, 2,    15, 0xc3, 0x50,
      0, 80, 0x10, 0x20, 0x30, 0x40, 0x02, 0,    0,  0, 0x50, 0x10, 1,  0, 0,    0,  0,    0};
  EXPECT_EQ(std::vector<u8>(out, out + 54), expected);
  EXPECT_EQ(handshakes.received(answer, out), 0u) << "once";
}

TEST(Handshake, OfSeveralEachHasItsAnswer) {
  const auto handshakes = std::make_unique<Handshakes>();
  std::vector<std::vector<u8>> answers;
  for (u8 i = 0; i < 100; ++i) {
    auto frame = syn_ack4();
    frame[14 + 20 + 3] = i;  // the client's port
    answers.push_back(answer_to(handshakes->sent(frame)));
  }
  u8 out[Handshakes::kMostAnswer] = {};
  for (u8 i = 0; i < 100; ++i) {
    ASSERT_EQ(handshakes->received(answers[i], out), 54u);
    EXPECT_EQ(out[14 + 20 + 1], i);
  }
}

// Or a connection would be taken for established whose SYN,ACK passt has not read yet.
TEST(Handshake, AnAnswerThatComesTooLateIsNotForAnother) {
  const auto handshakes = std::make_unique<Handshakes>();
  const auto first = answer_to(handshakes->sent(syn_ack4()));
  std::vector<std::vector<u8>> others;
  for (int i = 0; i < 10'000; ++i) others.push_back(answer_to(handshakes->sent(syn_ack4())));
  u8 out[Handshakes::kMostAnswer] = {};
  EXPECT_EQ(handshakes->received(first, out), 0u);
  int answered = 0;
  for (const auto& answer : others) answered += handshakes->received(answer, out) != 0;
  EXPECT_GE(answered, 256);
  EXPECT_LE(answered, 1024);
  EXPECT_EQ(handshakes->received(others.back(), out), 0u) << "once";
}

TEST(Handshake, NothingElseIsTouched) {
  const auto place = std::make_unique<Handshakes>();
  Handshakes& handshakes = *place;
  u8 out[Handshakes::kMostAnswer] = {};
  for (const u8 flags : {0x02, 0x10, 0x18, 0x11, 0x14, 0x13, 0x52}) {
    auto frame = syn_ack4();
    frame[14 + 20 + 13] = flags;
    EXPECT_TRUE(handshakes.sent(frame).empty()) << int(flags);
  }
  const auto whole = syn_ack4();
  for (usize size = 0; size < 54; ++size)
    EXPECT_TRUE(handshakes.sent(std::span(whole).first(size)).empty()) << size;
  auto udp = syn_ack4();
  udp[14 + 9] = 17;
  EXPECT_TRUE(handshakes.sent(udp).empty());
  EXPECT_EQ(handshakes.received(whole, out), 0u);
  const auto answer = answer_to(handshakes.sent(whole));
  for (usize size = 0; size < answer.size(); ++size)
    EXPECT_EQ(handshakes.received(std::span(answer).first(size), out), 0u);
  auto of_somebody = answer;
  of_somebody[14 + 14] = 10;
  EXPECT_EQ(handshakes.received(of_somebody, out), 0u);
}

}  // namespace
}  // namespace narwhal
