#include "kernel/drivers/host/net/handshake.h"

#include <cstring>

namespace narwhal {
namespace {

// Offsets: RFC 894; RFC 791, section 3.1; RFC 9293, section 3.1; RFC 826.
constexpr usize kEthernet = 14, kAddress = 6, kType = 12;
constexpr usize kHeader4 = 20, kLength = 2, kProtocol = 9, kSum = 10, kSource = 12,
                kDestination = 16;
constexpr usize kHeaderTcp = 20, kSequence = 4, kAcknowledged = 8, kSize = 12, kFlags = 13,
                kWindow = 14, kUrgent = 18;
constexpr usize kOperation = 6, kSenderAddress = 8, kSenderIp = 14, kTargetAddress = 18,
                kTargetIp = 24;
constexpr u32 kTypeIp = 0x0800, kTypeArp = 0x0806;
constexpr u8 kPlainHeader = 0x45, kTcp = 6, kSyn = 2, kAck = 16;
// RFC 2544, appendix C: 198.18.0.0/15 is for measurements, and so nobody's. The lower bits are the
// number of the question.
constexpr u32 kNobody = 198u << 24 | 18 << 16, kNumbers = 1 << 17;

u32 load(const u8* at, usize size) {
  u32 value = 0;
  for (usize i = 0; i < size; ++i) value = value << 8 | at[i];
  return value;
}
void store(u8* at, u32 value, usize size) {
  for (usize i = size; i-- > 0; value >>= 8) at[i] = u8(value);
}

u16 checksum(const u8* bytes, usize size) {
  u32 sum = 0;
  for (usize i = 0; i < size; i += 2) sum += load(bytes + i, 2);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return u16(~sum);
}

// As the receiver of a SYN,ACK would acknowledge it.
void write_answer(const u8* frame, u8* out) {
  const u8* network = frame + kEthernet;
  const u8* tcp = network + kHeader4;
  std::memcpy(out, frame, Handshakes::kMostAnswer);
  std::memcpy(out, frame + kAddress, kAddress);
  std::memcpy(out + kAddress, frame, kAddress);
  u8* to = out + kEthernet;
  store(to + kLength, kHeader4 + kHeaderTcp, 2);
  std::memcpy(to + kSource, network + kDestination, 4);
  std::memcpy(to + kDestination, network + kSource, 4);
  store(to + kSum, 0, 2);
  store(to + kSum, checksum(to, kHeader4), 2);
  to += kHeader4;
  std::memcpy(to, tcp + 2, 2);
  std::memcpy(to + 2, tcp, 2);
  std::memcpy(to + kSequence, tcp + kAcknowledged, 4);
  store(to + kAcknowledged, load(tcp + kSequence, 4) + 1, 4);
  to[kSize] = kHeaderTcp / 4 << 4;
  to[kFlags] = kAck;
  // What passt says itself, which scales by 256. Its next segment says how it is.
  constexpr u32 kUsualWindow = 256;
  store(to + kWindow, kUsualWindow, 2);
  store(to + kUrgent, 0, 2);
}

void write_question(const u8* frame, u32 number, u8* out) {
  std::memset(out, 0xff, kAddress);
  std::memcpy(out + kAddress, frame + kAddress, kAddress);
  store(out + kType, kTypeArp, 2);
  u8* arp = out + kEthernet;
  store(arp, 1, 2);  // Ethernet
  store(arp + 2, kTypeIp, 2);
  store(arp + 4, kAddress << 8 | 4, 2);  // sizes of the addresses
  store(arp + kOperation, 1, 2);
  std::memcpy(arp + kSenderAddress, frame + kAddress, kAddress);
  std::memcpy(arp + kSenderIp, frame + kEthernet + kSource, 4);
  std::memset(arp + kTargetAddress, 0, kAddress);
  store(arp + kTargetIp, kNobody | number, 4);
}

}  // namespace

std::span<const u8> Handshakes::sent(std::span<const u8> frame) {
  if (frame.size() < kMostAnswer || load(frame.data() + kType, 2) != kTypeIp) return {};
  const u8* network = frame.data() + kEthernet;
  if (network[0] != kPlainHeader || network[kProtocol] != kTcp ||
      network[kHeader4 + kFlags] != (kSyn | kAck))
    return {};
  // The oldest one gives way: its connection has long been established, or is no more.
  const u32 number = next_++ % kNumbers;
  Open& open = open_[number % kMostOpen];
  open.is_open = true;
  open.number = number;
  write_answer(frame.data(), open.answer);
  write_question(frame.data(), number, open.question);
  return open.question;
}

usize Handshakes::received(std::span<const u8> frame, std::span<u8, kMostAnswer> out) {
  if (frame.size() < kMostQuestion || load(frame.data() + kType, 2) != kTypeArp) return 0;
  const u8* arp = frame.data() + kEthernet;
  const u32 number = load(arp + kSenderIp, 4) - kNobody;
  Open& open = open_[number % kMostOpen];
  if (load(arp + kOperation, 2) != 2 || !open.is_open || open.number != number) return 0;
  open.is_open = false;
  std::memcpy(out.data(), open.answer, kMostAnswer);
  return kMostAnswer;
}

}  // namespace narwhal
