// Sessions, controlling terminals and the foreground: credentials(7), ioctl_tty(2), tcsetpgrp(3).
#include "compat_tests/terminals/session.h"

namespace compat {
namespace {

// --- getting and losing a controlling terminal

TEST_F(Session, BeginsWithoutATerminal) {
  SessionChild child(pty, [&] {
    return open_tty() + ", " + outcome(tcgetpgrp(pty.slave())) + ", " +
           outcome(tcgetsid(pty.slave()));
  });
  EXPECT_EQ("ENXIO, ENOTTY, ENOTTY", child.report());
}

TEST_F(Session, LeaderGetsWhatItOpens) {
  EXPECT_EQ("ok, mine, mine", in_session([&] {
              return open_tty() + (tcgetsid(pty.slave()) == getpid() ? ", mine" : ", not mine") +
                     (tcgetpgrp(pty.slave()) == getpgrp() ? ", mine" : ", not mine");
            }));
}

TEST_F(Session, OpeningMayLeaveItAlone) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR | O_NOCTTY);
    return open_tty();
  });
  EXPECT_EQ("ENXIO", child.report());
}

TEST_F(Session, OpeningToWriteOnlyLeavesItAlone) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_WRONLY);
    return open_tty();
  });
  EXPECT_EQ("ENXIO", child.report());
}

TEST_F(Session, LeaderTakesOne) {
  SessionChild child(pty, [&] {
    std::string text = outcome(ioctl(pty.slave(), TIOCSCTTY, 0));
    text += ", " + open_tty();
    return text + ", again " + outcome(ioctl(pty.slave(), TIOCSCTTY, 0));
  });
  EXPECT_EQ("ok, ok, again ok", child.report());
}

TEST_F(Session, OnlyTheLeaderTakesOne) {
  SessionChild child(pty, [&] {
    const pid_t job = fork();
    if (job == 0) {
      const bool refused = ioctl(pty.slave(), TIOCSCTTY, 0) < 0 && errno == EPERM;
      _exit(refused ? 1 : 0);
    }
    return wait_for(job);
  });
  EXPECT_EQ("exit 1", child.report());
}

TEST_F(Session, HasOneTerminalOnly) {
  Pty other;
  EXPECT_EQ("EPERM", in_session([&] { return outcome(ioctl(other.slave(), TIOCSCTTY, 0)); }));
}

TEST_F(Session, TerminalHasOneSessionOnly) {
  EXPECT_EQ("EPERM, stolen ok", in_session([&] {
              SessionChild thief(pty, [&] {
                std::string text = outcome(ioctl(pty.slave(), TIOCSCTTY, 0));
                if (geteuid() != 0) return text + ", stolen ok";
                return text + ", stolen " + outcome(ioctl(pty.slave(), TIOCSCTTY, 1));
              });
              return thief.report();
            }));
}

TEST_F(Session, ChildrenShareIt) {
  EXPECT_EQ("exit 0", in_session([&] {
              const pid_t job = fork();
              if (job == 0) _exit(open_tty() == "ok" ? 0 : 1);
              return wait_for(job);
            }));
}

TEST_F(Session, NewSessionsLeaveIt) {
  EXPECT_EQ("exit 0", in_session([&] {
              const pid_t job = fork();
              if (job == 0) {
                setsid();
                _exit(open_tty() == "ENXIO" ? 0 : 1);
              }
              return wait_for(job);
            }));
}

TEST_F(Session, MembersGiveItUpForThemselves) {
  EXPECT_EQ("exit 0, still ok", in_session([&] {
              const pid_t job = fork();
              if (job == 0) {
                if (ioctl(pty.slave(), TIOCNOTTY) != 0) _exit(1);
                _exit(open_tty() == "ENXIO" ? 0 : 2);
              }
              return wait_for(job) + ", still " + open_tty();
            }));
}

TEST_F(Session, LeaderGivesItUpForAll) {
  EXPECT_EQ("ok CONT HUP ENXIO", in_session([&] {
              const sigset_t set = block({SIGHUP, SIGCONT});
              std::string text = outcome(ioctl(pty.slave(), TIOCNOTTY));
              sigset_t pending;
              sigpending(&pending);
              if (sigismember(&pending, SIGCONT) == 1) text += " CONT";
              text += " " + await_signals(set, SIGHUP);
              return text + " " + open_tty();
            }));
}

TEST_F(Session, GivingUpNeedsOne) {
  SessionChild child(pty, [&] { return outcome(ioctl(pty.slave(), TIOCNOTTY)); });
  EXPECT_EQ("ENOTTY", child.report());
}

TEST_F(Session, MasterSeesWhoseItIs) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    pty.print("ready");
    pause();
    return std::string();
  });
  EXPECT_EQ("ready", pty.shown(5));
  EXPECT_EQ(child.pid(), tcgetpgrp(pty.master()));
  EXPECT_EQ(child.pid(), tcgetsid(pty.master()));
  EXPECT_ERRNO(ENOTTY, tcgetpgrp(pty.slave())) << "the slave answers only its session";
}

