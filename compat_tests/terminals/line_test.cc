// The line discipline: termios(3).
#include "compat_tests/terminals/terminal.h"

namespace compat {
namespace {

class Line : public testing::Test {
 protected:
  // Types and expects what the screen shows.
  void expect_shown(std::string_view keys, const std::string& screen) const {
    pty.type(keys);
    EXPECT_EQ(screen, pty.shown(screen.size())) << "for " << keys;
  }
  void expect_printed(std::string_view text, const std::string& screen) const {
    pty.print(text);
    EXPECT_EQ(screen, pty.shown(screen.size()));
  }
  int readable_bytes() const {
    int count = -1;
    EXPECT_OK(ioctl(pty.slave(), FIONREAD, &count));
    return count;
  }
  Pty pty;
};

TEST_F(Line, EchoesAndGivesWholeLines) {
  expect_shown("hel", "hel");
  EXPECT_TRUE(stays_empty(pty.slave()));
  expect_shown("lo\n", "lo\r\n");
  EXPECT_EQ("hello\n", pty.line());
}

TEST_F(Line, ReadsOneLineAtATime) {
  pty.type("one\ntwo\n");
  EXPECT_EQ("one\n", pty.line());
  EXPECT_EQ("two\n", pty.line());
}

TEST_F(Line, ReadsALineInPieces) {
  pty.type("abcdef\n");
  EXPECT_EQ("abc", take_once(pty.slave(), 3));
  EXPECT_EQ("def", take_once(pty.slave(), 3));
  EXPECT_EQ("\n", pty.line());
}

TEST_F(Line, LongLinesKeepTheirEnd) {
  pty.local(0, ECHO);
  pty.type(std::string(5000, 'x') + "\n");
  const std::string line = pty.line();
  EXPECT_EQ(4096u, line.size());
  EXPECT_EQ('\n', line.back());
}

// --- carriage returns

TEST_F(Line, ReturnIsNewLine) {
  expect_shown("a\r", "a\r\n");
  EXPECT_EQ("a\n", pty.line());
}

TEST_F(Line, ReturnMayBeItself) {
  pty.input(0, ICRNL);
  expect_shown("a\rb\n", "a^Mb\r\n");
  EXPECT_EQ("a\rb\n", pty.line());
}

TEST_F(Line, ReturnMayBeIgnored) {
  pty.input(IGNCR, 0);
  expect_shown("a\rb\n", "ab\r\n");
  EXPECT_EQ("ab\n", pty.line());
}

TEST_F(Line, NewLineMayBeReturn) {
  pty.input(INLCR, ICRNL);
  pty.change([](termios& t) { t.c_cc[VEOL] = 'e'; });
  pty.type("a\ne");
  EXPECT_EQ("a\re", pty.line());
}

TEST_F(Line, EighthBitMayGo) {
  pty.input(ISTRIP, 0);
  pty.type("\xe1\n");
  EXPECT_EQ("a\n", pty.line());
}

TEST_F(Line, LettersMayBecomeSmall) {
  pty.input(IUCLC, 0);
  pty.type("ABc\n");
  EXPECT_EQ("abc\n", pty.line());
}

TEST_F(Line, MarkedParityDoublesTheLastByte) {
  pty.input(PARMRK, 0);
  pty.type("\xff\n");
  EXPECT_EQ("\xff\xff\n", pty.line());
}

// --- editing

TEST_F(Line, Erase) {
  expect_shown("abX\x7f", "abX\b \b");
  expect_shown("c\n", "c\r\n");
  EXPECT_EQ("abc\n", pty.line());
}

TEST_F(Line, EraseStopsAtTheBeginning) {
  expect_shown("a\x7f\x7f\x7f", "a\b \b");
  expect_shown("b\n", "b\r\n");
  EXPECT_EQ("b\n", pty.line());
}

TEST_F(Line, EraseDoesNotReachTheLineBefore) {
  pty.type(
      "a\n\x7f\x7f"
      "b\n");
  EXPECT_EQ("a\n", pty.line());
  EXPECT_EQ("b\n", pty.line());
}

TEST_F(Line, EraseMayBeShownAsAKey) {
  pty.local(0, ECHOE);
  expect_shown("ab\x7f", "ab^?");
}

TEST_F(Line, EraseMayBeShownBackwards) {
  pty.local(ECHOPRT, ECHOE);
  expect_shown("abc\x7f\x7f", "abc\\cb");
  expect_shown("d", "/d");
}

TEST_F(Line, EraseTakesControlCharactersWhole) {
  expect_shown("\x01\x7f", "^A\b \b\b \b");
}

TEST_F(Line, EraseTakesTabsWhole) {
  expect_shown("ab\t\x7f", "ab\t\b\b\b\b\b\b");
}

TEST_F(Line, EraseTakesCharactersWhole) {
  pty.input(IUTF8, 0);
  expect_shown("a\xc3\xa4\x7f", "a\xc3\xa4\b \b");
  pty.type("\n");
  EXPECT_EQ("a\n", pty.line());
}

TEST_F(Line, Kill) {
  expect_shown("abc\x15", "abc\b \b\b \b\b \b");
  pty.type("x\n");
  EXPECT_EQ("x\n", pty.line());
}

TEST_F(Line, KillMayStartANewLine) {
  pty.local(0, ECHOKE);
  expect_shown("abc\x15", "abc^U\r\n");
  pty.local(0, ECHOK);
  expect_shown("abc\x15x", "abc^Ux");
}

TEST_F(Line, WordErase) {
  expect_shown("one two  \x17", "one two  \b \b\b \b\b \b\b \b\b \b");
  pty.type("\n");
  EXPECT_EQ("one \n", pty.line());
}

TEST_F(Line, WordEraseNeedsExtensions) {
  pty.local(0, IEXTEN);
  expect_shown("a\x17\n", "a^W\r\n");
  EXPECT_EQ("a\x17\n", pty.line());
}

TEST_F(Line, LiteralNext) {
  expect_shown("a\x16", "a^\b");
  expect_shown("\x03", "^C");
  pty.type("\x16\x16\n");
  EXPECT_EQ("a\x03\x16\n", pty.line());
}

TEST_F(Line, Reprint) {
  expect_shown("abc\x12", "abc^R\r\nabc");
}

TEST_F(Line, ChosenKeysCount) {
  pty.change([](termios& t) { t.c_cc[VERASE] = '#'; });
  pty.type("ab#c\x7f\n");
  EXPECT_EQ("ac\x7f\n", pty.line());
}

TEST_F(Line, KeysCanBeSwitchedOff) {
  pty.change([](termios& t) { t.c_cc[VKILL] = _POSIX_VDISABLE; });
  pty.type("ab\x15\n");
  EXPECT_EQ("ab\x15\n", pty.line());
}

// --- ends

TEST_F(Line, EndOfFile) {
  pty.type("\x04");
  EXPECT_EQ("", pty.line());
  pty.type("ab\x04");
  EXPECT_EQ("ab", pty.line());
  pty.type("more\n");
  EXPECT_EQ("more\n", pty.line()) << "it is not for ever";
}

TEST_F(Line, EndOfFileIsNotShown) {
  expect_shown("a\x04z", "az");
}

TEST_F(Line, EndOfFileBehindAFullRead) {
  pty.type("abc\x04");
  EXPECT_EQ("abc", take_once(pty.slave(), 3));
  EXPECT_TRUE(stays_empty(pty.slave())) << "it was part of the line";
}

TEST_F(Line, OtherEnds) {
  pty.change([](termios& t) {
    t.c_cc[VEOL] = ';';
    t.c_cc[VEOL2] = '!';
  });
  pty.type("a;b!");
  EXPECT_EQ("a;", pty.line());
  EXPECT_EQ("b!", pty.line());
}

// --- echo

TEST_F(Line, WithoutEcho) {
  pty.local(0, ECHO);
  expect_shown("secret\n", "");
  EXPECT_EQ("secret\n", pty.line());
  EXPECT_TRUE(stays_empty(pty.master()));
}

TEST_F(Line, NewLineAloneMayBeEchoed) {
  pty.local(ECHONL, ECHO);
  expect_shown("secret\n", "\r\n");
}

TEST_F(Line, ControlCharactersMayBeEchoedAsTheyAre) {
  pty.local(0, ECHOCTL);
  expect_shown("\x01\x1b", "\x01\x1b");
}

TEST_F(Line, TabsAreEchoedAsTabs) {
  expect_shown("\t", "\t");
}

// --- output

TEST_F(Line, NewLinesGetReturns) {
  expect_printed("a\nb\n", "a\r\nb\r\n");
}

TEST_F(Line, OutputMayPassAsItIs) {
  pty.output(0, OPOST);
  expect_printed("a\n\t\r", "a\n\t\r");
}

TEST_F(Line, ReturnsMayBecomeNewLines) {
  pty.output(OCRNL, ONLCR);
  expect_printed("a\rb", "a\nb");
}

TEST_F(Line, ReturnsInTheFirstColumnMayGo) {
  pty.output(ONOCR, 0);
  expect_printed("\ra\r\rb", "a\rb");
}

TEST_F(Line, TabsMayBecomeBlanks) {
  pty.output(XTABS, 0);
  expect_printed("a\tb", "a       b");
}

TEST_F(Line, LettersMayBecomeLarge) {
  pty.output(OLCUC, 0);
  expect_printed("aB", "AB");
}

// --- flow

TEST_F(Line, StopHoldsOutput) {
  ASSERT_OK(fcntl(pty.slave(), F_SETFL, O_RDWR | O_NONBLOCK));
  pty.type("\x13");
  for (int i = 0; i < 200 && write(pty.slave(), "x", 1) == 1; ++i) usleep(1000);
  EXPECT_ERRNO(EAGAIN, write(pty.slave(), "y", 1));
  pollfd polled = {pty.slave(), POLLOUT, 0};
  EXPECT_EQ(0, poll(&polled, 1, 0));
  pty.type("\x11");
  EXPECT_EQ(1, poll(&polled, 1, kPatience));
  EXPECT_EQ(1, write(pty.slave(), "y", 1));
}

TEST_F(Line, AnyKeyMayStart) {
  pty.input(IXANY, 0);
  pty.local(0, ECHO);
  pollfd polled = {pty.slave(), POLLOUT, 0};
  pty.type("\x13");
  for (int i = 0; i < 200 && poll(&polled, 1, 0) == 1; ++i) usleep(1000);
  EXPECT_EQ(0, poll(&polled, 1, 0));
  pty.type("x");
  EXPECT_EQ(1, poll(&polled, 1, kPatience));
}

TEST_F(Line, KeysDoNotStartWhatTheProgramStopped) {
  pty.input(IXANY, 0);
  pty.local(0, ECHO);
  ASSERT_OK(tcflow(pty.slave(), TCOOFF));
  pty.type("\x11x");
  usleep(50000);
  pollfd polled = {pty.slave(), POLLOUT, 0};
  EXPECT_EQ(0, poll(&polled, 1, 0));
  ASSERT_OK(tcflow(pty.slave(), TCOON));
  EXPECT_EQ(1, poll(&polled, 1, 0));
}

TEST_F(Line, FlowKeysMayBeOrdinary) {
  pty.input(0, IXON);
  pty.type("\x13\x11\n");
  EXPECT_EQ("\x13\x11\n", pty.line());
}

TEST_F(Line, ProgramStopsAndStarts) {
  ASSERT_OK(tcflow(pty.slave(), TCOOFF));
  pollfd polled = {pty.slave(), POLLOUT, 0};
  EXPECT_EQ(0, poll(&polled, 1, 0));
  ASSERT_OK(tcflow(pty.slave(), TCOON));
  EXPECT_EQ(1, poll(&polled, 1, 0));
  ASSERT_OK(tcflow(pty.slave(), TCIOFF));
  EXPECT_EQ("\x13", pty.shown(1));
  ASSERT_OK(tcflow(pty.slave(), TCION));
  EXPECT_EQ("\x11", pty.shown(1));
  EXPECT_ERRNO(EINVAL, tcflow(pty.slave(), 9));
}

TEST_F(Line, FlushForgets) {
  pty.type("gone\n");
  ASSERT_TRUE(wait_readable(pty.slave()));
  ASSERT_OK(tcflush(pty.slave(), TCIFLUSH));
  EXPECT_TRUE(stays_empty(pty.slave()));
  EXPECT_ERRNO(EINVAL, tcflush(pty.slave(), 9));
  EXPECT_OK(tcdrain(pty.slave()));
  EXPECT_OK(tcsendbreak(pty.slave(), 0));
}

TEST_F(Line, SettingsMayFlush) {
  pty.type("gone\n");
  ASSERT_TRUE(wait_readable(pty.slave()));
  termios settings = pty.settings();
  ASSERT_OK(tcsetattr(pty.slave(), TCSAFLUSH, &settings));
  EXPECT_TRUE(stays_empty(pty.slave()));
}

TEST_F(Line, CountsWhatCanBeRead) {
  pty.type("ab\ncd");
  ASSERT_TRUE(wait_readable(pty.slave()));
  usleep(20000);
  EXPECT_EQ(3, readable_bytes());
  pty.raw(1, 0);
  EXPECT_EQ(5, readable_bytes());
}

TEST_F(Line, MasterCountsWhatItCanRead) {
  pty.print("four");
  ASSERT_TRUE(wait_readable(pty.master()));
  int count = -1;
  EXPECT_OK(ioctl(pty.master(), FIONREAD, &count));
  EXPECT_EQ(4, count);
  EXPECT_OK(ioctl(pty.slave(), TIOCOUTQ, &count));
  EXPECT_EQ(0, count);
}

// --- without lines

class Raw : public Line {
 protected:
  long elapsed_ms(const std::function<void()>& work) const {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begin)
        .count();
  }
  ssize_t read_some(size_t size = 100) const {
    std::string text(size, '\0');
    return read(pty.slave(), text.data(), size);
  }
};

TEST_F(Raw, GivesBytesAsTheyCome) {
  pty.raw(1, 0);
  pty.type("a");
  EXPECT_EQ("a", pty.line());
  pty.type("\x7f\x04\r");
  EXPECT_EQ("\x7f\x04\n", take(pty.slave(), 3)) << "only ICRNL is left";
}

TEST_F(Raw, MinimumZeroDoesNotWait) {
  pty.raw(0, 0);
  EXPECT_EQ(0, read_some());
}

TEST_F(Raw, MinimumZeroWithTimeWaitsSoLong) {
  pty.raw(0, 2);
  EXPECT_GE(elapsed_ms([&] { EXPECT_EQ(0, read_some()); }), 150);
}

TEST_F(Raw, MinimumIsWaitedFor) {
  pty.raw(3, 0);
  pty.type("ab");
  EXPECT_TRUE(stays_empty(pty.slave()));
  pty.type("c");
  EXPECT_EQ("abc", pty.line());
}

TEST_F(Raw, MinimumIsNotMoreThanTheRoom) {
  pty.raw(3, 0);
  pty.type("ab");
  EXPECT_EQ(2, read_some(2));
}

TEST_F(Raw, TimeRunsFromTheFirstByte) {
  pty.raw(5, 2);
  pty.type("ab");
  EXPECT_GE(elapsed_ms([&] { EXPECT_EQ(2, read_some()); }), 100);
}

TEST_F(Raw, NonBlockingTakesWhatThereIs) {
  pty.raw(3, 0);
  ASSERT_OK(fcntl(pty.slave(), F_SETFL, O_RDWR | O_NONBLOCK));
  EXPECT_ERRNO(EAGAIN, read_some());
  pty.type("ab");
  usleep(50000);
  EXPECT_EQ(2, read_some());
}

TEST_F(Raw, HalfALineIsThereAfterTheSwitch) {
  pty.type("half");
  EXPECT_EQ("half", pty.shown(4));
  pty.raw(1, 0);
  EXPECT_EQ("half", pty.line());
}

TEST_F(Raw, BytesAreALineAfterTheSwitchBack) {
  pty.raw(1, 0);
  pty.type("half");
  ASSERT_TRUE(wait_readable(pty.slave()));
  pty.local(ICANON, 0);
  EXPECT_EQ("half", pty.line());
}

TEST_F(Raw, EverythingPassesMadeRaw) {
  pty.change([](termios& t) { cfmakeraw(&t); });
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  pty.type(all);
  EXPECT_EQ(all, take(pty.slave(), all.size()));
  pty.print(all);
  EXPECT_EQ(all, pty.shown(all.size()));
}

TEST_F(Raw, MasterMayDoTheEditing) {
  pty.local(EXTPROC, 0);
  pty.type("a\x7f\x03");
  EXPECT_EQ("a\x7f\x03", take(pty.slave(), 3));
  EXPECT_TRUE(stays_empty(pty.master())) << "no echo";
}

TEST_F(Raw, SpeedAndSizeOfBytes) {
  pty.change([](termios& t) {
    cfsetspeed(&t, B9600);
    t.c_cflag = (t.c_cflag & ~static_cast<tcflag_t>(CSIZE)) | CS7 | PARENB;
  });
  const termios t = pty.settings();
  EXPECT_EQ(static_cast<speed_t>(B9600), cfgetospeed(&t));
  EXPECT_EQ(static_cast<tcflag_t>(CS8), t.c_cflag & (CSIZE | PARENB));
}

}  // namespace
}  // namespace compat
