// What jobs in the background may not do, and how sessions and terminals end.
#include "compat_tests/terminals/session.h"

namespace compat {
namespace {

// --- the background

TEST_F(Session, BackgroundStopsWhenItReads) {
  EXPECT_EQ("stopped TTIN", in_session([&] {
              const pid_t job = start_job([&] {
                char byte;
                return read(pty.slave(), &byte, 1) == 1 ? 0 : 1;
              });
              const std::string text = wait_for(job);
              kill(job, SIGKILL);
              wait_for(job);
              return text;
            }));
}

TEST_F(Session, BackgroundGoesOnInTheForeground) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    signal(SIGTTOU, SIG_IGN);
    const pid_t job = start_job([&] {
      char byte;
      return read(pty.slave(), &byte, 1) == 1 ? byte : 1;
    });
    std::string text = wait_for(job);
    tcsetpgrp(tty, job);
    kill(-job, SIGCONT);
    pty.print("ready");
    return text + ", " + wait_for(job);
  });
  EXPECT_EQ("ready", pty.shown(5));
  pty.type("A\n");
  EXPECT_EQ("stopped TTIN, exit 65", child.report());
}

TEST_F(Session, BackgroundThatIgnoresMayNotRead) {
  EXPECT_EQ("exit 1, exit 1", in_session([&] {
              const auto refused = [&] {
                char byte;
                return read(pty.slave(), &byte, 1) < 0 && errno == EIO ? 1 : 0;
              };
              const pid_t ignoring = start_job([&] {
                signal(SIGTTIN, SIG_IGN);
                return refused();
              });
              std::string text = wait_for(ignoring);
              const pid_t blocking = start_job([&] {
                block({SIGTTIN});
                return refused();
              });
              return text + ", " + wait_for(blocking);
            }));
}

TEST_F(Session, BackgroundMayWrite) {
  EXPECT_EQ("exit 0", in_session([&] {
              return wait_for(start_job([&] { return write(pty.slave(), "x", 1) == 1 ? 0 : 1; }));
            }));
}

TEST_F(Session, BackgroundMayBeStoppedWhenItWrites) {
  pty.local(TOSTOP, 0);
  EXPECT_EQ("stopped TTOU", in_session([&] {
              const pid_t job = start_job([&] { return write(pty.slave(), "x", 1) == 1 ? 0 : 1; });
              const std::string text = wait_for(job);
              kill(job, SIGKILL);
              wait_for(job);
              return text;
            }));
}

TEST_F(Session, BackgroundThatIgnoresMayWrite) {
  pty.local(TOSTOP, 0);
  EXPECT_EQ("exit 0", in_session([&] {
              return wait_for(start_job([&] {
                signal(SIGTTOU, SIG_IGN);
                return write(pty.slave(), "x", 1) == 1 ? 0 : 1;
              }));
            }));
}

TEST_F(Session, BackgroundStopsWhenItChangesSettings) {
  EXPECT_EQ("stopped TTOU", in_session([&] {
              const pid_t job = start_job([&] {
                const termios settings = pty.settings();
                return tcsetattr(pty.slave(), TCSANOW, &settings);
              });
              const std::string text = wait_for(job);
              kill(job, SIGKILL);
              wait_for(job);
              return text;
            }));
}

TEST_F(Session, BackgroundStopsWhenItTakesTheForeground) {
  EXPECT_EQ("stopped TTOU", in_session([&] {
              const pid_t job = start_job([&] { return tcsetpgrp(pty.slave(), getpgrp()); });
              const std::string text = wait_for(job);
              kill(job, SIGKILL);
              wait_for(job);
              return text;
            }));
}

TEST_F(Session, OrphansMayNotRead) {
  // The middle process ends, so that nobody could continue the group of the last.
  EXPECT_EQ("EIO", in_session([&] {
              int ends[2];
              if (pipe(ends) != 0) return error_name(errno);
              const pid_t middle = start_job([&] {
                const pid_t middle_pid = getpid();
                if (fork() == 0) {
                  while (getppid() == middle_pid) usleep(1000);
                  char byte;
                  const std::string text = outcome(read(pty.slave(), &byte, 1));
                  _exit(write(ends[1], text.data(), text.size()) > 0 ? 0 : 1);
                }
                return 0;
              });
              wait_for(middle);
              close(ends[1]);
              return take_once(ends[0]);
            }));
}

// --- the end

TEST_F(Session, LeaderIsToldOfTheHangUp) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    const sigset_t set = block({SIGHUP, SIGCONT});
    pty.print("ready");
    std::string text = await_signals(set, SIGHUP);
    char byte;
    text += read(tty, &byte, 1) == 0 ? ", end" : ", no end";
    return text + ", " + open_tty();
  });
  EXPECT_EQ("ready", pty.shown(5));
  pty.close_master();
  EXPECT_EQ("HUP, end, ENXIO", child.report().substr(0, 15));
}

TEST_F(Session, HangUpKillsTheLeader) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    pty.print("ready");
    pause();
    return std::string();
  });
  EXPECT_EQ("ready", pty.shown(5));
  pty.close_master();
  const pid_t pid = child.pid();
  siginfo_t info = {};
  ASSERT_OK(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT));
  EXPECT_EQ(CLD_KILLED, info.si_code);
  EXPECT_EQ(SIGHUP, info.si_status);
}

TEST_F(Session, ForegroundIsToldOfTheLeadersEnd) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    signal(SIGTTOU, SIG_IGN);
    int ready[2];
    if (pipe(ready) != 0) return error_name(errno);
    const pid_t job = start_job([&] {
      const sigset_t set = block({SIGHUP});
      if (write(ready[1], "x", 1) != 1) return 1;
      const std::string text = await_signals(set, SIGHUP) + " " + open_tty();
      return write(ends[1], text.data(), text.size()) > 0 ? 0 : 1;
    });
    tcsetpgrp(tty, job);
    return take(ready[0], 1);
  });
  EXPECT_EQ("x", child.report());
  EXPECT_EQ("HUP ENXIO", take_once(ends[0]));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Session, ForegroundIsToldWhenTheLeaderDiesOfTheHangUp) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    const pid_t job = start_job([&] {
      const sigset_t set = block({SIGHUP});
      while (tcgetpgrp(pty.slave()) != getpgrp()) usleep(1000);
      pty.print("ready");
      const std::string text = await_signals(set, SIGHUP);
      return write(ends[1], text.data(), text.size()) > 0 ? 0 : 1;
    });
    tcsetpgrp(tty, job);
    pause();
    return std::string();
  });
  EXPECT_EQ("ready", pty.shown(5));
  pty.close_master();
  EXPECT_EQ("HUP", take_once(ends[0]));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Session, TerminalIsFreeAfterTheLeadersEnd) {
  EXPECT_EQ("ok", in_session([] { return open_tty(); }));
  EXPECT_EQ("ok", in_session([] { return open_tty(); })) << "for the next session";
}

TEST_F(Session, ProgramHangsUpItsTerminal) {
  if (geteuid() != 0) GTEST_SKIP() << "needs CAP_SYS_TTY_CONFIG";
  EXPECT_EQ("ok, HUP, end, EIO", in_session([&] {
              const sigset_t set = block({SIGHUP});
              std::string text = outcome(vhangup());
              text += ", " + await_signals(set, SIGHUP);
              char byte;
              text += read(pty.slave(), &byte, 1) == 0 ? ", end" : ", no end";
              return text + ", " + outcome(write(pty.slave(), "x", 1));
            }));
}

}  // namespace
}  // namespace compat
