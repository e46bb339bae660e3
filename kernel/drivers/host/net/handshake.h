// The last step of a handshake that passt leaves out.
//
// Before February 2024 ("tcp: Always send an ACK segment once the handshake is completed") passt
// acknowledges a SYN,ACK only when it has data to send; Debian 12's does. A server that speaks
// first, as those of SMTP, SSH and MySQL do, would wait for its client for ever. passt takes the
// connection for established when it has read our SYN,ACK, so whoever knows that may say what it
// does not say. From a newer passt it comes twice, which is no harm.
//
// That it has been read must be certain: the same passt never ends the loop in which it looks at a
// SYN,ACK and another segment of the connection that it has read together with it. So a question of
// ARP goes out behind the SYN,ACK, for an address that nobody has and passt answers for, and the
// answer tells.
#pragma once

#include <span>

#include "kernel/base/types.h"

namespace narwhal {

class Handshakes {
 public:
  static constexpr usize kMostQuestion = 42;
  static constexpr usize kMostAnswer = 54;

  // A frame's first piece, on its way to passt. If it is a SYN,ACK (IPv4), what to send behind it:
  // valid until as many more are as may be open. Else nothing.
  std::span<const u8> sent(std::span<const u8> frame);
  // A frame from passt. If it answers a question of ours, it is not for the stack, which gets what
  // passt has left out instead: that is written to `out`, TCP's checksum left out, and its size
  // returned. Else 0.
  usize received(std::span<const u8> frame, std::span<u8, kMostAnswer> out);

 private:
  // Who is answered later than this many others have asked is left to what passt does.
  static constexpr usize kMostOpen = 512;
  struct Open {
    u8 question[kMostQuestion];
    u8 answer[kMostAnswer];
    bool is_open = false;
    u32 number;  // of the question: an answer to the one that was here before is none to this
  };
  Open open_[kMostOpen];
  u32 next_ = 0;
};

}  // namespace narwhal
