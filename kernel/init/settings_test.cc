#include "kernel/init/settings.h"

#include <gtest/gtest.h>

namespace narwhal {
namespace {

using namespace std::string_view_literals;

std::string problem_of(std::string_view line) {
  BootSettings settings;
  Text<200> problem;
  auto parsed = parse_command_line(line, settings, problem);
  return parsed.ok() ? "" : std::string(problem.view());
}

TEST(SettingsTest, CommandLineWordsAndQuotes) {
  BootSettings settings;
  Text<200> problem;
  ASSERT_TRUE(
      parse_command_line(
          " program=/bin/sh arg=sh arg=-c arg=\"echo hello world\"  env=A=b=c user=1000:100 "
          "virtio_mmio.device=512@0xfeb00000:5 console=ttyS0 quiet winsize=40x132",
          settings, problem)
          .ok())
      << problem.view();
  EXPECT_EQ(settings.program, "/bin/sh");
  ASSERT_EQ(settings.arguments.size(), 3u);
  EXPECT_EQ(settings.arguments[2], "echo hello world");
  ASSERT_EQ(settings.environment.size(), 1u);
  EXPECT_EQ(settings.environment[0], "A=b=c");
  EXPECT_EQ(settings.uid, 1000u);
  EXPECT_EQ(settings.gid, 100u);
  EXPECT_EQ(settings.rows, 40);
  EXPECT_EQ(settings.columns, 132);
  ASSERT_EQ(settings.mmio_devices.size(), 1u);
}

TEST(SettingsTest, RecordsComeAfterAndWin) {
  BootSettings settings;
  Text<200> problem;
  ASSERT_TRUE(parse_command_line("program=/a arg=x stdin=null", settings, problem).ok());
  ASSERT_TRUE(
      parse_setting_records("program=/b\0arg=y z\0stdin=pipe\0strace=1\0"sv, settings, problem)
          .ok());
  EXPECT_EQ(settings.program, "/b");
  ASSERT_EQ(settings.arguments.size(), 2u);
  EXPECT_EQ(settings.arguments[1], "y z");
  EXPECT_EQ(settings.streams[0], StreamKind::kPipe);
  EXPECT_TRUE(settings.trace_calls);
}

TEST(SettingsTest, CallsAreRewrittenUnlessToldOtherwise) {
  BootSettings settings;
  Text<200> problem;
  ASSERT_TRUE(parse_command_line("", settings, problem).ok());
  EXPECT_TRUE(settings.rewrite_calls);
  ASSERT_TRUE(parse_command_line("rewrite=0", settings, problem).ok());
  EXPECT_FALSE(settings.rewrite_calls);
  EXPECT_NE(problem_of("rewrite=no"), "");
}

TEST(SettingsTest, Volumes) {
  BootSettings settings;
  Text<200> problem;
  ASSERT_TRUE(
      parse_command_line("volume=v0:ro:/srv/a:b volume=v1:rw:/data", settings, problem).ok());
  ASSERT_EQ(settings.volumes.size(), 2u);
  EXPECT_EQ(settings.volumes[0].tag, "v0");
  EXPECT_TRUE(settings.volumes[0].read_only);
  EXPECT_EQ(settings.volumes[0].path, "/srv/a:b");
  EXPECT_FALSE(settings.volumes[1].read_only);
  for (const char* wrong : {"volume=", "volume=v0", "volume=v0:/data", "volume=:ro:/data",
                            "volume=v0:rx:/data", "volume=v0:ro:data", "volume=v0:ro:"})
    EXPECT_EQ(problem_of(wrong),
              "boot setting '" + std::string(wrong) + "': expected TAG:rw:/PATH or TAG:ro:/PATH");
}

TEST(SettingsTest, ValuesThatMakeNoSenseAreNamed) {
  EXPECT_EQ(problem_of("user=root"), "boot setting 'user=root': expected UID:GID");
  EXPECT_EQ(problem_of("user=4294967295:0"), "boot setting 'user=4294967295:0': expected UID:GID");
  EXPECT_EQ(problem_of("stdin=socket"), "boot setting 'stdin=socket': expected tty, pipe or null");
  EXPECT_EQ(problem_of("time=99999999999999999999"),
            "boot setting 'time=99999999999999999999': expected nanoseconds since 1970");
  EXPECT_EQ(problem_of("strace=yes"), "boot setting 'strace=yes': expected 0 or 1");
  BootSettings settings;
  Text<200> problem;
  EXPECT_FALSE(parse_setting_records("program=/b"sv, settings, problem).ok());
}

}  // namespace
}  // namespace narwhal
