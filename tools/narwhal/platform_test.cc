#include "tools/narwhal/platform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace narwhal::tools {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const MachineFacts kHardware = {true, "", true};
const MachineFacts kParavirtual = {true, "", false};
const MachineFacts kNone = {false, "No such file or directory", false};

Options wish(PlatformWish platform) {
  Options options;
  options.platform = platform;
  return options;
}

TEST(Platform, AutoTakesHardwareThenAProcessThenEmulation) {
  const Options options = wish(PlatformWish::kAuto);
  Platform platform = choose_platform(options, {kHardware, "", ""});
  EXPECT_FALSE(platform.is_process);
  EXPECT_TRUE(platform.use_kvm && platform.is_trial);

  for (const MachineFacts& machine : {kParavirtual, kNone}) {
    platform = choose_platform(options, {machine, "", ""});
    EXPECT_TRUE(platform.is_process && platform.is_trial);
    EXPECT_THAT(platform.reason, StartsWith("process, because "));
    EXPECT_THAT(platform.reason, HasSubstr("docs/threat-model.md"));
  }
  EXPECT_THAT(platform.reason, HasSubstr("/dev/kvm does not open: No such file or directory"));

  platform = choose_platform(options, {kNone, "it is too old", ""});
  EXPECT_FALSE(platform.is_process || platform.use_kvm || platform.is_trial);
  EXPECT_EQ(platform.reason,
            "software emulation, because /dev/kvm does not open: No such file or directory; the "
            "kernel cannot be a process: it is too old");
}

TEST(Platform, AutoTakesAMachineForWhatAProcessLacks) {
  Options options = wish(PlatformWish::kAuto);
  HostFacts facts = {kNone, "", "passt is missing"};
  EXPECT_THAT(choose_platform(options, facts).reason,
              EndsWith(": passt is missing (--net none does without)"));
  options.network.kind = Network::Kind::kNone;
  EXPECT_TRUE(choose_platform(options, facts).is_process);

  for (const auto ask :
       {+[](Options& o) { o.linux_folder = "/linux"; },
        +[](Options& o) { o.counts_instructions = true; },
        +[](Options& o) { o.names_board = true; }, +[](Options& o) { o.qemu = "/qemu"; },
        +[](Options& o) { o.volumes.resize(51); }, +[](Options& o) { o.processors = 17; },
        +[](Options& o) { o.accelerator = AcceleratorWish::kTcg; }}) {
    Options more = options;
    ask(more);
    EXPECT_NE(what_needs_machine(more), "");
    EXPECT_FALSE(choose_platform(more, facts).is_process);
    more.platform = PlatformWish::kProcess;
    EXPECT_THROW(choose_platform(more, facts), Error);
  }
  options.processors = 16;
  EXPECT_TRUE(choose_platform(options, facts).is_process);
  options.kernel = "/kernel";
  EXPECT_FALSE(choose_platform(options, facts).is_process);
  options.platform = PlatformWish::kProcess;
  EXPECT_TRUE(choose_platform(options, facts).is_process);
}

TEST(Platform, WhatIsAskedForIsNoTrial) {
  EXPECT_FALSE(choose_platform(wish(PlatformWish::kProcess), {kHardware, "", ""}).is_trial);
  Options options = wish(PlatformWish::kVm);
  EXPECT_FALSE(choose_platform(options, {kNone, "", ""}).is_process);
  options.accelerator = AcceleratorWish::kKvm;
  const Platform platform = choose_platform(options, {kHardware, "", ""});
  EXPECT_TRUE(platform.use_kvm);
  EXPECT_FALSE(platform.is_trial);
}

TEST(Platform, AfterAFailureComesTheNext) {
  const Platform kvm = {false, true, true, ""}, process = {true, false, true, ""};
  const Options chosen = wish(PlatformWish::kAuto), machine = wish(PlatformWish::kVm);
  EXPECT_TRUE(next_platform(chosen, {kHardware, "", ""}, kvm).is_process);
  EXPECT_FALSE(next_platform(chosen, {kHardware, "too old", ""}, kvm).is_process);
  EXPECT_FALSE(next_platform(machine, {kHardware, "", ""}, kvm).is_process);
  const Platform last = next_platform(chosen, {kNone, "", ""}, process);
  EXPECT_FALSE(last.is_process || last.use_kvm || last.is_trial);
}

}  // namespace
}  // namespace narwhal::tools
