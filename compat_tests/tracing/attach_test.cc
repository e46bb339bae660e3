// ptrace(2) of programs that run, or are stopped, already: PTRACE_ATTACH, PTRACE_SEIZE, and the way
// out of it.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/tracing/tracee.h"

namespace compat {
namespace {

TEST(PtraceAttach, Attach) {
  Tracee child([] { return pause(); }, false);
  ASSERT_OK(child.ask(PTRACE_ATTACH));
  EXPECT_EQ("stop STOP", child.wait());
  EXPECT_ERRNO(EPERM, child.ask(PTRACE_ATTACH)) << "only once";
  const std::string status = read_file("/proc/" + std::to_string(child.pid()) + "/status");
  EXPECT_NE(std::string::npos, status.find("TracerPid:\t" + std::to_string(getpid()) + "\n"));
  EXPECT_NE(std::string::npos, status.find("State:\tt (tracing stop)\n"));
  ASSERT_OK(child.ask(PTRACE_DETACH));
  EXPECT_ERRNO(ESRCH, child.ask(PTRACE_CONT));
  kill(child.pid(), SIGTERM);
  EXPECT_EQ("killed TERM", child.wait());
}

TEST(PtraceAttach, WhatIsStoppedAlreadyNeedsNoWait) {
  for (int i = 0; i < 10; ++i) {
    Tracee child([] { return raise(SIGSTOP); }, false);
    int status;
    ASSERT_EQ(child.pid(), waitpid(child.pid(), &status, WUNTRACED));
    ASSERT_OK(child.ask(PTRACE_ATTACH));
    user_regs_struct registers;
    EXPECT_OK(child.ask(PTRACE_GETREGS, 0, address_of(&registers)));
    EXPECT_EQ("stop STOP", child.wait());
    EXPECT_OK(child.ask(PTRACE_DETACH));
  }
}

TEST(PtraceAttach, DetachMayGiveASignal) {
  Tracee child([] { return pause(); }, false);
  ASSERT_OK(child.ask(PTRACE_ATTACH));
  child.wait();
  ASSERT_OK(child.ask(PTRACE_DETACH, 0, SIGUSR1));
  EXPECT_EQ("killed USR1", child.wait());
}

TEST(PtraceAttach, SeizeDoesNotStop) {
  Tracee child([] { return pause(); }, false);
  ASSERT_OK(child.ask(PTRACE_SEIZE, 0, PTRACE_O_TRACESYSGOOD));
  EXPECT_ERRNO(ESRCH, child.ask(PTRACE_CONT)) << "it runs";
  ASSERT_OK(child.ask(PTRACE_INTERRUPT));
  EXPECT_EQ("stop TRAP event 128", child.wait());
  ASSERT_OK(child.ask(PTRACE_CONT));
  kill(child.pid(), SIGUSR1);
  EXPECT_EQ("stop USR1", child.wait());
  EXPECT_EQ("killed USR1", child.go(PTRACE_CONT, SIGUSR1));
}

TEST(PtraceAttach, SeizedStopsAreListenedIn) {
  Tracee child([] { return pause(); }, false);
  ASSERT_OK(child.ask(PTRACE_SEIZE));
  kill(child.pid(), SIGSTOP);
  EXPECT_EQ("stop STOP", child.wait());
  EXPECT_EQ("stop STOP event 128", child.go(PTRACE_CONT, SIGSTOP));
  ASSERT_OK(child.ask(PTRACE_LISTEN));
  int status;
  EXPECT_EQ(0, waitpid(child.pid(), &status, __WALL | WNOHANG));
  kill(child.pid(), SIGCONT);
  EXPECT_EQ("stop TRAP event 128", child.wait());
  EXPECT_EQ("stop CONT", child.go());
}

TEST(PtraceAttach, SeizingWhatIsStoppedAlreadyNeedsNoWait) {
  for (int i = 0; i < 10; ++i) {
    Tracee child([] { return raise(SIGSTOP); }, false);
    int status;
    ASSERT_EQ(child.pid(), waitpid(child.pid(), &status, WUNTRACED));
    ASSERT_OK(child.ask(PTRACE_SEIZE));
    // As strace does with what it starts.
    ASSERT_OK(child.ask(PTRACE_INTERRUPT));
    kill(child.pid(), SIGCONT);
    ASSERT_EQ(child.pid(), waitpid(child.pid(), &status, __WALL | WNOHANG));
    EXPECT_EQ("stop STOP event 128", show(status));
    ASSERT_OK(child.ask(PTRACE_LISTEN));
    EXPECT_EQ("stop TRAP event 128", child.wait()) << "it was sent on before it was listened to";
    EXPECT_EQ("stop CONT", child.go());
    EXPECT_EQ("exit 0", child.go(PTRACE_CONT, SIGCONT));
  }
}

TEST(PtraceAttach, AnInterruptionOfAStopMakesAnother) {
  Tracee child([] { return pause(); }, false);
  ASSERT_OK(child.ask(PTRACE_SEIZE));
  ASSERT_OK(child.ask(PTRACE_INTERRUPT));
  EXPECT_EQ("stop TRAP event 128", child.wait());
  ASSERT_OK(child.ask(PTRACE_INTERRUPT));
  EXPECT_EQ("stop TRAP event 128", child.go());
  kill(child.pid(), SIGUSR1);
  ASSERT_OK(child.ask(PTRACE_INTERRUPT));
  EXPECT_EQ("stop TRAP event 128", child.go()) << "before the signal";
  EXPECT_EQ("stop USR1", child.go());
  ASSERT_OK(child.ask(PTRACE_INTERRUPT));
  EXPECT_EQ("stop TRAP event 128", child.go());
  kill(child.pid(), SIGSTOP);
  EXPECT_EQ("stop STOP", child.go());
  EXPECT_EQ("stop STOP event 128", child.go(PTRACE_CONT, SIGSTOP));
  ASSERT_OK(child.ask(PTRACE_INTERRUPT));
  EXPECT_EQ("stop STOP event 128", child.go()) << "the process is stopped still";
}

TEST(PtraceAttach, SeizedOnesTellOfSigcont) {
  Tracee child([] { return pause(); }, false);
  ASSERT_OK(child.ask(PTRACE_SEIZE));
  kill(child.pid(), SIGCONT);
  EXPECT_EQ("stop TRAP event 128", child.wait()) << "although it was not stopped";
  EXPECT_EQ("stop CONT", child.go());
  kill(child.pid(), SIGSTOP);
  EXPECT_EQ("stop STOP", child.go(PTRACE_CONT, SIGCONT));
  EXPECT_EQ("stop STOP event 128", child.go(PTRACE_CONT, SIGSTOP));
  kill(child.pid(), SIGCONT);
  EXPECT_EQ("stop TRAP event 128", child.go());
  EXPECT_EQ("stop CONT", child.go());
}

TEST(PtraceAttach, ListeningEndsWithAnInterruption) {
  Tracee child([] { return pause(); }, false);
  ASSERT_OK(child.ask(PTRACE_SEIZE));
  ASSERT_OK(child.ask(PTRACE_INTERRUPT));
  EXPECT_EQ("stop TRAP event 128", child.wait());
  ASSERT_OK(child.ask(PTRACE_LISTEN));
  int status;
  EXPECT_EQ(0, waitpid(child.pid(), &status, __WALL | WNOHANG));
  EXPECT_ERRNO(ESRCH, child.ask(PTRACE_CONT)) << "as if it ran";
  ASSERT_OK(child.ask(PTRACE_INTERRUPT));
  EXPECT_EQ("stop TRAP event 128", child.wait());
  kill(child.pid(), SIGSTOP);
  EXPECT_EQ("stop STOP", child.go());
  EXPECT_EQ("stop STOP event 128", child.go(PTRACE_CONT, SIGSTOP));
  ASSERT_OK(child.ask(PTRACE_LISTEN));
  ASSERT_OK(child.ask(PTRACE_INTERRUPT));
  EXPECT_EQ("stop STOP event 128", child.wait());
}

TEST(PtraceAttach, OnlySeizedOnesAreInterrupted) {
  Tracee child([] { return 5; });
  child.wait();
  EXPECT_ERRNO(EIO, child.ask(PTRACE_INTERRUPT));
  EXPECT_ERRNO(EIO, child.ask(PTRACE_LISTEN));
}

TEST(PtraceAttach, StrangersAreNotAsked) {
  Tracee child([] { return pause(); }, false);
  EXPECT_ERRNO(ESRCH, child.ask(PTRACE_CONT));
  EXPECT_ERRNO(ESRCH, ptrace(PTRACE_ATTACH, 0x3ffffff0, 0, 0));
  EXPECT_ERRNO(EPERM, ptrace(PTRACE_ATTACH, getpid(), 0, 0));
}

TEST(PtraceAttach, RequestsAreChecked) {
  Tracee child([] { return 5; });
  child.wait();
  EXPECT_ERRNO(EIO, child.ask(0x7777));
  EXPECT_ERRNO(EIO, child.ask(PTRACE_CONT, 0, 65));
  EXPECT_ERRNO(EINVAL, child.ask(PTRACE_SETOPTIONS, 0, 1 << 30));
}

TEST(PtraceAttach, TracersEndLetsGo) {
  Tracee child([] { return usleep(300000) == 0 ? 5 : 6; }, false);
  const pid_t tracer = fork();
  if (tracer == 0) {
    int status;
    const bool attached = ptrace(PTRACE_ATTACH, child.pid(), 0, 0) == 0 &&
                          waitpid(child.pid(), &status, __WALL) == child.pid() &&
                          ptrace(PTRACE_CONT, child.pid(), 0, 0) == 0;
    _exit(attached ? 0 : 1);
  }
  int status;
  ASSERT_EQ(tracer, waitpid(tracer, &status, 0));
  EXPECT_EQ("exit 0", show(status));
  EXPECT_EQ("exit 5", child.wait());
}

TEST(PtraceAttach, TracersEndMayKill) {
  Tracee child([] { return pause(); }, false);
  const pid_t tracer = fork();
  if (tracer == 0) _exit(ptrace(PTRACE_SEIZE, child.pid(), 0, PTRACE_O_EXITKILL) == 0 ? 0 : 1);
  int status;
  ASSERT_EQ(tracer, waitpid(tracer, &status, 0));
  EXPECT_EQ("killed KILL", child.wait());
}

}  // namespace
}  // namespace compat
