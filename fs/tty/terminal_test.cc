#include "fs/tty/terminal.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>

#include "fs/tty/host_stream.h"
#include "fs/tty/job_control.h"
#include "kernel/abi/ioctl.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/platform/user.h"

namespace narwhal {
namespace {

class FakePort final : public ConsolePort {
 public:
  std::string_view name() const override { return "fake"; }
  Result<usize> read(std::span<std::byte> to) override {
    if (typed.empty()) return closed ? Result<usize>(usize{0}) : Result<usize>(Errno::kAgain);
    const usize size = std::min(to.size(), typed.size());
    std::memcpy(to.data(), typed.data(), size);
    typed.erase(0, size);
    return size;
  }
  Result<usize> write(std::span<const std::byte> from) override {
    if (hung_up) return Errno::kPipe;
    const usize size = std::min(from.size(), room);
    if (size == 0 && !from.empty()) return Errno::kAgain;
    shown.append(reinterpret_cast<const char*>(from.data()), size);
    room -= size;
    return size;
  }
  PollEvents poll() override {
    PollEvents events = room != 0 ? kPollWritable : PollEvents::kNone;
    if (!typed.empty()) events |= kPollReadable;
    if (closed) events |= kPollReadable | PollEvents::kHup;
    return events;
  }
  void drain(u64) override {}

  std::string typed, shown;
  usize room = ~usize{0};
  bool closed = false;
  bool hung_up = false;
};

// The processes of a session: who asks, and what was sent to whom.
struct Jobs {
  u32 process = 1, group = 1, session = 1;
  bool ignores = false;
  bool left = false;                                  // gave the terminal up for itself
  std::map<u32, u32> groups{{1, 1}, {2, 1}, {9, 9}};  // group -> session
  std::vector<std::pair<u32, Signal>> sent;
  std::string sent_text() const {
    std::string text;
    for (auto [group, signal] : sent)
      text += std::to_string(group) + ":" + std::to_string(int(signal)) + " ";
    return text;
  }
};
Jobs jobs;

class TerminalTest : public ::testing::Test {
 protected:
  static constexpr UserAddr kUser{0x100000};

  void SetUp() override {
    static bool started = false;
    if (!started) frames_init();
    started = true;
    jobs = Jobs();
    JobControl control;
    control.current_process = [] { return jobs.process; };
    control.current_group = [] { return jobs.group; };
    control.current_session = [] { return jobs.session; };
    control.signal_process = [](u32 process, Signal signal) {
      jobs.sent.emplace_back(process, signal);
    };
    control.current_left_terminal = [] { return jobs.left; };
    control.current_leaves_terminal = [] { jobs.left = true; };
    control.signal_group = [](u32 group, Signal signal) { jobs.sent.emplace_back(group, signal); };
    control.current_ignores = [](Signal) { return jobs.ignores; };
    control.group_is_orphaned = [](u32) { return false; };
    control.session_of_group = [](u32 group) {
      auto found = jobs.groups.find(group);
      return found == jobs.groups.end() ? 0 : found->second;
    };
    set_job_control(control);
    port_ = make_ref<FakePort>().take();
    tty_ = make_ref<Terminal>(port_, port_).take();
    ASSERT_TRUE(tty_->set_session(1, 1).ok());
  }
  void TearDown() override {
    jobs = Jobs();
    for (u32 session : {1u, 5u, 9u}) Terminal::session_leader_ended(session);
    set_job_control({});
  }

  std::string read(usize size = 1000, bool waits = true) {
    std::string text(size, '\0');
    IoBuffer to{std::as_writable_bytes(std::span<char>(text))};
    auto moved = tty_->read(to, waits);
    if (!moved.ok()) return std::string(errno_name(moved.error()));
    return text.substr(0, moved.value());
  }
  Result<usize> write(std::string_view text) {
    IoBuffer from{std::as_bytes(std::span<const char>(text))};
    return tty_->write(from);
  }
  std::string shown() { return std::exchange(port_->shown, ""); }
  template <typename T>
  Result<i64> control(u32 command, T& value) {
    std::memcpy(user_.data(), &value, sizeof value);
    auto result = tty_->ioctl(command, kUser);
    std::memcpy(&value, user_.data(), sizeof value);
    return result;
  }
  void set_local(u32 set, u32 clear, int minimum = -1, int time = -1) {
    abi::Termios settings;
    ASSERT_TRUE(control(abi::kTcGets, settings).ok());
    settings.local = (settings.local & ~clear) | set;
    if (minimum >= 0) settings.characters[abi::kVMin] = u8(minimum);
    if (time >= 0) settings.characters[abi::kVTime] = u8(time);
    ASSERT_TRUE(control(abi::kTcSets, settings).ok());
  }

