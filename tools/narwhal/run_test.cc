// The command as a whole, against a stand-in for QEMU: streams, signals, exit status, and what the
// user reads when it does not work.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/base/files.h"
#include "tools/base/test_root.h"
#include "tools/base/unique_fd.h"
#include "tools/elf/elf_builder.h"

namespace narwhal::tools {
namespace {

constexpr char kCommand[] = "tools/narwhal/narwhal";
constexpr char kStandIn[] = "tools/narwhal/stand_in_qemu";

struct Result {
  int status = -1;
  std::string output;
  std::string errors;
};

class Child {
 public:
  explicit Child(const std::vector<std::string>& words) {
    int in[2], out[2], error[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(error, O_CLOEXEC), 0);
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      dup2(error[1], 2);
      execv(argv[0], argv.data());
      _exit(99);
    }
    input_.reset(in[1]);
    output_.reset(out[0]);
    errors_.reset(error[0]);
    close(in[0]);
    close(out[1]);
    close(error[1]);
  }

  void send(int signal) const { kill(pid_, signal); }
  void write(std::string_view text) const { write_all(input_.get(), text); }
  void close_output() { output_.reset(); }

  // From then on it takes care of the signal itself.
  void wait_until_blocks(int signal) const {
    const std::string status = fmt::format("/proc/{}/status", pid_);
    for (int i = 0; i < 2000; ++i) {
      const std::string text = read_file(status).value_or("");
      const size_t blocked = text.find("SigBlk:\t");
      if (blocked != std::string::npos &&
          strtoull(text.c_str() + blocked + 8, nullptr, 16) >> (signal - 1) & 1)
        return;
      usleep(10000);
    }
    ADD_FAILURE() << "signal " << signal << " is not blocked";
  }

  // Reads output until this was seen.
  void wait_for(const std::string& text) {
    while (result_.output.find(text) == std::string::npos && read_some()) {
    }
  }

  Result finish() {
    input_.reset();
    while (read_some()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    result_.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return result_;
  }

 private:
  bool read_some() {
    pollfd polled[] = {{output_.get(), POLLIN, 0}, {errors_.get(), POLLIN, 0}};
    if (!output_ && !errors_) return false;
    poll(polled, 2, -1);
    take(polled[0], output_, result_.output);
    take(polled[1], errors_, result_.errors);
    return true;
  }
  static void take(const pollfd& polled, UniqueFd& fd, std::string& text) {
    if (polled.revents == 0) return;
    char bytes[65536];
    const ssize_t got = read(fd.get(), bytes, sizeof bytes);
    if (got > 0) text.append(bytes, static_cast<size_t>(got));
    if (got <= 0) fd.reset();
  }

  pid_t pid_ = -1;
  UniqueFd input_;
  UniqueFd output_;
  UniqueFd errors_;
  Result result_;
};

class RunTest : public testing::Test {
 protected:
  RunTest() {
    ElfBuilder elf;
    elf.type = ET_EXEC;
    root.file("/program", elf.build(), 0755);
    root.file("/kernel", elf.build(), 0644);
  }

  std::vector<std::string> words(const std::vector<std::string>& options,
                                 const std::vector<std::string>& program) const {
    std::vector<std::string> all = {kCommand, "run",     "--kernel", root.path("/kernel"), "--qemu",
                                    kStandIn, "--accel", "tcg",      "--platform",         "vm"};
    all.insert(all.end(), options.begin(), options.end());
    all.push_back(root.path("/program"));
    all.insert(all.end(), program.begin(), program.end());
    return all;
  }
  Child start(const std::vector<std::string>& program) const { return Child(words({}, program)); }
  Result run(const std::vector<std::string>& program,
             const std::vector<std::string>& options = {}) const {
    return Child(words(options, program)).finish();
  }
  // The text that an option's failure gives, which is one line.
  std::string failure(const std::vector<std::string>& options) const {
    const Result result = run({"speak"}, options);
    EXPECT_EQ(result.status, 125);
    EXPECT_EQ(result.output, "");
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
    return result.errors;
  }

  TestRoot root;
};

TEST_F(RunTest, PassesStreamsAndStatus) {
  const Result result = run({"speak", "7"});
  EXPECT_EQ(result.status, 7);
  EXPECT_EQ(result.output, "to stdout\n");
  EXPECT_EQ(result.errors, "to stderr\n");
}

TEST_F(RunTest, PassesInputToItsEnd) {
  Child child = start({"cat", "3"});
  child.write("line\n");
  child.wait_for("line\n");
  child.write(std::string(100000, 'y'));
  const Result result = child.finish();
  EXPECT_EQ(result.output, "line\n" + std::string(100000, 'y'));
  EXPECT_EQ(result.status, 3);
}

TEST_F(RunTest, LosesNoOutputWhenTheMachineEnds) {
  const Result result = run({"flood", "3000000"});
  EXPECT_EQ(result.output.size(), 3000000u);
  EXPECT_EQ(result.status, 0);
}

TEST_F(RunTest, ForwardsSignals) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    Child child = start({"signal"});
    child.wait_for("ready\n");
    child.send(signal);
    EXPECT_EQ(child.finish().status, 128 + signal);
  }
}

