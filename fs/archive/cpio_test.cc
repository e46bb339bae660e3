#include "fs/archive/cpio.h"

#include <gtest/gtest.h>

#include "fs/archive/testing_archive.h"

namespace narwhal {
namespace {

using testing::ArchiveWriter;
using testing::as_bytes;

std::string problem_of(std::string_view archive) {
  CpioReader reader(as_bytes(archive));
  CpioMember member;
  for (;;) {
    auto more = reader.next(member);
    if (!more.ok()) {
      EXPECT_EQ(more.error(), Errno::kInval);
      Text<512> text;
      reader.describe(text);
      return std::string(text.view());
    }
    if (!more.take()) return "";
  }
}

TEST(Cpio, ReadsEveryField) {
  ArchiveWriter writer;
  writer.add({"dev/null", "", 020666, 77, 2, 1, 2, 0x5f000000, 1, 3}).add({"a", "hello"});
  const std::string archive = writer.finish();
  CpioReader reader(as_bytes(archive));
  CpioMember member;
  ASSERT_TRUE(reader.next(member).value());
  EXPECT_EQ(member.name, "dev/null");
  EXPECT_EQ(member.header_offset, 0u);
  EXPECT_EQ(member.mode, 020666u);
  EXPECT_EQ(member.inode, 77u);
  EXPECT_EQ(member.links, 2u);
  EXPECT_EQ(member.uid, 1u);
  EXPECT_EQ(member.gid, 2u);
  EXPECT_EQ(member.modified, 0x5f000000u);
  EXPECT_EQ(member.device_major, 0u);
  EXPECT_EQ(member.device_minor, 7u);
  EXPECT_EQ(member.special_major, 1u);
  EXPECT_EQ(member.special_minor, 3u);
  EXPECT_TRUE(member.data.empty());
  ASSERT_TRUE(reader.next(member).value());
  EXPECT_EQ(member.name, "a");
  EXPECT_EQ(member.text(), "hello");
  EXPECT_EQ(member.data_offset, archive.find("hello"));
  EXPECT_FALSE(reader.next(member).value());
}

TEST(Cpio, PaddedNamesPutDataOnPages) {
  const std::string archive = ArchiveWriter().add({"big", std::string(5000, 'x')}).finish();
  CpioReader reader(as_bytes(archive));
  CpioMember member;
  ASSERT_TRUE(reader.next(member).value());
  EXPECT_EQ(member.name, "big");
  EXPECT_EQ(member.data_offset, 4096u);
  EXPECT_EQ(member.data.size(), 5000u);
}

TEST(Cpio, SaysWhatIsWrongAndWhere) {
  const std::string good = ArchiveWriter().add({"bin/sh", "data"}).finish();
  EXPECT_EQ(problem_of(good), "");
  EXPECT_EQ(problem_of(""), "at offset 0: the archive ends before its trailer");
  const usize second = good.find("070701", 1);
  const std::string where = "at offset " + std::to_string(second) + ", after \"bin/sh\": ";
  EXPECT_EQ(problem_of(good.substr(0, second)), where + "the archive ends before its trailer");

  std::string bad = good;
  bad[second + 5] = '9';
  EXPECT_EQ(problem_of(bad), where + "the header does not begin with 070701");
  bad = good;
  bad[second + 20] = 'g';
  EXPECT_EQ(problem_of(bad), where + "a number of the header is not hexadecimal");
  bad = good;
  bad.replace(6 + 11 * 8, 8, "00000000");
  EXPECT_EQ(problem_of(bad), "at offset 0: the name has no end");
  bad.replace(6 + 11 * 8, 8, "00000006");
  EXPECT_EQ(problem_of(bad), "at offset 0: the name has no end");
  bad.replace(6 + 11 * 8, 8, "fffffff0");
  EXPECT_EQ(problem_of(bad), "at offset 0: the name goes beyond the archive's end");
  bad = good;
  bad.replace(6 + 6 * 8, 8, "ffffffff");
  EXPECT_EQ(problem_of(bad), "at offset 0, after \"bin/sh\": the data go beyond the archive's end");
  EXPECT_NE(problem_of("\x1f\x8b" + std::string(200, 'x')).find("compressed"), std::string::npos);
  EXPECT_NE(problem_of("070707" + std::string(200, 'x')).find("odc"), std::string::npos);
}

TEST(Cpio, FindsTheSettings) {
  const std::string archive =
      ArchiveWriter().add({"./a", "1"}).add({"./.narwhal/boot", "program=/x"}).finish();
  EXPECT_EQ(find_archive_member(as_bytes(archive), ".narwhal/boot").value().size(), 10u);
  EXPECT_EQ(find_archive_member(as_bytes(archive), "b").error(), Errno::kNoEnt);
  EXPECT_EQ(find_archive_member(as_bytes("no archive"), "b").error(), Errno::kInval);
}

TEST(Cpio, PathsLoseTheirBeginning) {
  EXPECT_EQ(archive_path("./usr/bin"), "usr/bin");
  EXPECT_EQ(archive_path("/usr/bin"), "usr/bin");
  EXPECT_EQ(archive_path(".//./usr"), "usr");
  EXPECT_EQ(archive_path("."), "");
  EXPECT_EQ(archive_path("..a"), "..a");
  EXPECT_EQ(archive_path(".profile"), ".profile");
}

}  // namespace
}  // namespace narwhal
