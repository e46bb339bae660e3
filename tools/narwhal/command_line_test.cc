#include "tools/narwhal/command_line.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace narwhal::tools {
namespace {

Options parse(std::vector<const char*> words) {
  words.insert(words.begin(), "narwhal");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

std::string refusal(const std::vector<const char*>& words) {
  try {
    parse(words);
    return "none";
  } catch (const Error& error) {
    return error.what();
  }
}

using Words = std::vector<std::string>;

TEST(CommandLine, ReadsEveryOption) {
  const Options options =
      parse({"run",      "-p",        "8080:80", "-p",      "5353:53/udp", "-v",         "a:/b:ro",
             "-e",       "K=V",       "-e",      "L=W",     "-w",          "/srv",       "-m",
             "64M",      "--cpus",    "2",       "--accel", "tcg",         "--platform", "vm",
             "--strace", "--include", "/opt/x",  "server",  "--flag"});
  EXPECT_EQ(options.action, Options::Action::kRun);
  EXPECT_EQ(options.program, "server");
  EXPECT_EQ(options.arguments, Words{"--flag"});
  ASSERT_EQ(options.ports.size(), 2u);
  EXPECT_TRUE(options.ports[1].is_udp);
  ASSERT_EQ(options.volumes.size(), 1u);
  EXPECT_EQ(options.environment, (Environment{{"K", "V"}, {"L", "W"}}));
  EXPECT_EQ(options.working_folder, "/srv");
  EXPECT_EQ(options.memory, uint64_t{64} << 20);
  EXPECT_EQ(options.processors, 2u);
  EXPECT_EQ(options.accelerator, AcceleratorWish::kTcg);
  EXPECT_TRUE(options.traces_calls);
  ASSERT_EQ(options.includes.size(), 1u);
  EXPECT_FALSE(options.is_q35);
  EXPECT_EQ(options.platform, PlatformWish::kVm);
}

TEST(CommandLine, TheProgramsWordsAreItsOwn) {
  const Options options =
      parse({"run", "-m", "64M", "nginx", "-p", "x", "--help", "-g", "daemon off;", "--", "-v"});
  EXPECT_EQ(options.program, "nginx");
  EXPECT_EQ(options.arguments, (Words{"-p", "x", "--help", "-g", "daemon off;", "--", "-v"}));
  EXPECT_TRUE(options.ports.empty());
  EXPECT_EQ(parse({"run", "--", "-odd-name", "-x"}).program, "-odd-name");
  EXPECT_EQ(parse({"run", "--strace", "ls", "-l"}).arguments, Words{"-l"});
  EXPECT_EQ(parse({"run", "--memory=64M", "ls"}).program, "ls");
  EXPECT_EQ(parse({"run", "-m64M", "ls"}).memory, uint64_t{64} << 20);
  EXPECT_EQ(parse({"run", "--kernel-log", "ls"}).kernel_log, "info");
  EXPECT_EQ(parse({"run", "--kernel-log=debug", "ls"}).kernel_log, "debug");
  EXPECT_EQ(parse({"run", "-e", "A=1", "ls"}).program, "ls");
  EXPECT_EQ(parse({"run", "sh", ""}).arguments, Words{""});
  EXPECT_TRUE(parse({"run", "-it", "sh", "-i"}).wants_terminal);
  EXPECT_EQ(parse({"run", "-i", "sh", "-t"}).arguments, Words{"-t"});
  EXPECT_FALSE(parse({"run", "-i", "sh", "-t"}).wants_terminal);
}

TEST(CommandLine, TheLastOfTwoCounts) {
  const Options options = parse({"run", "-m", "64M", "--strace", "-m", "32M", "--strace", "ls"});
  EXPECT_EQ(options.memory, uint64_t{32} << 20);
  EXPECT_TRUE(options.traces_calls);
}

TEST(CommandLine, LeavesCallsWhereItIsToldTo) {
  EXPECT_TRUE(parse({"run", "--platform", "process", "--no-rewrite", "ls"}).leaves_calls);
  EXPECT_FALSE(parse({"run", "--platform", "process", "ls"}).leaves_calls);
}

TEST(CommandLine, HasDefaults) {
  const Options options = parse({"run", "ls"});
  EXPECT_EQ(options.memory, uint64_t{1} << 30);
  EXPECT_EQ(options.processors, 1u);
  EXPECT_EQ(options.accelerator, AcceleratorWish::kAuto);
  EXPECT_EQ(options.working_folder, "/");
  EXPECT_EQ(options.platform, PlatformWish::kAuto);
  EXPECT_FALSE(options.names_board);
  EXPECT_EQ(options.network.kind, Network::Kind::kUser);
}

TEST(CommandLine, SaysWhatIsWrong) {
  EXPECT_EQ(refusal({"run"}),
            "narwhal run: which program? Write narwhal run [OPTIONS] PROGRAM [ARGUMENTS...]");
  EXPECT_EQ(refusal({"run", "--accel", "xen", "ls"}), "--accel xen: choose one of auto, kvm, tcg");
  EXPECT_EQ(refusal({"run", "--platform", "firecracker", "ls"}),
            "--platform firecracker: choose one of auto, process, vm");
  EXPECT_EQ(refusal({"run", "-w", "here", "ls"}), "-w here: a folder of the guest starts with /");
  EXPECT_EQ(refusal({"run", "-p", "80:80", "--net", "none", "ls"}),
            "-p works with --net user only; with a TAP device the guest has an address of its own");
  EXPECT_EQ(refusal({"run", "--icount", "--accel", "kvm", "ls"}),
            "--icount works in software emulation only; use --accel tcg");
  EXPECT_EQ(refusal({"run", "--icount", "--cpus", "2", "ls"}),
            "--icount works with one processor only");
  for (const std::vector<const char*>& words : {std::vector<const char*>{"run", "--bogus", "ls"},
                                                {"run", "--cpus", "0", "ls"},
                                                {"run", "--cpus", "x", "ls"},
                                                {"run", "-m"},
                                                {"bogus"}}) {
    const std::string text = refusal(words);
    EXPECT_NE(text, "none");
    EXPECT_NE(text.find("--help"), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

TEST(CommandLine, HelpIsNoError) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"run", "--help"}).action, Options::Action::kNothing);
  const std::string help = testing::internal::GetCapturedStdout();
  for (const char* const option : {"-p,", "-v,", "-e,", "-w,", "-m,", "--cpus", "--accel",
                                   "--platform", "--strace", "--include"}) {
    EXPECT_NE(help.find(option), std::string::npos) << option;
  }
}

TEST(CommandLine, OtherCommands) {
  EXPECT_EQ(parse({"inspect", "--json", "ls"}).action, Options::Action::kInspect);
  const Options options = parse({"pack", "-o", "file", "ls", "-o"});
  EXPECT_EQ(options.action, Options::Action::kPack);
  EXPECT_EQ(options.output, "file");
  EXPECT_EQ(options.arguments, Words{"-o"});
  EXPECT_EQ(parse({"version"}).action, Options::Action::kVersion);
}

}  // namespace
}  // namespace narwhal::tools