TEST_F(RunTest, ReportsADeathBySignal) {
  const Result result = run({"die", "11"});
  EXPECT_EQ(result.status, 139);
  EXPECT_EQ(result.errors, "");  // a shell says it, on a terminal
}

TEST_F(RunTest, TwoSignalsAtOnceAreOne) {
  // timeout(1) sends its signal to the child and to the group that the child is in.
  Child child = start({"slow"});
  child.wait_for("ready\n");
  child.send(SIGTERM);
  usleep(20000);
  child.send(SIGTERM);
  const Result result = child.finish();
  EXPECT_EQ(result.status, 143);
  EXPECT_EQ(result.errors, "");
}

TEST_F(RunTest, TwoInterruptsSwitchADeafGuestOff) {
  Child child = start({"deaf"});
  child.wait_for("ready\n");
  child.send(SIGINT);
  usleep(500000);
  child.send(SIGINT);
  const Result result = child.finish();
  EXPECT_EQ(result.status, 130);
  EXPECT_NE(result.errors.find("did not react"), std::string::npos) << result.errors;
}

// On a terminal: starts, waits for "ready", types, and returns what the terminal showed and the
// status.
std::pair<std::string, int> run_on_terminal(const std::vector<std::string>& words,
                                            const std::vector<std::string>& keys) {
  int master = -1;
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = forkpty(&master, nullptr, nullptr, nullptr);
  if (pid == 0) {
    execv(argv[0], argv.data());
    _exit(99);
  }
  std::string shown;
  bool typed = false;
  char bytes[4096];
  ssize_t got;
  while ((got = read(master, bytes, sizeof bytes)) > 0) {
    shown.append(bytes, static_cast<size_t>(got));
    if (typed || shown.find("ready") == std::string::npos) continue;
    typed = true;
    for (const std::string& key : keys) {
      write_all(master, key);
      usleep(100000);
    }
  }
  close(master);
  int status = 0;
  waitpid(pid, &status, 0);
  return {shown, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)};
}

TEST_F(RunTest, KeysReachTheGuestsTerminalAsTheyAre) {
  // No echo, no line editing, no signal here: all of that is the guest's.
  const auto [shown, status] = run_on_terminal(words({}, {"keys"}), {"xxx", "\x03"});
  EXPECT_EQ(status, 3);
  EXPECT_EQ(shown.find('x', shown.find("ready")), std::string::npos) << shown;
  EXPECT_EQ(run_on_terminal(words({}, {"keys"}), {"\r"}).second, '\r');
}

TEST_F(RunTest, AFewInterruptKeysAreTheGuestsEvenIfItSaysNothing) {
  const std::string c = "\x03";
  EXPECT_EQ(run_on_terminal(words({}, {"quiet"}), {c, c, c, c, "q"}).second, 'q');
}

TEST_F(RunTest, ProgressIsShownAndErased) {
  const std::string shown = run_on_terminal(words({}, {"keys"}), {"q"}).first;
  const size_t progress = shown.find("narwhal: starting ");
  const size_t erased = shown.find("\r\x1b[K", progress + 1);
  EXPECT_NE(progress, std::string::npos) << shown;
  EXPECT_LT(erased, shown.find("ready")) << shown;
}

TEST_F(RunTest, FiveInterruptKeysSwitchADeafGuestOff) {
  const std::string c = "\x03";
  const auto [shown, status] = run_on_terminal(words({}, {"deaf"}), {c, c, c, c, c});
  EXPECT_EQ(status, 130);
  EXPECT_NE(shown.find("did not react"), std::string::npos) << shown;
}

TEST_F(RunTest, OneSignalEndsAMachineThatDoesNotStart) {
  Child child = start({"stuck"});
  child.wait_until_blocks(SIGTERM);
  child.send(SIGTERM);
  EXPECT_EQ(child.finish().status, 143);
}

TEST_F(RunTest, ABrokenPipeReachesTheProgram) {
  Child child = start({"signal"});
  child.close_output();
  EXPECT_EQ(child.finish().status, 128 + SIGPIPE);
}

TEST_F(RunTest, SaysWhyTheProgramWasNotStarted) {
  const Result result = run({"refuse"});
  EXPECT_EQ(result.status, 126);
  EXPECT_EQ(result.errors,
            "narwhal: " + root.path("/program") + ": the program's header is damaged\n");
}

TEST_F(RunTest, NamesMissingSystemCallsWhenItMatters) {
  EXPECT_EQ(run({"miss", "0"}).errors, "");
  EXPECT_NE(run({"miss", "1"}).errors.find("frobnicate"), std::string::npos);
}

