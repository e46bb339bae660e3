// What a terminal does to the bytes that pass through it, termios(3): editing of lines, echo,
// signals from the keyboard, and what output needs before a screen takes it. It knows neither ports
// nor processes.
//
// Behaviour is that of Linux's N_TTY. Not locked; whoever owns it sees to that.
#pragma once

#include "fs/tty/byte_ring.h"
#include "kernel/abi/signal.h"
#include "kernel/abi/termios.h"

namespace narwhal {

class LineDiscipline {
 public:
  static constexpr usize kInputSize = 4096;
  static constexpr usize kOutputSize = 8192;
  // The program's output leaves this much of the queue to the echo.
  static constexpr usize kEchoRoom = 4096;
  static constexpr usize kMostPerByte = 8;  // a tab as blanks

  LineDiscipline();

  const abi::Termios& settings() const { return settings_; }
  void set_settings(const abi::Termios& settings);

  // --- from the keyboard

  // Whether another byte may come; else it should wait where it is.
  bool can_receive() const;
  // Takes a byte. Returns the signal that it stands for, or kNone.
  Signal receive(u8 byte);
  void discard_input();

  // --- to the program

  bool canonical() const { return local(abi::kLCanonical) && !local(abi::kLExternal); }
  // Bytes that a read would give now; canonical: a finished line, or an end of file (which may be
  // no bytes at all).
  bool line_ready() const { return committed_ != tail_; }
  usize bytes_waiting() const { return usize(head_ - tail_); }
  // FIONREAD: what could be read, in canonical mode without ends of file.
  usize bytes_readable() const;
  // The host closed the input: what was typed last becomes a line as it is.
  void finish_input();
  // Whether take() with so much room would reach the end of a line.
  bool line_ends_within(usize size) const;
  // Takes up to `to.size()` bytes; canonical: at most to the end of the line.
  usize take(std::span<std::byte> to);

  // --- from the program

  // How many bytes put() may be given.
  usize output_room() const {
    const usize used = output_.size() + kEchoRoom;
    return used < kOutputSize ? (kOutputSize - used) / kMostPerByte : 0;
  }
  void put(u8 byte);

  // --- to the screen

  ByteRing<kOutputSize>& output() { return output_; }
  // XOFF was typed, or tcflow(3) said so.
  bool stopped() const { return stopped_; }
  void stop() { stopped_ = true; }
  void start() { stopped_ = held_; }
  // tcflow(3): what the program stopped, keys don't start, and the other way round.
  void hold() { held_ = stopped_ = true; }
  void release() {
    if (held_) held_ = stopped_ = false;
  }

 private:
  bool input(u32 flag) const { return settings_.input & flag; }
  bool local(u32 flag) const { return settings_.local & flag; }
  bool is(u8 byte, abi::ControlCharacter which) const {
    return byte != 0 && settings_.characters[which] == byte;
  }
  Signal signal_of(u8 byte) const;
  bool edit(u8 byte);
  void erase(abi::ControlCharacter how);
  void erase_on_screen(u8 byte, u64 begin, u64 end, abi::ControlCharacter how);
  void erase_tab();
  void finish_erasing();
  void reprint();
  void store_and_echo(u8 byte);
  void store(u8 byte);
  void end_line(u8 byte);
  bool continues_character(u8 byte) const { return input(abi::kIUtf8) && (byte & 0xc0) == 0x80; }

  void echo(u8 byte);      // with "^X" for control characters
  void echo_raw(u8 byte);  // through the output settings only
  void put_line(u8 byte);  // nothing done to it

  u8& at(u64 position) { return bytes_[position % kInputSize]; }
  u8 at(u64 position) const { return bytes_[position % kInputSize]; }
  bool ends_line(u64 position) const {
    return ends_[position % kInputSize / 64] >> (position % 64) & 1;
  }
  void set_end(u64 position, bool end);

  abi::Termios settings_;
  u8 bytes_[kInputSize];
  u64 ends_[kInputSize / 64] = {};  // which bytes end a line; a NUL that does is an end of file
  // [tail_, committed_) are finished lines, [committed_, head_) is being edited. Without canonical
  // mode committed_ stays with tail_.
  u64 tail_ = 0, committed_ = 0, head_ = 0;
  bool literal_next_ = false;
  bool erasing_ = false;  // "\" of ECHOPRT is open
  bool stopped_ = false;
  bool held_ = false;  // by the program
  u32 column_ = 0;
  u32 line_column_ = 0;  // where the line that is being edited began
  ByteRing<kOutputSize> output_;
};

}  // namespace narwhal
