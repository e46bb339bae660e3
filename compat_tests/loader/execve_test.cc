// What execve(2) takes, what it refuses, and what the new program finds.
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/loader/child.h"

namespace compat {
namespace {

using narwhal::testing::ExecOutcome;
using narwhal::testing::MalformedFile;
using narwhal::testing::ProgramImage;
using narwhal::testing::to_text;

const ExecOutcome kDone = {ExecOutcome::kExited, kChildStatus};

void make_file(const std::string& path, const std::string& bytes, mode_t mode = 0755) {
  const Fd fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ASSERT_OK(fd);
  ASSERT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  ASSERT_OK(fchmod(fd, mode));
}

std::string own_path() {
  char path[4096] = "";
  return readlink("/proc/self/exe", path, sizeof path - 1) > 0 ? path : "";
}

#define EXPECT_OUTCOME(expected, actual) EXPECT_EQ(to_text(expected), to_text(actual))

// --- files that are no programs

class Malformed : public testing::TestWithParam<MalformedFile> {};

TEST_P(Malformed, EndsAsOnLinux) {
  const MalformedFile& file = GetParam();
  const TempDir directory;
  make_file(directory / "program", file.bytes);
  ChildRequest request;
  request.path = directory / "program";
  const ExecOutcome outcome = run_child(request).outcome;
  switch (file.on_linux.kind) {
    case ExecOutcome::kKilled:
      // A kernel that finds out earlier may refuse.
      EXPECT_NE(outcome.kind, ExecOutcome::kExited);
      break;
    case ExecOutcome::kVaries:
      break;
    default:
      EXPECT_OUTCOME(file.on_linux, outcome);
  }
}

INSTANTIATE_TEST_SUITE_P(Execve, Malformed, testing::ValuesIn(narwhal::testing::malformed_files()),
                         [](const auto& info) { return std::string(info.param.name); });

// --- paths and rights

class Execve : public testing::Test {
 protected:
  ExecOutcome execute(const std::string& path) {
    ChildRequest request;
    request.path = path;
    return run_child(request).outcome;
  }
  ExecOutcome execute_error(int error) { return ExecOutcome::error(error); }
  std::string good_ = ProgramImage().build();
  TempDir directory_;
};

TEST_F(Execve, PathErrors) {
  make_file(directory_ / "file", good_);
  EXPECT_OUTCOME(execute_error(ENOENT), execute(directory_ / "none"));
  EXPECT_OUTCOME(execute_error(ENOENT), execute(""));
  EXPECT_OUTCOME(execute_error(ENOTDIR), execute(directory_ / "file/below"));
  EXPECT_OUTCOME(execute_error(ENAMETOOLONG), execute(directory_ / std::string(300, 'x')));
  EXPECT_OUTCOME(execute_error(ENAMETOOLONG), execute("/" + std::string(5000, 'x')));
  EXPECT_OUTCOME(execute_error(EACCES), execute(directory_.path()));
  EXPECT_OUTCOME(execute_error(EACCES), execute("/dev/null"));
}

TEST_F(Execve, ALoopOfLinks) {
  ASSERT_OK(symlink((directory_ / "two").c_str(), (directory_ / "one").c_str()));
  ASSERT_OK(symlink((directory_ / "one").c_str(), (directory_ / "two").c_str()));
  EXPECT_OUTCOME(execute_error(ELOOP), execute(directory_ / "one"));
}

TEST_F(Execve, ThroughALink) {
  make_file(directory_ / "file", good_);
  ASSERT_OK(symlink("file", (directory_ / "link").c_str()));
  EXPECT_OUTCOME(ExecOutcome::runs(), execute(directory_ / "link"));
}

TEST_F(Execve, ADanglingLink) {
  ASSERT_OK(symlink("nothing", (directory_ / "link").c_str()));
  EXPECT_OUTCOME(execute_error(ENOENT), execute(directory_ / "link"));
}

TEST_F(Execve, WithoutAnyRightToExecuteNotEvenRootMay) {
  make_file(directory_ / "file", good_, 0666);
  EXPECT_OUTCOME(execute_error(EACCES), execute(directory_ / "file"));
}

TEST_F(Execve, TheRightToReadIsNotNeeded) {
  make_file(directory_ / "file", good_, 0111);
  EXPECT_OUTCOME(ExecOutcome::runs(), execute(directory_ / "file"));
}

TEST_F(Execve, AFileOpenForWritingIsBusy) {
  make_file(directory_ / "file", good_);
  const Fd fd = open((directory_ / "file").c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_OK(fd);
  EXPECT_OUTCOME(execute_error(ETXTBSY), execute(directory_ / "file"));
}

TEST_F(Execve, ARunningProgramIsNotWritten) {
  EXPECT_ERRNO(ETXTBSY, open(own_path().c_str(), O_WRONLY | O_CLOEXEC));
}

TEST_F(Execve, BadPointers) {
  char* const none[] = {nullptr};
  EXPECT_ERRNO(EFAULT, execve(bad_pointer<char>(), none, none));
  EXPECT_ERRNO(EFAULT, execve("/proc/self/exe", bad_pointer<char*>(), none));
  EXPECT_ERRNO(EFAULT, execve("/proc/self/exe", none, bad_pointer<char*>()));
  char* const bad[] = {bad_pointer<char>(), nullptr};
  EXPECT_ERRNO(EFAULT, execve("/proc/self/exe", bad, none));
}

TEST_F(Execve, OneArgumentMayHave32PagesWithItsNul) {
  constexpr size_t kMost = 32 * kPage - 1;
  ChildRequest request;
  request.arguments = {"child", std::string(kMost, 'a')};
  const ChildResult fits = run_self("arguments", request);
  EXPECT_OUTCOME(kDone, fits.outcome);
  EXPECT_EQ(fits.output.size(), sizeof("[child]\n[]\n") - 1 + kMost);
  request.arguments = {"child", std::string(kMost + 1, 'a')};
  EXPECT_OUTCOME(execute_error(E2BIG), run_self("arguments", request).outcome);
}

TEST_F(Execve, AllArgumentsShareAQuarterOfTheStacksLimit) {
  ChildRequest request;
  request.prepare = [] {
    const rlimit limit = {2 << 20, 2 << 20};
    setrlimit(RLIMIT_STACK, &limit);
  };
  request.arguments.assign(4, std::string(100000, 'a'));
  EXPECT_OUTCOME(kDone, run_self("state", request).outcome);
  request.arguments.assign(6, std::string(100000, 'a'));
  EXPECT_OUTCOME(execute_error(E2BIG), run_self("state", request).outcome);
}

TEST_F(Execve, ThousandsOfArguments) {
  ChildRequest request;
  request.arguments.assign(5000, "x");
  request.environment.assign(5000, "V=1");
  const ChildResult result = run_self("arguments", request);
  EXPECT_OUTCOME(kDone, result.outcome);
  EXPECT_EQ(result.lines().size(), 5000u);
}

// --- what the new program finds

TEST_F(Execve, ArgumentsArriveAsTheyAre) {
  ChildRequest request;
  request.arguments = {"", "two words", "*", "\\n", "\xff\xfe"};
  EXPECT_EQ(run_self("arguments", request).output, "[]\n[two words]\n[*]\n[\\n]\n[\xff\xfe]\n");
}

TEST_F(Execve, WithoutArgumentsThereIsAnEmptyOne) {
  ChildRequest request;
  request.arguments.clear();
  EXPECT_EQ(run_self("arguments", request).output, "[]\n");
  request.null_arguments = true;
  EXPECT_EQ(run_self("arguments", request).output, "[]\n");
}

TEST_F(Execve, TheEnvironmentIsTheOneGiven) {
  ChildRequest request;
  request.environment = {"A=1", "no equals sign", ""};
  EXPECT_EQ(run_self("environment", request).output,
            std::string("[A=1]\n[no equals sign]\n[]\n[") + kChildMode + "=environment]\n");
}

TEST_F(Execve, TheThreadIsNamedAfterTheFile) {
  ASSERT_OK(symlink(own_path().c_str(), (directory_ / "a-rather-long-name").c_str()));
  ChildRequest request;
  request.path = directory_ / "a-rather-long-name";
  const ChildResult result = run_self("identity", request);
  EXPECT_EQ(result.line("name"), "a-rather-long-n");
  EXPECT_EQ(result.line("execfn"), request.path);
  EXPECT_EQ(result.line("exe"), own_path());
}

TEST_F(Execve, HandledSignalsGetTheirDefaultAndIgnoredOnesStayIgnored) {
  ChildRequest request;
  request.prepare = [] {
    signal(SIGUSR1, [](int) {});
    signal(SIGUSR2, SIG_IGN);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    static char memory[65536];
    const stack_t stack = {memory, 0, sizeof memory};
    sigaltstack(&stack, nullptr);
  };
  const ChildResult result = run_self("state", request);
  EXPECT_EQ(result.line("handled"), "");
  EXPECT_EQ(result.line("ignored"), std::to_string(SIGUSR2));
  EXPECT_EQ(result.line("blocked"), std::to_string(SIGTERM));
  EXPECT_EQ(result.line("stack"), "none");
}

TEST_F(Execve, DescriptorsCloseThatAreMarkedSo) {
  ChildRequest request;
  request.prepare = [] {
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    dup2(0, 50);
    dup3(0, 51, O_CLOEXEC);
    dup2(0, 52);
  };
  EXPECT_EQ(run_self("state", request).line("open"), "0 1 2 50 52");
}

TEST_F(Execve, ByDescriptor) {
  const Fd fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
  ASSERT_OK(fd);
  ChildRequest request;
  request.execute = [&](char* const* arguments, char* const* environment) {
    syscall(SYS_execveat, static_cast<int>(fd), "", arguments, environment, AT_EMPTY_PATH);
  };
  const ChildResult result = run_self("identity", request);
  EXPECT_OUTCOME(kDone, result.outcome);
  EXPECT_EQ(result.line("execfn"), "/dev/fd/" + std::to_string(fd));
  EXPECT_EQ(result.line("exe"), own_path());
}

TEST_F(Execve, ByDescriptorErrors) {
  make_file(directory_ / "file", good_);
  ASSERT_OK(symlink("file", (directory_ / "link").c_str()));
  const Fd folder = open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_OK(folder);
  const auto execute_at = [&](int fd, const char* path, int flags) {
    ChildRequest request;
    request.execute = [=](char* const* arguments, char* const* environment) {
      syscall(SYS_execveat, fd, path, arguments, environment, flags);
    };
    return run_child(request).outcome;
  };
  EXPECT_OUTCOME(ExecOutcome::runs(), execute_at(folder, "file", 0));
  EXPECT_OUTCOME(ExecOutcome::runs(), execute_at(folder, "link", 0));
  EXPECT_OUTCOME(execute_error(ELOOP), execute_at(folder, "link", AT_SYMLINK_NOFOLLOW));
  EXPECT_OUTCOME(execute_error(ENOENT), execute_at(folder, "", 0));
  EXPECT_OUTCOME(execute_error(EACCES), execute_at(folder, "", AT_EMPTY_PATH));
  EXPECT_OUTCOME(execute_error(EINVAL), execute_at(folder, "file", 1 << 20));
  EXPECT_OUTCOME(execute_error(EBADF), execute_at(-1, "file", 0));
  EXPECT_OUTCOME(ExecOutcome::runs(), execute_at(-1, (directory_ / "file").c_str(), 0));
}

TEST_F(Execve, AProgramInAnonymousMemory) {
  const Fd fd = memfd_create("program", MFD_CLOEXEC);
  ASSERT_OK(fd);
  ASSERT_EQ(write(fd, good_.data(), good_.size()), static_cast<ssize_t>(good_.size()));
  ChildRequest request;
  // Such a file is never busy, although it is open for writing.
  request.execute = [&](char* const* arguments, char* const* environment) {
    syscall(SYS_execveat, static_cast<int>(fd), "", arguments, environment, AT_EMPTY_PATH);
  };
  EXPECT_OUTCOME(ExecOutcome::runs(), run_child(request).outcome);
}

// --- scripts

class Scripts : public Execve {
 protected:
  // A script's argument vector, as its interpreter (this program) sees it.
  ChildResult run(const std::string& text, std::vector<std::string> arguments = {"script", "one"}) {
    unlink((directory_ / "script").c_str());
    make_file(directory_ / "script", text);
    ChildRequest request;
    request.path = directory_ / "script";
    request.arguments = std::move(arguments);
    return run_self("arguments", request);
  }
  void SetUp() override {
    // A short name, so that it fits into the first line.
    ASSERT_OK(symlink(own_path().c_str(), self_.c_str()));
  }
  std::string brackets(std::vector<std::string> texts) {
    std::string all;
    for (const std::string& text : texts) all += "[" + text + "]\n";
    return all;
  }
  std::string self_ = directory_ / "self";
  std::string script_ = directory_ / "script";
};

TEST_F(Scripts, TheInterpreterGetsTheScriptsNameAndItsArguments) {
  EXPECT_EQ(run("#!" + self_ + "\n").output, brackets({self_, script_, "one"}));
  EXPECT_EQ(run("#!" + self_ + "\n", {"any", "a b", ""}).output,
            brackets({self_, script_, "a b", ""}));
  EXPECT_EQ(run("#!" + self_ + "\n", {}).output, brackets({self_, script_}));
}

TEST_F(Scripts, TheRestOfTheLineIsOneArgument) {
  EXPECT_EQ(run("#!" + self_ + " -x -y  z \t\nbody\n").output,
            brackets({self_, "-x -y  z", script_, "one"}));
}

TEST_F(Scripts, BlanksAndEnds) {
  EXPECT_EQ(run("#! \t" + self_ + " \n").output, brackets({self_, script_, "one"}));
  EXPECT_EQ(run("#!" + self_).output, brackets({self_, script_, "one"}));
  EXPECT_EQ(run("#!" + self_ + std::string(300, ' ') + "\n").output,
            brackets({self_, script_, "one"}));
}

TEST_F(Scripts, NulsEndWords) {
  EXPECT_EQ(run("#!" + self_ + std::string(1, '\0') + "x -e\n").output,
            brackets({self_, script_, "one"}));
  EXPECT_EQ(run("#!" + self_ + " a" + std::string(1, '\0') + "b\n").output,
            brackets({self_, "a", script_, "one"}));
  EXPECT_EQ(run("#!" + self_ + "  " + std::string(1, '\0') + " z\n").output,
            brackets({self_, "", script_, "one"}));
}

TEST_F(Scripts, ALongArgumentIsCut) {
  const ChildResult result = run("#!" + self_ + " " + std::string(1000, 'a') + "\n");
  EXPECT_EQ(result.output,
            brackets({self_, std::string(255 - 3 - self_.size(), 'a'), script_, "one"}));
}

TEST_F(Scripts, ALongNameIsRefused) {
  EXPECT_OUTCOME(execute_error(ENOEXEC), run("#!/" + std::string(300, 'x') + "\n").outcome);
  EXPECT_OUTCOME(execute_error(ENOEXEC), run("#!" + std::string(300, ' ') + self_ + "\n").outcome);
}

TEST_F(Scripts, Errors) {
  EXPECT_OUTCOME(execute_error(ENOENT), run("#!/no/such/interpreter\n").outcome);
  EXPECT_OUTCOME(execute_error(ENOENT), run("#!" + self_ + "\r\n").outcome);
  EXPECT_OUTCOME(execute_error(EACCES), run("#!" + directory_.path() + "\n").outcome);
  EXPECT_OUTCOME(execute_error(ENOEXEC), run("#!\n").outcome);
  EXPECT_OUTCOME(execute_error(ENOEXEC), run("#! \t \n").outcome);
  EXPECT_OUTCOME(execute_error(EACCES), run("#!").outcome);
  EXPECT_OUTCOME(execute_error(ENOEXEC), run(" #!" + self_ + "\n").outcome);
  make_file(directory_ / "text", "no program\n");
  EXPECT_OUTCOME(execute_error(ENOEXEC), run("#!" + (directory_ / "text") + "\n").outcome);
  make_file(directory_ / "readable", good_, 0644);
  EXPECT_OUTCOME(execute_error(EACCES), run("#!" + (directory_ / "readable") + "\n").outcome);
}

TEST_F(Scripts, OfScripts) {
  make_file(directory_ / "inner", "#!" + self_ + " inner-argument\n");
  EXPECT_EQ(
      run("#!" + (directory_ / "inner") + " outer-argument\n").output,
      brackets({self_, "inner-argument", directory_ / "inner", "outer-argument", script_, "one"}));
}

TEST_F(Scripts, FiveDeepAndNoMore) {
  std::string below = self_;
  for (int level = 1; level <= 6; ++level) {
    const std::string path = directory_ / ("level" + std::to_string(level));
    make_file(path, "#!" + below + "\n");
    below = path;
    ChildRequest request;
    request.path = path;
    EXPECT_OUTCOME(level <= 5 ? kDone : execute_error(ELOOP),
                   run_self("arguments", request).outcome)
        << level;
  }
}

TEST_F(Scripts, ThatNameThemselves) {
  EXPECT_OUTCOME(execute_error(ELOOP), run("#!" + script_ + "\n").outcome);
}

TEST_F(Scripts, TheThreadIsNamedAfterTheScript) {
  make_file(script_, "#!" + self_ + "\n");
  ChildRequest request;
  request.path = script_;
  const ChildResult result = run_self("identity", request);
  EXPECT_EQ(result.line("name"), "script");
  EXPECT_EQ(result.line("execfn"), script_);
  EXPECT_EQ(result.line("exe"), own_path());
}

TEST_F(Scripts, ByADescriptorThatClosesAreNotFound) {
  make_file(script_, "#!" + self_ + "\n");
  const Fd fd = open(script_.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_OK(fd);
  ChildRequest request;
  request.execute = [&](char* const* arguments, char* const* environment) {
    syscall(SYS_execveat, static_cast<int>(fd), "", arguments, environment, AT_EMPTY_PATH);
  };
  EXPECT_OUTCOME(execute_error(ENOENT), run_self("arguments", request).outcome);
  request.prepare = [&] { fcntl(fd, F_SETFD, 0); };
  EXPECT_EQ(run_self("arguments", request).output,
            brackets({self_, "/dev/fd/" + std::to_string(fd)}));
}

}  // namespace
}  // namespace compat
