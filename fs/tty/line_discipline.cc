#include "fs/tty/line_discipline.h"

namespace narwhal {

using namespace abi;

namespace {

constexpr u8 kDelete = 0x7f;
constexpr u32 kTabWidth = 8;

constexpr u8 control(char letter) {
  return u8(letter & 0x1f);
}
constexpr bool is_control(u8 byte) {
  return byte < 0x20 || byte == kDelete;
}
constexpr bool is_word(u8 byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z') || byte == '_';
}

// What a terminal starts with, as Linux's tty_std_termios.
constexpr Termios initial_settings() {
  Termios t{};
  t.input = kICrNl | kIXOn;
  t.output = kOPost | kONlCr;
  t.control = kCSpeed38400 | kCSize8 | kCRead;
  t.local = kLSignals | kLCanonical | kLEcho | kLEchoErase | kLEchoKill | kLEchoControl |
            kLEchoKillErase | kLExtended;
  t.characters[kVIntr] = control('C');
  t.characters[kVQuit] = 0x1c;
  t.characters[kVErase] = kDelete;
  t.characters[kVKill] = control('U');
  t.characters[kVEof] = control('D');
  t.characters[kVMin] = 1;
  t.characters[kVStart] = control('Q');
  t.characters[kVStop] = control('S');
  t.characters[kVSusp] = control('Z');
  t.characters[kVReprint] = control('R');
  t.characters[kVDiscard] = control('O');
  t.characters[kVWordErase] = control('W');
  t.characters[kVLiteralNext] = control('V');
  return t;
}

}  // namespace

LineDiscipline::LineDiscipline() : settings_(initial_settings()) {}

void LineDiscipline::set_settings(const Termios& settings) {
  const bool was_canonical = canonical();
  settings_ = settings;
  // A terminal of the kernel's making sends and takes whole bytes.
  settings_.control = (settings_.control & ~(kCSizeMask | kCParity)) | kCSize8 | kCRead;
  if (!input(kIXOn)) start();
  if (was_canonical == canonical()) return;
  for (u64& word : ends_) word = 0;
  literal_next_ = erasing_ = false;
  // What is there becomes a line, or loses its lines.
  committed_ = tail_;
  if (canonical() && head_ != tail_) {
    set_end(head_ - 1, true);
    committed_ = head_;
  }
}

void LineDiscipline::set_end(u64 position, bool end) {
  u64& word = ends_[position % kInputSize / 64];
  const u64 bit = u64{1} << (position % 64);
  word = end ? word | bit : word & ~bit;
}

// --- from the keyboard

bool LineDiscipline::can_receive() const {
  // Two: a byte may have to be doubled (PARMRK). A line that has grown too long goes on being
  // edited, so that it can be ended.
  return head_ - tail_ + 2 < kInputSize || (canonical() && !line_ready());
}

Signal LineDiscipline::signal_of(u8 byte) const {
  if (!local(kLSignals)) return Signal::kNone;
  if (is(byte, kVIntr)) return Signal::kInt;
  if (is(byte, kVQuit)) return Signal::kQuit;
  if (is(byte, kVSusp)) return Signal::kTstp;
  return Signal::kNone;
}

Signal LineDiscipline::receive(u8 byte) {
  if (input(kIStrip)) byte &= 0x7f;
  if (input(kIUpperLower) && local(kLExtended) && byte >= 'A' && byte <= 'Z') byte += 'a' - 'A';
  // The other side has edited, echoed and looked for signals.
  if (local(kLExternal)) return store(byte), Signal::kNone;
  if (literal_next_) {
    literal_next_ = false;
    store_and_echo(byte);
    return Signal::kNone;
  }
  if (input(kIXOn)) {
    if (is(byte, kVStart)) return start(), Signal::kNone;
    if (is(byte, kVStop)) return stop(), Signal::kNone;
  }
  if (const Signal signal = signal_of(byte); signal != Signal::kNone) {
    if (!local(kLNoFlush)) {
      discard_input();
      output_.clear();
    }
    if (input(kIXOn)) start();
    if (local(kLEcho)) echo(byte);
    return signal;
  }
  if (stopped_ && input(kIXOn) && input(kIXAny)) start();
  if (byte == '\r') {
    if (input(kIgnoreCr)) return Signal::kNone;
    if (input(kICrNl)) byte = '\n';
  } else if (byte == '\n' && input(kINlCr)) {
    byte = '\r';
  }
  if (!canonical() || !edit(byte)) store_and_echo(byte);
  return Signal::kNone;
}

void LineDiscipline::discard_input() {
  for (u64& word : ends_) word = 0;
  tail_ = committed_ = head_;
  literal_next_ = erasing_ = false;
}

// The bytes that mean something in canonical mode; false for an ordinary one.
bool LineDiscipline::edit(u8 byte) {
  const bool extended = local(kLExtended);
  if (is(byte, kVErase)) return erase(kVErase), true;
  if (is(byte, kVKill)) return erase(kVKill), true;
  if (extended && is(byte, kVWordErase)) return erase(kVWordErase), true;
  if (extended && is(byte, kVLiteralNext)) {
    literal_next_ = true;
    if (local(kLEcho) && local(kLEchoControl)) {
      finish_erasing();
      put_line('^');
      put_line('\b');
    }
    return true;
  }
  if (extended && local(kLEcho) && is(byte, kVReprint)) return reprint(), true;
  if (byte == '\n') {
    if (local(kLEcho) || local(kLEchoNl)) echo_raw('\n');
    return end_line(byte), true;
  }
  if (is(byte, kVEof)) return end_line(0), true;
  if (is(byte, kVEol) || (extended && is(byte, kVEol2))) {
    if (local(kLEcho)) {
      if (head_ == committed_) line_column_ = column_;
      echo(byte);
    }
    if (byte == 0xff && input(kIParityMark)) store(byte);
    return end_line(byte), true;
  }
  return false;
}

void LineDiscipline::store(u8 byte) {
  // The last place of a full buffer is kept for the end of the line: what comes before it is
  // overwritten.
  if (head_ - tail_ >= kInputSize - 1) {
    if (!canonical() || head_ == committed_) return;
    --head_;
  }
  set_end(head_, false);
  at(head_++) = byte;
}

void LineDiscipline::store_and_echo(u8 byte) {
  if (local(kLEcho)) {
    finish_erasing();
    if (byte == '\n') {
      echo_raw('\n');
    } else {
      if (head_ == committed_) line_column_ = column_;
      echo(byte);
    }
  }
  if (byte == 0xff && input(kIParityMark)) store(byte);
  store(byte);
}

void LineDiscipline::end_line(u8 byte) {
  if (head_ - tail_ >= kInputSize) --head_;
  at(head_) = byte;
  set_end(head_, true);
  committed_ = ++head_;
  erasing_ = false;
}

void LineDiscipline::reprint() {
  finish_erasing();
  echo(settings_.characters[kVReprint]);
  echo_raw('\n');
  for (u64 i = committed_; i != head_; ++i) echo(at(i));
}

// --- taking back what was typed

void LineDiscipline::finish_erasing() {
  if (!erasing_) return;
  echo_raw('/');
  erasing_ = false;
}

void LineDiscipline::erase(ControlCharacter how) {
  if (head_ == committed_) return;
  if (how == kVKill) {
    const bool shows_each = local(kLEchoKill) && local(kLEchoKillErase) && local(kLEchoErase);
    if (!local(kLEcho) || !shows_each) {
      head_ = committed_;
      if (!local(kLEcho)) return;
      finish_erasing();
      echo(settings_.characters[kVKill]);
      if (local(kLEchoKill)) echo_raw('\n');
      return;
    }
  }
  bool seen_word = false;
  while (head_ != committed_) {
    u64 begin = head_ - 1;
    while (continues_character(at(begin)) && begin != committed_) --begin;
    const u8 first = at(begin);
    if (continues_character(first)) break;  // the rest of a character that began elsewhere
    if (how == kVWordErase) {
      if (is_word(first))
        seen_word = true;
      else if (seen_word)
        break;
    }
    const u64 end = head_;
    head_ = begin;
    if (local(kLEcho)) erase_on_screen(first, begin, end, how);
    if (how == kVErase) break;
  }
  if (head_ == committed_ && local(kLEcho)) finish_erasing();
}

void LineDiscipline::erase_on_screen(u8 first, u64 begin, u64 end, ControlCharacter how) {
  if (local(kLEchoPrint)) {
    if (!erasing_) echo_raw('\\');
    erasing_ = true;
    echo(first);
    for (u64 i = begin + 1; i != end; ++i) put_line(at(i));
    return;
  }
  if (how == kVErase && !local(kLEchoErase)) return echo(settings_.characters[kVErase]);
  if (first == '\t') return erase_tab();
  unsigned width = 1;
  if (is_control(first)) width = local(kLEchoControl) ? 2 : 0;
  for (unsigned i = 0; i < width; ++i)
    for (u8 byte : {'\b', ' ', '\b'}) echo_raw(byte);
}

// Goes back to where the tab began: after the columns of what stands before it.
void LineDiscipline::erase_tab() {
  u32 columns = 0;
  bool after_tab = false;
  for (u64 i = head_; i != committed_ && !after_tab;) {
    const u8 byte = at(--i);
    if (byte == '\t')
      after_tab = true;
    else if (is_control(byte))
      columns += local(kLEchoControl) ? 2 : 0;
    else if (!continues_character(byte))
      ++columns;
  }
  if (!after_tab) columns += line_column_;
  for (u32 back = kTabWidth - columns % kTabWidth; back != 0; --back) {
    put_line('\b');
    if (column_ > 0) --column_;
  }
}

// --- to the program

usize LineDiscipline::bytes_readable() const {
  if (!canonical()) return bytes_waiting();
  usize count = 0;
  for (u64 i = tail_; i != committed_; ++i)
    if (!(ends_line(i) && at(i) == 0)) ++count;
  return count;
}

void LineDiscipline::finish_input() {
  if (!canonical() || head_ == committed_) return;
  set_end(head_ - 1, true);
  committed_ = head_;
}

bool LineDiscipline::line_ends_within(usize size) const {
  usize count = 0;
  for (u64 i = tail_; i != committed_; ++i) {
    const bool end_of_file = ends_line(i) && at(i) == 0;
    if (!end_of_file && ++count > size) return false;
    if (ends_line(i)) return true;
  }
  return false;
}

usize LineDiscipline::take(std::span<std::byte> to) {
  usize count = 0;
  if (!canonical()) {
    while (count < to.size() && tail_ != head_) to[count++] = std::byte(at(tail_++));
    committed_ = tail_;
    return count;
  }
  while (tail_ != committed_) {
    const bool end = ends_line(tail_);
    const bool end_of_file = end && at(tail_) == 0;
    // An end of file right behind what filled the buffer belongs to it.
    if (count == to.size() && !end_of_file) break;
    if (!end_of_file) to[count++] = std::byte(at(tail_));
    set_end(tail_, false);
    ++tail_;
    if (end) break;
  }
  return count;
}

// --- to the screen

void LineDiscipline::put_line(u8 byte) {
  output_.push(byte);
}

void LineDiscipline::echo(u8 byte) {
  if (!local(kLEchoControl) || !is_control(byte) || byte == '\t') return echo_raw(byte);
  put_line('^');
  put_line(byte ^ 0100);
  column_ += 2;
}

void LineDiscipline::echo_raw(u8 byte) {
  // A screen that takes nothing loses the echo, not the program's output.
  if (output_.room() >= kMostPerByte) put(byte);
}

void LineDiscipline::put(u8 byte) {
  const u32 how = settings_.output;
  if (!(how & kOPost)) return put_line(byte);
  switch (byte) {
    case '\n':
      if (how & kONlRet) column_ = 0;
      if (how & kONlCr) {
        column_ = 0;
        put_line('\r');
      }
      break;
    case '\r':
      if ((how & kONoCr) && column_ == 0) return;
      if (how & kOCrNl) {
        byte = '\n';
        if (how & kONlRet) column_ = 0;
      } else {
        column_ = 0;
      }
      break;
    case '\t': {
      const u32 width = kTabWidth - column_ % kTabWidth;
      column_ += width;
      if ((how & kOTabMask) == kOTabSpaces) {
        for (u32 i = 0; i < width; ++i) put_line(' ');
        return;
      }
      break;
    }
    case '\b':
      if (column_ > 0) --column_;
      break;
    default:
      if (is_control(byte)) break;
      if ((how & kOLowerUpper) && byte >= 'a' && byte <= 'z') byte -= 'a' - 'A';
      if (!continues_character(byte)) ++column_;
  }
  put_line(byte);
}

}  // namespace narwhal
