// Pairs of pseudo-terminals: pty(7), ptmx(4), ioctl_tty(2).
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "compat_tests/terminals/terminal.h"

namespace compat {
namespace {

int number_of(int master) {
  unsigned number = ~0u;
  return ioctl(master, TIOCGPTN, &number) == 0 ? static_cast<int>(number) : -1;
}

int get(int fd, unsigned long command) {
  int value = -1;
  return ioctl(fd, command, &value) == 0 ? value : -1;
}

int set(int fd, unsigned long command, int value) {
  return ioctl(fd, command, &value);
}

short events(int fd) {
  pollfd polled = {fd, POLLIN | POLLOUT | POLLPRI, 0};
  poll(&polled, 1, 0);
  return polled.revents;
}

class Pair : public testing::Test {
 protected:
  Pty pty;
};

TEST(Master, BeginsLocked) {
  Fd master(posix_openpt(O_RDWR | O_NOCTTY));
  ASSERT_OK(master);
  EXPECT_EQ(1, get(master, TIOCGPTLCK));
  const std::string name = "/dev/pts/" + std::to_string(number_of(master));
  EXPECT_ERRNO(EIO, open(name.c_str(), O_RDWR | O_NOCTTY));
  EXPECT_OK(grantpt(master));
  EXPECT_OK(unlockpt(master));
  EXPECT_EQ(0, get(master, TIOCGPTLCK));
  EXPECT_OK(Fd(open(name.c_str(), O_RDWR | O_NOCTTY)));
}

TEST(Master, CanBeLockedAgain) {
  Pty pty;
  EXPECT_OK(set(pty.master(), TIOCSPTLCK, 1));
  EXPECT_ERRNO(EIO, open(pty.name().c_str(), O_RDWR | O_NOCTTY));
}

TEST(Master, WaitsForItsSlave) {
  Fd master(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
  char byte;
  EXPECT_ERRNO(EAGAIN, read(master, &byte, 1));
  EXPECT_EQ(POLLOUT, events(master));
  EXPECT_EQ(5, write(master, "early", 5));
}

TEST(Master, KeysComeBeforeTheSlaveIsOpen) {
  Fd master(posix_openpt(O_RDWR | O_NOCTTY));
  unlockpt(master);
  EXPECT_EQ(6, write(master, "early\n", 6));
  Fd slave(open(ptsname(master), O_RDWR | O_NOCTTY));
  EXPECT_EQ("early\n", take_once(slave));
}

TEST(Master, NumbersAreTheLowestFree) {
  Pty first;
  auto second = std::make_unique<Pty>();
  Pty third;
  const int number = number_of(second->master());
  second.reset();
  Fd again(posix_openpt(O_RDWR | O_NOCTTY));
  EXPECT_GE(number, number_of(again));
}

TEST(Master, NameGoesWithIt) {
  std::string name;
  {
    Pty pty;
    name = pty.name();
    EXPECT_OK(access(name.c_str(), F_OK));
  }
  EXPECT_ERRNO(ENOENT, access(name.c_str(), F_OK));
}

TEST_F(Pair, SlaveIsACharacterDevice) {
  struct stat slave, master;
  ASSERT_OK(fstat(pty.slave(), &slave));
  ASSERT_OK(fstat(pty.master(), &master));
  EXPECT_TRUE(S_ISCHR(slave.st_mode));
  EXPECT_EQ(136u, major(slave.st_rdev));
  EXPECT_EQ(static_cast<unsigned>(number_of(pty.master())), minor(slave.st_rdev));
  EXPECT_EQ(geteuid(), slave.st_uid);
  EXPECT_EQ(0u, slave.st_mode & 0117);
  EXPECT_EQ(makedev(5, 2), master.st_rdev);
  EXPECT_EQ(slave.st_rdev, static_cast<dev_t>(get(pty.slave(), 0x80045432))) << "TIOCGDEV";
}

TEST_F(Pair, SlaveHasANameOfItsOwn) {
  char name[64];
  ASSERT_EQ(0, ttyname_r(pty.slave(), name, sizeof name));
  EXPECT_EQ(pty.name(), name);
  EXPECT_EQ(1, isatty(pty.slave()));
  EXPECT_EQ(1, isatty(pty.master()));
}

TEST_F(Pair, SlaveBelongsToItsOwner) {
  ASSERT_OK(chmod(pty.name().c_str(), 0640));
  struct stat status;
  ASSERT_OK(fstat(pty.slave(), &status));
  EXPECT_EQ(0640u, status.st_mode & 07777);
}

TEST(Devpts, SaysWhatItIs) {
  struct statfs status;
  ASSERT_OK(statfs("/dev/pts", &status));
  EXPECT_EQ(0x1cd1, status.f_type);
  EXPECT_ERRNO(EPERM, mkdir("/dev/pts/x", 0755));
  EXPECT_ERRNO(EACCES, open("/dev/pts/x", O_CREAT | O_RDWR, 0644));
  EXPECT_ERRNO(ENOENT, open("/dev/pts/00", O_RDWR));
}

TEST_F(Pair, PeerIsOpenedFromTheMaster) {
  Fd peer(ioctl(pty.master(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_OK(peer);
  EXPECT_EQ(FD_CLOEXEC, fcntl(peer, F_GETFD));
  EXPECT_EQ(O_RDWR, fcntl(peer, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
  EXPECT_EQ(2, write(peer, "hi", 2));
  EXPECT_EQ("hi", pty.shown(2));
  EXPECT_ERRNO(EIO, ioctl(pty.slave(), TIOCGPTPEER, O_RDWR));
  EXPECT_OK(set(pty.master(), TIOCSPTLCK, 1));
  EXPECT_ERRNO(EIO, ioctl(pty.master(), TIOCGPTPEER, O_RDWR));
}

TEST_F(Pair, MastersCommandsAreNotTheSlaves) {
  int value = 0;
  for (const unsigned long command : {TIOCGPTN, TIOCSPTLCK, TIOCGPTLCK, TIOCGPKT}) {
    EXPECT_ERRNO(ENOTTY, ioctl(pty.slave(), command, &value));
  }
  EXPECT_ERRNO(ENOTTY, ioctl(pty.slave(), TIOCPKT, &value));
}

TEST_F(Pair, SettingsAreOfTheSlave) {
  pty.local(0, ECHO);
  termios settings;
  ASSERT_OK(tcgetattr(pty.master(), &settings));
  EXPECT_EQ(0u, settings.c_lflag & ECHO);
  settings.c_lflag |= ECHO;
  ASSERT_OK(tcsetattr(pty.master(), TCSANOW, &settings));
  EXPECT_NE(0u, pty.settings().c_lflag & ECHO);
}

// The form of System V, which has room for the first eight keys and half of the flags.
TEST_F(Pair, OldSettings) {
  struct OldForm {
    unsigned short input, output, control, local;
    unsigned char line, characters[8], padding;
  } old{};
  termios settings;
  ASSERT_OK(tcgetattr(pty.slave(), &settings));
  ASSERT_OK(ioctl(pty.slave(), TCGETA, &old));
  EXPECT_EQ(settings.c_lflag & 0xffff, old.local);
  EXPECT_EQ(settings.c_cc[VINTR], old.characters[VINTR]);
  old.local = static_cast<unsigned short>(old.local & ~ECHO);
  old.characters[VINTR] = 7;
  ASSERT_OK(ioctl(pty.slave(), TCSETA, &old));
  termios after;
  ASSERT_OK(tcgetattr(pty.slave(), &after));
  EXPECT_EQ(settings.c_lflag & ~tcflag_t(ECHO), after.c_lflag);
  EXPECT_EQ(7, after.c_cc[VINTR]);
  EXPECT_EQ(settings.c_cc[VEOL2], after.c_cc[VEOL2]);
  EXPECT_ERRNO(EFAULT, ioctl(pty.slave(), TCGETA, bad_pointer<OldForm>()));
}

TEST_F(Pair, SettingsAtFirst) {
  const termios t = pty.settings();
  EXPECT_EQ(static_cast<tcflag_t>(ICRNL | IXON), t.c_iflag);
  EXPECT_EQ(static_cast<tcflag_t>(OPOST | ONLCR), t.c_oflag);
  EXPECT_EQ(static_cast<tcflag_t>(B38400 | CS8 | CREAD), t.c_cflag);
  EXPECT_EQ(static_cast<tcflag_t>(ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN),
            t.c_lflag);
  EXPECT_EQ(std::string("\x03\x1c\x7f\x15\x04\0\1\0\x11\x13\x1a\0\x12\x0f\x17\x16\0", 17),
            std::string(reinterpret_cast<const char*>(t.c_cc), 17));
  EXPECT_EQ(static_cast<speed_t>(B38400), cfgetospeed(&t));
}

TEST_F(Pair, SizeIsShared) {
  winsize size = {40, 100, 1, 2};
  ASSERT_OK(ioctl(pty.master(), TIOCSWINSZ, &size));
  size = {};
  ASSERT_OK(ioctl(pty.slave(), TIOCGWINSZ, &size));
  EXPECT_EQ(40, size.ws_row);
  EXPECT_EQ(100, size.ws_col);
  size = {10, 20, 0, 0};
  ASSERT_OK(ioctl(pty.slave(), TIOCSWINSZ, &size));
  ASSERT_OK(ioctl(pty.master(), TIOCGWINSZ, &size));
  EXPECT_EQ(10, size.ws_row);
}

TEST_F(Pair, HasNoPosition) {
  EXPECT_ERRNO(ESPIPE, lseek(pty.master(), 0, SEEK_SET));
  EXPECT_ERRNO(ESPIPE, lseek(pty.slave(), 0, SEEK_SET));
  char byte;
  EXPECT_ERRNO(ESPIPE, pread(pty.slave(), &byte, 1, 0));
}

TEST_F(Pair, PollTellsWhatIsThere) {
  EXPECT_EQ(POLLOUT, events(pty.master()));
  EXPECT_EQ(POLLOUT, events(pty.slave()));
  pty.print("x");
  EXPECT_TRUE(wait_readable(pty.master()));
  EXPECT_EQ(POLLIN | POLLOUT, events(pty.master()));
  pty.type("x");
  EXPECT_TRUE(stays_empty(pty.slave())) << "no line yet";
  pty.type("\n");
  EXPECT_TRUE(wait_readable(pty.slave()));
}

TEST_F(Pair, BothSidesFillUp) {
  pty.raw(1, 0);
  for (const int fd : {pty.slave(), pty.master()}) {
    ASSERT_OK(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK));
    // Linux makes room again a little later, as long as bytes can be passed on.
    ssize_t total = 0;
    const std::string chunk(1000, 'x');
    for (int refused = 0; refused < 20;) {
      const ssize_t count = write(fd, chunk.data(), chunk.size());
      if (count > 0) {
        total += count;
        refused = 0;
        continue;
      }
      ASSERT_EQ(EAGAIN, errno);
      ++refused;
      usleep(2000);
    }
    EXPECT_GE(total, 4095);
    EXPECT_EQ(0, events(fd) & POLLOUT);
  }
  take(pty.master(), 4096);
}

TEST_F(Pair, FullOutputWaits) {
  const std::string text = pattern(100000);
  pty.output(0, OPOST);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(write(pty.slave(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0
                                                                                            : 1);
  }
  EXPECT_TRUE(text == pty.shown(text.size()));
  EXPECT_EQ("exit 0", wait_for(child));
}

// --- the other side leaves

TEST_F(Pair, MasterSeesTheSlaveLeave) {
  pty.print("last");
  pty.close_slave();
  EXPECT_EQ("last", take_once(pty.master()));
  EXPECT_EQ(POLLHUP, events(pty.master()) & (POLLHUP | POLLIN));
  char byte;
  EXPECT_ERRNO(EIO, read(pty.master(), &byte, 1));
}

TEST_F(Pair, SlaveMayComeBack) {
  pty.close_slave();
  EXPECT_EQ(3, write(pty.master(), "hi\n", 3)) << "nobody is there, but the terminal is";
  Fd slave = pty.open_slave();
  ASSERT_OK(slave);
  EXPECT_EQ("hi\n", take_once(slave));
  EXPECT_EQ(0, events(pty.master()) & POLLHUP);
  EXPECT_EQ("hi\r\n", pty.shown(4));
}

TEST_F(Pair, SlaveHangsUpWithTheMaster) {
  const std::string name = pty.name();
  Fd other = pty.open_slave();
  pty.close_master();
  char byte;
  for (const int fd : {pty.slave(), static_cast<int>(other)}) {
    EXPECT_EQ(0, read(fd, &byte, 1));
    EXPECT_ERRNO(EIO, write(fd, "x", 1));
    EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP, events(fd) & ~POLLPRI);
    termios settings;
    EXPECT_ERRNO(EIO, tcgetattr(fd, &settings));
    EXPECT_ERRNO(ENOTTY, tcsetpgrp(fd, getpgrp()));
  }
  EXPECT_ERRNO(ENOENT, open(name.c_str(), O_RDWR | O_NOCTTY));
}

TEST_F(Pair, WhoWaitsGetsAnError) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    pty.close_master();
    char byte;
    const ssize_t count = read(pty.slave(), &byte, 1);
    _exit(count < 0 && errno == EIO ? 0 : 1);
  }
  usleep(200000);
  pty.close_master();
  EXPECT_EQ("exit 0", wait_for(child));
}

TEST_F(Pair, WritingAfterTheMasterIsAnErrorWithoutSignal) {
  pty.close_master();
  EXPECT_ERRNO(EIO, write(pty.slave(), "x", 1)) << "and no SIGPIPE";
}

// --- packet mode

class Packet : public Pair {
 protected:
  Packet() {
    EXPECT_OK(set(pty.master(), TIOCPKT, 1));
    fcntl(pty.master(), F_SETFL, O_RDWR | O_NONBLOCK);
  }
  std::string packet() { return take_once(pty.master()); }
};

TEST_F(Packet, DataHasAZeroBefore) {
  EXPECT_EQ(1, get(pty.master(), TIOCGPKT));
  pty.print("data");
  EXPECT_EQ(std::string("\0data", 5), packet());
}

TEST_F(Packet, StopAndStart) {
  pty.type("\x13");
  EXPECT_TRUE(wait_readable(pty.master()));
  EXPECT_EQ(POLLIN | POLLPRI, events(pty.master()) & (POLLIN | POLLPRI));
  EXPECT_EQ("\x04", packet());
  pty.type("\x11");
  EXPECT_EQ("\x08", packet());
}

TEST_F(Packet, Flushes) {
  EXPECT_OK(tcflush(pty.slave(), TCIFLUSH));
  EXPECT_EQ("\x01", packet());
  EXPECT_OK(tcflush(pty.slave(), TCOFLUSH));
  EXPECT_EQ("\x02", packet());
  EXPECT_OK(tcflush(pty.slave(), TCIOFLUSH));
  EXPECT_EQ("\x03", packet());
}

TEST_F(Packet, KeysOfFlowControl) {
  pty.input(0, IXON);
  EXPECT_EQ("\x10", packet());
  pty.input(IXON, 0);
  EXPECT_EQ(" ", packet());
  pty.change([](termios& t) { t.c_cc[VSTOP] = 'x'; });
  EXPECT_EQ("\x10", packet());
}

TEST_F(Packet, Interrupt) {
  pty.type("q");
  EXPECT_EQ(std::string("\0q", 2), packet());
  pty.type("\x03");
  EXPECT_EQ("\x03", packet());
  EXPECT_EQ(std::string("\0^C", 3), packet());
}

TEST_F(Packet, CanEnd) {
  EXPECT_OK(set(pty.master(), TIOCPKT, 0));
  EXPECT_EQ(0, get(pty.master(), TIOCGPKT));
  pty.print("data");
  EXPECT_EQ("data", packet());
}

TEST_F(Packet, SlaveLeaves) {
  pty.close_slave();
  char byte;
  EXPECT_ERRNO(EIO, read(pty.master(), &byte, 1));
}

}  // namespace
}  // namespace compat