  fake::UserMemory user_{kUser, 4096};
  Ref<FakePort> port_;
  Ref<Terminal> tty_;
};

TEST_F(TerminalTest, LinesComeAndGo) {
  EXPECT_EQ(read(), "EAGAIN");
  port_->typed = "hello\r";
  EXPECT_EQ(tty_->poll(), kPollReadable | kPollWritable);
  EXPECT_EQ(read(), "hello\n");
  EXPECT_EQ(write("answer\n").value(), 7u);
  EXPECT_EQ(shown(), "hello\r\nanswer\r\n");
  EXPECT_EQ(tty_->poll(), kPollWritable);
}

TEST_F(TerminalTest, TheHostsEndIsTheEnd) {
  port_->typed = "last";
  port_->closed = true;
  EXPECT_EQ(read(), "last");
  EXPECT_EQ(read(), "");
  EXPECT_EQ(tty_->poll(), kPollReadable | PollEvents::kHup | kPollWritable);
}

TEST_F(TerminalTest, ASlowHostLosesNothing) {
  port_->room = 10;
  std::string sent, got;
  for (int i = 0; i < 3000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    usize done = 0;
    while (done < line.size()) {
      auto moved = write(std::string_view(line).substr(done));
      if (moved.ok()) {
        done += moved.value();
        continue;
      }
      ASSERT_EQ(moved.error(), Errno::kAgain);
      EXPECT_FALSE(has(tty_->poll(), PollEvents::kOut));
      got += shown();
      port_->room = 1000;
      EXPECT_TRUE(tty_->service());
    }
    sent += line.substr(0, line.size() - 1) + "\r\n";
  }
  port_->room = ~usize{0};
  tty_->drain(0);
  EXPECT_EQ(got + shown(), sent);
}

TEST_F(TerminalTest, SignalsReachTheForeground) {
  port_->typed = "x\x03";
  EXPECT_TRUE(tty_->service());
  EXPECT_EQ(jobs.sent_text(), "1:2 ");
  jobs.sent.clear();
  i32 group = 2;
  EXPECT_TRUE(control(abi::kTiocSpgrp, group).ok());
  group = 0;
  EXPECT_TRUE(control(abi::kTiocGpgrp, group).ok());
  EXPECT_EQ(group, 2);
  jobs.group = 2;
  port_->typed = "\x1a";
  tty_->service();
  EXPECT_EQ(jobs.sent_text(), "2:20 ");
}

TEST_F(TerminalTest, TheForegroundIsChosenWithRules) {
  i32 group = 9;
  EXPECT_EQ(control(abi::kTiocSpgrp, group).error(), Errno::kPerm) << "of another session";
  group = 77;
  EXPECT_EQ(control(abi::kTiocSpgrp, group).error(), Errno::kSrch);
  group = -1;
  EXPECT_EQ(control(abi::kTiocSpgrp, group).error(), Errno::kInval);
  jobs.session = 9;
  group = 1;
  EXPECT_EQ(control(abi::kTiocSpgrp, group).error(), Errno::kNotTty);
  EXPECT_EQ(control(abi::kTiocGpgrp, group).error(), Errno::kNotTty);
  EXPECT_EQ(control(abi::kTiocGetSession, group).error(), Errno::kNotTty);
}

TEST_F(TerminalTest, TheBackgroundMustWait) {
  jobs.group = 2;
  port_->typed = "line\n";
  EXPECT_EQ(read(), "ERESTARTSYS");
  EXPECT_EQ(jobs.sent_text(), "2:21 ");
  jobs.ignores = true;
  EXPECT_EQ(read(), "EIO");
  EXPECT_TRUE(write("still allowed").ok());
  jobs.sent.clear();
  jobs.ignores = false;
  jobs.group = 1;
  set_local(abi::kLStopBackground, 0);
  jobs.group = 2;
  EXPECT_EQ(write("no").error(), Errno::kRestartSys);
  EXPECT_EQ(jobs.sent_text(), "2:22 ");
  abi::Termios settings;
  EXPECT_TRUE(control(abi::kTcGets, settings).ok());
  EXPECT_EQ(control(abi::kTcSets, settings).error(), Errno::kRestartSys);
}

TEST_F(TerminalTest, SessionsTakeAndGiveUp) {
  EXPECT_EQ(tty_->ioctl(abi::kTiocSctty, UserAddr()).value(), 0) << "it is theirs already";
  EXPECT_EQ(tty_->set_session(5, 5).error(), Errno::kPerm);
  EXPECT_EQ(tty_->ioctl(abi::kTiocNoTty, UserAddr()).value(), 0);
  EXPECT_EQ(jobs.sent_text(), "1:1 1:18 ");
  EXPECT_EQ(tty_->session(), 0u);
  jobs.process = 3;  // no leader
  EXPECT_EQ(tty_->ioctl(abi::kTiocSctty, UserAddr()).error(), Errno::kPerm);
  tty_->opened_by_current();
  EXPECT_EQ(tty_->session(), 0u);
  jobs.process = jobs.session = jobs.group = 9;
  tty_->opened_by_current();
  EXPECT_EQ(tty_->session(), 9u);
}

TEST_F(TerminalTest, SessionsEnd) {
  EXPECT_EQ(Terminal::of_session(1), tty_);
  EXPECT_EQ(Terminal::of_session(2), nullptr);
  Terminal::session_leader_ended(1);
  EXPECT_EQ(jobs.sent_text(), "1:1 ") << "SIGHUP to the foreground";
  EXPECT_EQ(Terminal::of_session(1), nullptr);
  EXPECT_EQ(tty_->ioctl(abi::kTiocSctty, UserAddr()).value(), 0);
  EXPECT_EQ(tty_->session(), 1u);
}

TEST_F(TerminalTest, MembersGiveTheTerminalUpForThemselves) {
  jobs.process = 3;
  EXPECT_EQ(tty_->ioctl(abi::kTiocNoTty, UserAddr()).value(), 0);
  EXPECT_TRUE(jobs.left);
  EXPECT_EQ(tty_->ioctl(abi::kTiocNoTty, UserAddr()).error(), Errno::kNotTty);
  EXPECT_EQ(tty_->session(), 1u);
}

TEST_F(TerminalTest, HangingUp) {
  port_->typed = "left over";
  tty_->service();
  const u32 before = tty_->hangups();
  jobs.groups[2] = 1;
  i32 group = 2;
  EXPECT_TRUE(control(abi::kTiocSpgrp, group).ok());
  tty_->hang_up();
  EXPECT_NE(tty_->hangups(), before);
  EXPECT_EQ(jobs.sent_text(), "1:1 1:18 ") << "SIGHUP and SIGCONT to the leader alone";
  EXPECT_EQ(tty_->session(), 0u);
  EXPECT_EQ(Terminal::of_session(1), nullptr);
  jobs.sent.clear();
  // The leader dies of it: then what was the foreground hears, too.
  Terminal::session_leader_ended(1);
  EXPECT_EQ(jobs.sent_text(), "2:1 2:18 ");
}

TEST_F(TerminalTest, AnotherSessionTakesWhatHungUp) {
  tty_->hang_up();
  jobs.process = jobs.session = jobs.group = 9;
  EXPECT_EQ(tty_->ioctl(abi::kTiocSctty, UserAddr()).value(), 0);
  EXPECT_EQ(tty_->session(), 9u);
  jobs.sent.clear();
  Terminal::session_leader_ended(1);
  EXPECT_EQ(jobs.sent_text(), "") << "it is no business of theirs any more";
}

TEST_F(TerminalTest, StealingNeedsTheRight) {
  jobs.process = jobs.session = jobs.group = 9;
  EXPECT_EQ(tty_->ioctl(abi::kTiocSctty, UserAddr(0)).error(), Errno::kPerm);
  EXPECT_EQ(tty_->ioctl(abi::kTiocSctty, UserAddr(1)).value(), 0);
  EXPECT_EQ(Terminal::of_session(1), nullptr);
}

TEST_F(TerminalTest, Window) {
  abi::WindowSize size{24, 80, 0, 0};
  EXPECT_TRUE(control(abi::kTiocSwinsz, size).ok());
  EXPECT_EQ(jobs.sent_text(), "1:28 ");
  tty_->set_window_size({24, 80, 0, 0});
  EXPECT_EQ(jobs.sent.size(), 1u) << "nothing changed";
  tty_->set_window_size({25, 100, 0, 0});
  EXPECT_EQ(jobs.sent.size(), 2u);
  EXPECT_TRUE(control(abi::kTiocGwinsz, size).ok());
  EXPECT_EQ(size.rows, 25);
  EXPECT_EQ(size.columns, 100);
}

TEST_F(TerminalTest, MinimumAndTime) {
  const auto raw = [this](int minimum, int time) {
    set_local(0, abi::kLCanonical | abi::kLEcho, minimum, time);
  };
  raw(0, 0);
  EXPECT_EQ(read(), "") << "a look without waiting";
  raw(3, 0);
  port_->typed = "ab";
  EXPECT_EQ(read(), "EAGAIN");
  EXPECT_FALSE(has(tty_->poll(), PollEvents::kIn));
  EXPECT_EQ(read(2), "ab") << "no more is wanted than there is room for";
  port_->typed = "ab";
  EXPECT_EQ(read(10, false), "ab") << "O_NONBLOCK takes what there is";
  EXPECT_EQ(read(10, false), "EAGAIN");
  raw(0, 5);
  EXPECT_EQ(read(), "EAGAIN");
  EXPECT_EQ(fake::timer_deadline(), platform::monotonic_ns() + 500'000'000);
  fake::advance_time(400'000'000);
  EXPECT_EQ(read(), "EAGAIN");
  fake::advance_time(100'000'000);
  EXPECT_EQ(read(), "");
  raw(3, 1);
  EXPECT_EQ(read(), "EAGAIN");
  fake::advance_time(1'000'000'000);
  EXPECT_EQ(read(), "EAGAIN") << "time only counts from the first byte on";
  port_->typed = "z";
  EXPECT_EQ(read(), "EAGAIN");
  fake::advance_time(100'000'000);
  EXPECT_EQ(read(), "z");
}

TEST_F(TerminalTest, QueuesCanBeCountedAndFlushed) {
  port_->typed = "waiting\nnext";
  i32 count = 0;
  EXPECT_TRUE(control(abi::kFionRead, count).ok());
  EXPECT_EQ(count, 8);
  EXPECT_EQ(tty_->ioctl(abi::kTcFlush, UserAddr(0)).value(), 0);
  EXPECT_EQ(read(), "EAGAIN");
  shown();
  port_->room = 0;
  EXPECT_TRUE(write("stuck").ok());
  EXPECT_TRUE(control(abi::kTiocOutq, count).ok());
  EXPECT_EQ(count, 5);
  EXPECT_EQ(tty_->ioctl(abi::kTcFlush, UserAddr(1)).value(), 0);
  port_->room = 100;
  tty_->service();
  EXPECT_EQ(shown(), "");
  EXPECT_EQ(tty_->ioctl(abi::kTcFlush, UserAddr(7)).error(), Errno::kInval);
  EXPECT_EQ(tty_->ioctl(abi::kTcFlow, UserAddr(0)).value(), 0);
  EXPECT_TRUE(write("held").ok());
  EXPECT_EQ(shown(), "");
  EXPECT_EQ(tty_->ioctl(abi::kTcFlow, UserAddr(1)).value(), 0);
  EXPECT_EQ(shown(), "held");
}

TEST_F(TerminalTest, Settings) {
  abi::Termios settings;
  EXPECT_TRUE(control(abi::kTcGets, settings).ok());
  EXPECT_EQ(settings.input, 0x500u);
  EXPECT_EQ(settings.output, 0x5u);
  EXPECT_EQ(settings.control, 0xbfu);
  EXPECT_EQ(settings.local, 0x8a3bu);
  port_->typed = "gone\n";
  EXPECT_TRUE(control(abi::kTcSetsf, settings).ok());
  EXPECT_EQ(read(), "EAGAIN");
  EXPECT_EQ(tty_->ioctl(abi::kTcGets, UserAddr(8)).error(), Errno::kFault);
  EXPECT_EQ(tty_->ioctl(0x1234, UserAddr(8)).error(), Errno::kNotTty);
  abi::Termios2 more;
  EXPECT_TRUE(control(abi::kTcGets2, more).ok());
  EXPECT_EQ(more.base.local, 0x8a3bu);
  EXPECT_EQ(more.output_speed, 38400u);
}

// --- streams that are no terminals

TEST_F(TerminalTest, HostStreamsArePipes) {
  auto in = open_host_stream(port_, OpenFlags::kReadOnly).take();
  abi::Stat status;
  EXPECT_TRUE(in->stat(status).ok());
  EXPECT_EQ(status.mode & kFileTypeMask, u32(FileType::kFifo));
  EXPECT_EQ(in->ioctl(abi::kTcGets, kUser).error(), Errno::kNotTty);
  EXPECT_EQ(in->seek(0, 0).error(), Errno::kSPipe);
  EXPECT_EQ(in->poll(), PollEvents::kNone);
  char text[100];
  IoBuffer to{std::span<std::byte>(std::as_writable_bytes(std::span(text)))};
  EXPECT_EQ(in->read(to).error(), Errno::kAgain);
  port_->typed = "piped";
  EXPECT_EQ(in->poll(), kPollReadable);
  EXPECT_EQ(in->ioctl(abi::kFionRead, kUser).value(), 0);
  EXPECT_EQ(user_.data()[0], std::byte(5));
  EXPECT_EQ(in->read(to).value(), 5u);
  port_->closed = true;
  EXPECT_EQ(in->poll(), PollEvents::kHup);
  EXPECT_EQ(in->read(to).value(), 0u);
}

TEST_F(TerminalTest, HostStreamsTakeWhatTheHostTakes) {
  auto out = open_host_stream(port_, OpenFlags::kWriteOnly).take();
  const std::string text(2000, 'x');
  IoBuffer from{std::as_bytes(std::span(text))};
  port_->room = 700;
  EXPECT_EQ(out->write(from).value(), 700u);
  EXPECT_EQ(out->write(from).error(), Errno::kAgain);
  EXPECT_EQ(out->poll(), PollEvents::kNone);
  port_->room = 5000;
  EXPECT_EQ(out->poll(), kPollWritable);
  EXPECT_EQ(out->write(from).value(), 1300u);
  EXPECT_EQ(port_->shown, text);
  // Up to the byte that can't be read.
  port_->shown.clear();
  IoBuffer broken{UserBuffer{kUser + 4000, 1000}};
  EXPECT_EQ(out->write(broken).value(), 96u);
  EXPECT_EQ(out->write(broken).error(), Errno::kFault);
}

TEST_F(TerminalTest, HostStreamsLeaveWhatIsNotAskedFor) {
  auto in = open_host_stream(port_, OpenFlags::kReadOnly).take();
  port_->typed = std::string(40'000, 'x') + "end";
  char text[40'000];
  IoBuffer few{std::span<std::byte>(std::as_writable_bytes(std::span(text).first(3)))};
  EXPECT_EQ(in->read(few).value(), 3u);
  EXPECT_EQ(port_->typed.size(), 40'000u);
  IoBuffer many{std::span<std::byte>(std::as_writable_bytes(std::span(text)))};
  EXPECT_EQ(in->read(many).value(), 40'000u);
  EXPECT_TRUE(port_->typed.empty());
}

TEST_F(TerminalTest, HostStreamsKeepWhatTheySawWhenTheyAreWritten) {
  auto in = open_host_stream(port_, OpenFlags::kReadOnly).take();
  auto both = in->reopen(OpenFlags::kReadWrite).take();
  port_->typed = "typed";
  EXPECT_EQ(both->poll(), kPollReadable | kPollWritable);  // has looked ahead
  IoBuffer from{std::as_bytes(std::span<const char>("shown", 5))};
  EXPECT_EQ(both->write(from).value(), 5u);
  char text[5];
  IoBuffer to{std::span<std::byte>(std::as_writable_bytes(std::span(text)))};
  EXPECT_EQ(in->read(to).value(), 5u);
  EXPECT_EQ(std::string(text, 5), "typed");
}

TEST_F(TerminalTest, HostStreamsTellErrors) {
  auto out = open_host_stream(port_, OpenFlags::kWriteOnly).take();
  const std::string text(40'000, 'x');
  IoBuffer from{std::as_bytes(std::span(text))};
  EXPECT_EQ(out->write(from).value(), 40'000u);
  EXPECT_EQ(port_->shown, text);
  port_->hung_up = true;
  IoBuffer again{std::as_bytes(std::span(text))};
  EXPECT_EQ(out->write(again).error(), Errno::kPipe);
}

TEST_F(TerminalTest, OutputToWhatHungUpIsLost) {
  port_->hung_up = true;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(write("a line of a long text\n").value(), 22u);
}

}  // namespace
}  // namespace narwhal
