// What was typed, and what Linux's terminals make of it.
#include "fs/tty/line_discipline.h"

#include <gtest/gtest.h>

#include <string>

namespace narwhal {
namespace {

class LineDisciplineTest : public ::testing::Test {
 protected:
  Signal type(std::string_view text) {
    Signal last = Signal::kNone;
    for (char c : text) last = tty_.receive(u8(c));
    return last;
  }
  // What appeared on the screen since the last look.
  std::string screen() {
    std::string text;
    while (!tty_.output().empty()) {
      auto front = tty_.output().front();
      text.append(reinterpret_cast<const char*>(front.data()), front.size());
      tty_.output().pop(front.size());
    }
    return text;
  }
  std::string read(usize size = 4096) {
    std::string text(size, '\0');
    text.resize(tty_.take(std::as_writable_bytes(std::span(text.data(), size))));
    return text;
  }
  void print(std::string_view text) {
    for (char c : text) tty_.put(u8(c));
  }
  void change(u32 abi::Termios::* field, u32 set, u32 clear = 0) {
    abi::Termios settings = tty_.settings();
    settings.*field = (settings.*field & ~clear) | set;
    tty_.set_settings(settings);
  }

  LineDiscipline tty_;
};

TEST_F(LineDisciplineTest, LinesAreReadWhenTheyEnd) {
  type("hello");
  EXPECT_FALSE(tty_.line_ready());
  EXPECT_EQ(tty_.bytes_readable(), 0u);
  type("\r");
  EXPECT_TRUE(tty_.line_ready());
  EXPECT_EQ(tty_.bytes_readable(), 6u);
  EXPECT_EQ(screen(), "hello\r\n");
  type("two\n");
  EXPECT_EQ(read(2), "he");
  EXPECT_EQ(read(), "llo\n");
  EXPECT_EQ(read(), "two\n");
  EXPECT_FALSE(tty_.line_ready());
}

TEST_F(LineDisciplineTest, EndOfFile) {
  type("\x04");
  EXPECT_TRUE(tty_.line_ready());
  EXPECT_EQ(read(), "");
  EXPECT_FALSE(tty_.line_ready());
  type("abc\x04");
  EXPECT_EQ(screen(), "abc") << "^D is not shown";
  EXPECT_EQ(tty_.bytes_readable(), 3u);
  EXPECT_EQ(read(), "abc");
  EXPECT_FALSE(tty_.line_ready());
  // It is used up by a read that it exactly ends.
  type("abc\x04");
  EXPECT_EQ(read(3), "abc");
  EXPECT_FALSE(tty_.line_ready());
}

TEST_F(LineDisciplineTest, Erasing) {
  type("ab\x7f");
  EXPECT_EQ(screen(), "ab\b \b");
  type("\x7f\x7f\x7f");
  EXPECT_EQ(screen(), "\b \b") << "not beyond the line's beginning";
  type("a\x01\x7f");
  EXPECT_EQ(screen(), "a^A\b \b\b \b") << "a control character takes two columns";
  type("\x15");
  EXPECT_EQ(screen(), "\b \b");
  type("one two_2  \x17");
  EXPECT_EQ(screen().substr(11), "\b \b\b \b\b \b\b \b\b \b\b \b\b \b");
  type("\n");
  EXPECT_EQ(read(), "one \n");
}

TEST_F(LineDisciplineTest, ErasingTabs) {
  print("> ");
  type("a\t\x7f");
  EXPECT_EQ(screen(), "> a\t\b\b\b\b\b") << "from column 8 back to column 3";
  type("\t\t\x7f");
  EXPECT_EQ(screen(), "\t\t\b\b\b\b\b\b\b\b");
}

TEST_F(LineDisciplineTest, ErasingUtf8) {
  type("\xc3\xa9\x7f");
  EXPECT_EQ(screen(), "\xc3\xa9\b \b");
  EXPECT_EQ(tty_.bytes_waiting(), 1u) << "without IUTF8 a byte is a character";
  type("\x7f");
  change(&abi::Termios::input, abi::kIUtf8);
  type("\xe2\x82\xac\x7f");
  EXPECT_EQ(tty_.bytes_waiting(), 0u);
}

TEST_F(LineDisciplineTest, OtherWaysToShowErasing) {
  change(&abi::Termios::local, 0, abi::kLEchoErase | abi::kLEchoKillErase);
  type("ab\x7f");
  EXPECT_EQ(screen(), "ab^?");
  type("\x15");
  EXPECT_EQ(screen(), "^U\r\n");
  change(&abi::Termios::local, abi::kLEchoPrint | abi::kLEchoErase);
  type("xy\x7f\x7fz\n");
  EXPECT_EQ(screen(), "xy\\yx/z\r\n");
  EXPECT_EQ(read(), "z\n");
}

TEST_F(LineDisciplineTest, Signals) {
  type("lost");
  EXPECT_EQ(type("\x03"), Signal::kInt);
  EXPECT_EQ(screen(), "^C") << "what was on its way is flushed, too";
  EXPECT_EQ(tty_.bytes_waiting(), 0u);
  EXPECT_EQ(type("\x1c"), Signal::kQuit);
  EXPECT_EQ(type("\x1a"), Signal::kTstp);
  change(&abi::Termios::local, abi::kLNoFlush);
  type("kept\x03\n");
  EXPECT_EQ(read(), "kept\n");
  change(&abi::Termios::local, 0, abi::kLSignals);
  EXPECT_EQ(type("\x03\n"), Signal::kNone);
  EXPECT_EQ(read(), "\x03\n");
}

TEST_F(LineDisciplineTest, LiteralNext) {
  EXPECT_EQ(type("\x16\x03"), Signal::kNone);
  EXPECT_EQ(screen(), "^\b^C");
  type("\x16\x04\n");
  EXPECT_EQ(read(), "\x03\x04\n");
}

TEST_F(LineDisciplineTest, Reprint) {
  type("half");
  screen();
  type("\x12");
  EXPECT_EQ(screen(), "^R\r\nhalf");
}

TEST_F(LineDisciplineTest, OutputCanBeStopped) {
  type("\x13");
  EXPECT_TRUE(tty_.stopped());
  type("\x11");
  EXPECT_FALSE(tty_.stopped());
  type("\x13x");
  EXPECT_TRUE(tty_.stopped());
  change(&abi::Termios::input, abi::kIXAny);
  type("y");
  EXPECT_FALSE(tty_.stopped());
  EXPECT_EQ(tty_.bytes_waiting(), 2u);
  type("\x13");
  change(&abi::Termios::input, 0, abi::kIXOn);
  EXPECT_FALSE(tty_.stopped());
}

TEST_F(LineDisciplineTest, Raw) {
  change(&abi::Termios::local, 0,
         abi::kLCanonical | abi::kLEcho | abi::kLSignals | abi::kLExtended);
  change(&abi::Termios::input, 0, abi::kICrNl | abi::kIXOn);
  change(&abi::Termios::output, 0, abi::kOPost);
  EXPECT_EQ(type("a\r\x03\x04\x7f\x13"), Signal::kNone);
  EXPECT_EQ(screen(), "");
  EXPECT_EQ(tty_.bytes_readable(), 6u);
  EXPECT_EQ(read(), "a\r\x03\x04\x7f\x13");
  print("x\ny\t");
  EXPECT_EQ(screen(), "x\ny\t");
}

TEST_F(LineDisciplineTest, ChangingTheModeKeepsWhatWasTyped) {
  type("half a line");
  change(&abi::Termios::local, 0, abi::kLCanonical);
  EXPECT_EQ(read(4), "half");
  change(&abi::Termios::local, abi::kLCanonical);
  EXPECT_TRUE(tty_.line_ready());
  EXPECT_EQ(read(), " a line");
  EXPECT_FALSE(tty_.line_ready());
}

TEST_F(LineDisciplineTest, Output) {
  print("a\nb\tc");
  EXPECT_EQ(screen(), "a\r\nb\tc");
  change(&abi::Termios::output, abi::kOTabSpaces);
  print("\nb\tc");
  EXPECT_EQ(screen(), "\r\nb       c");
  change(&abi::Termios::output, abi::kOLowerUpper | abi::kONoCr, abi::kONlCr);
  print("z\r\rz");
  EXPECT_EQ(screen(), "Z\rZ");
  change(&abi::Termios::output, abi::kOCrNl, abi::kOLowerUpper | abi::kONoCr);
  print("\r");
  EXPECT_EQ(screen(), "\n");
}

TEST_F(LineDisciplineTest, InputMappings) {
  change(&abi::Termios::input, abi::kINlCr, abi::kICrNl);
  change(&abi::Termios::local, 0, abi::kLCanonical);
  type("\n\r");
  EXPECT_EQ(read(), "\r\r");
  change(&abi::Termios::input, abi::kIgnoreCr | abi::kIStrip | abi::kIParityMark, abi::kINlCr);
  type("\r\xc1");
  EXPECT_EQ(read(), "A");
  change(&abi::Termios::input, 0, abi::kIStrip);
  type("\xff");
  EXPECT_EQ(read(), "\xff\xff");
}

TEST_F(LineDisciplineTest, LinesHaveALimit) {
  // As on Linux: 4095 bytes and the end of the line; what is too much overwrites the last one.
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(tty_.can_receive());
    tty_.receive(u8('a' + i % 26));
  }
  type("\n");
  const std::string line = read(10000);
  ASSERT_EQ(line.size(), 4096u);
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(line[4094], char('a' + 4999 % 26));
}

TEST_F(LineDisciplineTest, FullOfLinesItTakesNoMore) {
  usize taken = 0;
  while (tty_.can_receive()) {
    type("line\n");
    ++taken;
    ASSERT_LT(taken, 5000u);
  }
  for (usize i = 0; i < taken; ++i) ASSERT_EQ(read(), "line\n") << i;
  EXPECT_TRUE(tty_.can_receive());
}

TEST_F(LineDisciplineTest, EchoLeavesTheProgramsOutputAlone) {
  usize printed = 0;
  while (tty_.output_room() != 0) {
    print("x");
    ++printed;
  }
  for (int i = 0; i < 10000; ++i) type("e\x7f");
  const std::string all = screen();
  EXPECT_EQ(all.substr(0, printed), std::string(printed, 'x'));
  EXPECT_LE(all.size(), LineDiscipline::kOutputSize);
}

}  // namespace
}  // namespace narwhal