TEST_F(RunTest, NamesProgramsThatAFailedOneLacked) {
  EXPECT_EQ(run({"lack", "0"}).errors, "");
  const Result result = run({"lack", "127"});
  EXPECT_EQ(result.status, 127);
  EXPECT_TRUE(result.errors.starts_with("narwhal: the guest has no env; ")) << result.errors;
  EXPECT_TRUE(result.errors.ends_with("--include /usr/bin/env brings it along\n")) << result.errors;
  EXPECT_EQ(result.errors.find("no-such-program"), std::string::npos);
}

TEST_F(RunTest, SaysThatMemoryWasWhatLacked) {
  const Result result = run({"starve"});
  EXPECT_EQ(result.status, 137);
  EXPECT_EQ(result.errors,
            "narwhal: out of memory: killed process 1 (glutton); give the machine more with -m\n");
}

TEST_F(RunTest, ReportsAPanicWithTheLog) {
  const Result result = run({"panic"});
  EXPECT_EQ(result.status, 125);
  EXPECT_NE(result.errors.find("the kernel panicked: the books do not balance"), std::string::npos);
  EXPECT_NE(result.errors.find("rax=1"), std::string::npos);
}

TEST_F(RunTest, ReportsAMachineThatEnds) {
  Result result = run({"cut"});
  EXPECT_EQ(result.status, 125);
  EXPECT_NE(result.errors.find("was cut off; QEMU ended with status 0"), std::string::npos);
  result = run({"vanish"});
  EXPECT_EQ(result.status, 125);
  EXPECT_NE(result.errors.find("was not started; QEMU ended with status 3"), std::string::npos);
  result = run({"complain"});
  EXPECT_EQ(result.status, 125);
  EXPECT_NE(result.errors.find("the cable is not plugged in"), std::string::npos);
}

TEST_F(RunTest, ExplainsWhatQemuSays) {
  Result result = run({"complain",
                       "qemu: -netdev user,id=net: Could not set up host forwarding rule "
                       "'tcp:127.0.0.1:80-:80'"});
  EXPECT_EQ(result.status, 125);
  EXPECT_EQ(result.errors,
            "narwhal: the port of tcp:127.0.0.1:80-:80 was taken while the machine started; stop "
            "what listens there, or take another one with -p\n");
  result = run({"complain", "qemu: cannot set up guest memory 'ram': Cannot allocate memory"});
  EXPECT_EQ(result.status, 125);
  EXPECT_EQ(result.errors,
            "narwhal: this machine does not have the memory that -m asks for; ask for less\n");
}

TEST_F(RunTest, SaysHowToGetQemu) {
  EXPECT_EQ(failure({"--qemu", "no-such-qemu"}),
            "narwhal: no-such-qemu was not found; install it (on Debian and Ubuntu: apt install "
            "qemu-system-x86)\n");
}

TEST_F(RunTest, SaysWhoseThePortIs) {
  const UniqueFd busy(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(busy.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(busy.get(), 1), 0);
  ASSERT_EQ(getsockname(busy.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = std::to_string(ntohs(address.sin_port));
  const std::string text = failure({"-p", port + ":80"});
  EXPECT_NE(text.find("port " + port + " on 127.0.0.1 is in use; stop what listens there"),
            std::string::npos)
      << text;
}

TEST_F(RunTest, SaysWhichPortIsGivenTwice) {
  EXPECT_EQ(failure({"-p", "127.0.0.1:48080:80", "-p", "48080:81"}),
            "narwhal: -p 48080:81: port 48080 on 127.0.0.1 is given twice\n");
}

TEST_F(RunTest, SaysNothingOfProcessorsThatAMachineHas) {
  EXPECT_EQ(run({"speak"}, {"--cpus", "2"}).errors, "to stderr\n");
}

TEST_F(RunTest, SaysHowMuchMemoryItTakes) {
  const std::string text = failure({"-m", "2M"});
  EXPECT_NE(text.find("-m 2M is too little"), std::string::npos) << text;
  EXPECT_NE(text.find("use -m "), std::string::npos) << text;
}

TEST_F(RunTest, SaysThatTheKernelIsNone) {
  root.file("/text", "no kernel at all", 0644);
  EXPECT_NE(failure({"--kernel", root.path("/text")}).find("is no kernel"), std::string::npos);
  EXPECT_NE(failure({"--kernel", root.path("/absent")}).find("No such file"), std::string::npos);
}

TEST_F(RunTest, DryRunStartsNothing) {
  const Result result = run({"speak"}, {"--dry-run"});
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(result.output.starts_with(kStandIn)) << result.output;
  EXPECT_NE(result.output.find("  arg=speak\n"), std::string::npos);
}

}  // namespace
}  // namespace narwhal::tools