TEST_F(Session, LooksLikeThisInProc) {
  EXPECT_EQ("same device, same group", in_session([&] {
              const std::string stat = read_file("/proc/self/stat");
              int tty = 0, group = 0;
              sscanf(stat.c_str() + stat.rfind(')') + 1, " %*c %*d %*d %*d %d %d", &tty, &group);
              unsigned device = 0;
              ioctl(pty.slave(), 0x80045432 /* TIOCGDEV */, &device);
              return std::string(static_cast<unsigned>(tty) == device ? "same" : "other") +
                     " device, " + (group == getpgrp() ? "same" : "other") + " group";
            }));
}

// --- the foreground

TEST_F(Session, ForegroundIsChosen) {
  EXPECT_EQ("ok, the job's", in_session([&] {
              const pid_t job = start_job([] { return pause(); });
              std::string text = outcome(tcsetpgrp(pty.slave(), job));
              text += tcgetpgrp(pty.slave()) == job ? ", the job's" : ", another's";
              kill(job, SIGKILL);
              wait_for(job);
              return text;
            }));
}

TEST_F(Session, ForegroundIsAGroupOfTheSession) {
  EXPECT_EQ("EPERM, ESRCH, EINVAL", in_session([&] {
              const pid_t stranger = getppid();  // leads or belongs to another session's group
              std::string text = outcome(tcsetpgrp(pty.slave(), getpgid(stranger)));
              text += ", " + outcome(tcsetpgrp(pty.slave(), 0x3ffffff0));
              return text + ", " + outcome(tcsetpgrp(pty.slave(), -1));
            }));
}

TEST_F(Session, KeysAreSignalsToTheForeground) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    const sigset_t set = block({SIGINT, SIGQUIT, SIGTSTP});
    pty.print("ready");
    std::string text = await_signals(set, SIGINT);
    pty.print("ready");
    text += " " + await_signals(set, SIGQUIT);
    pty.print("ready");
    return text + " " + await_signals(set, SIGTSTP);
  });
  EXPECT_EQ("ready", pty.shown(5));
  // The signal goes out before the echo, so that what it leads to may be shown first.
  for (const auto& [key, echo] : {std::pair("\x03", "^C"), std::pair("\x1c", "^\\")}) {
    pty.type(key);
    const std::string shown = pty.shown(7), one = std::string(echo) + "ready";
    EXPECT_TRUE(shown == one || shown == std::string("ready") + echo) << shown;
  }
  pty.type("\x1a");
  EXPECT_EQ("^Z", pty.shown(2));
  EXPECT_EQ("INT QUIT TSTP", child.report());
}

TEST_F(Session, OnlyTheForegroundGetsThem) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    const pid_t job = start_job([] { return pause(); });
    tcsetpgrp(tty, job);
    const char ready[] = "ready";
    if (write(tty, ready, 5) != 5) return error_name(errno);
    return wait_for(job);
  });
  EXPECT_EQ("ready", pty.shown(5));
  pty.type("\x03");
  EXPECT_EQ("killed INT", child.report()) << "and the leader lives to tell";
}

TEST_F(Session, SignalKeysForgetTheLine) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    const sigset_t set = block({SIGINT});
    pty.print("ready");
    await_signals(set, SIGINT);
    return take_once(tty);
  });
  EXPECT_EQ("ready", pty.shown(5));
  pty.type("forgotten\x03kept\n");
  EXPECT_EQ("kept\n", child.report());
}

TEST_F(Session, SignalKeysMayKeepTheLine) {
  pty.local(NOFLSH, 0);
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    const sigset_t set = block({SIGINT});
    pty.print("ready");
    await_signals(set, SIGINT);
    return take_once(tty);
  });
  EXPECT_EQ("ready", pty.shown(5));
  pty.type("both\x03kept\n");
  EXPECT_EQ("bothkept\n", child.report());
}

TEST_F(Session, SignalKeysMayBeOrdinary) {
  pty.local(0, ISIG);
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    return take_once(tty);
  });
  pty.type("a\x03\x1a\n");
  EXPECT_EQ("a\x03\x1a\n", child.report());
}

TEST_F(Session, MasterSendsSignals) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    const sigset_t set = block({SIGQUIT});
    pty.print("ready");
    return await_signals(set, SIGQUIT);
  });
  EXPECT_EQ("ready", pty.shown(5));
  EXPECT_ERRNO(EINVAL, ioctl(pty.master(), TIOCSIG, SIGKILL));
  EXPECT_OK(ioctl(pty.master(), TIOCSIG, SIGQUIT));
  EXPECT_EQ("QUIT", child.report());
}

TEST_F(Session, NewSizesAreTold) {
  SessionChild child(pty, [&] {
    Fd tty = pty.open_slave(O_RDWR);
    const sigset_t set = block({SIGWINCH, SIGINT});
    pty.print("ready");
    std::string text = await_signals(set, SIGWINCH);
    winsize size = {};
    ioctl(tty, TIOCGWINSZ, &size);
    text += " " + std::to_string(size.ws_row) + "x" + std::to_string(size.ws_col);
    pty.print("again");
    return text + " " + await_signals(set, SIGINT);
  });
  EXPECT_EQ("ready", pty.shown(5));
  const winsize size = {33, 99, 0, 0};
  ASSERT_OK(ioctl(pty.master(), TIOCSWINSZ, &size));
  EXPECT_EQ("again", pty.shown(5));
  ASSERT_OK(ioctl(pty.master(), TIOCSWINSZ, &size));
  pty.type("\x03");
  EXPECT_EQ("WINCH 33x99 INT", child.report()) << "the same size again is no news";
}

}  // namespace
}  // namespace compat
