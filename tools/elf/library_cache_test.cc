#include "tools/elf/library_cache.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "tools/base/error.h"
#include "tools/base/files.h"

namespace narwhal::tools {
namespace {

LibraryCache sample() {
  LibraryCache cache;
  cache.add({"libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1"});
  cache.add({"libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"});
  cache.add({"libfoo.so.10", "/usr/local/lib/libfoo.so.10"});
  cache.add({"libfoo.so.9", "/usr/local/lib/libfoo.so.9"});
  return cache;
}

TEST(LibraryCache, WhatIsWrittenIsReadBack) {
  const LibraryCache cache = LibraryCache::parse(sample().serialize());
  ASSERT_EQ(cache.entries().size(), 4u);
  const auto found = cache.find("libfoo.so.9");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]->path, "/usr/local/lib/libfoo.so.9");
  EXPECT_TRUE(cache.find("libfoo.so").empty());
}

TEST(LibraryCache, WrittenInTheOrderOfTheBinarySearch) {
  const LibraryCache cache = LibraryCache::parse(sample().serialize());
  for (size_t i = 1; i < cache.entries().size(); ++i) {
    EXPECT_GT(compare_library_names(cache.entries()[i - 1].name, cache.entries()[i].name), 0);
  }
}

TEST(LibraryCache, OfTwoPlacesForOneNameTheFirstStaysFirst) {
  LibraryCache cache;
  cache.add({"liba.so.1", "/first/liba.so.1"});
  cache.add({"liba.so.1", "/second/liba.so.1"});
  const auto parsed = LibraryCache::parse(cache.serialize());
  ASSERT_EQ(parsed.find("liba.so.1").size(), 2u);
  EXPECT_EQ(parsed.find("liba.so.1")[0]->path, "/first/liba.so.1");
}

TEST(LibraryCache, EntriesForHardwareLevelsAreNotWritten) {
  LibraryCache cache;
  cache.add({"liba.so.1", "/lib/glibc-hwcaps/x86-64-v3/liba.so.1", true});
  EXPECT_TRUE(LibraryCache::parse(cache.serialize()).entries().empty());
}

TEST(LibraryCache, NumbersCompareAsNumbers) {
  EXPECT_LT(compare_library_names("libfoo.so.9", "libfoo.so.10"), 0);
  EXPECT_GT(compare_library_names("libfoo.so.10", "libfoo.so.9"), 0);
  EXPECT_EQ(compare_library_names("libfoo.so.1", "libfoo.so.1"), 0);
  EXPECT_LT(compare_library_names("liba", "libab"), 0);
  EXPECT_GT(compare_library_names("lib1", "liba"), 0);  // a digit stands after a letter
  EXPECT_LT(compare_library_names("", "a"), 0);
}

TEST(LibraryCache, ThisMachinesCacheCanBeReadAndIsInOurOrder) {
  const auto contents = read_file("/etc/ld.so.cache");
  if (!contents) GTEST_SKIP() << "this machine has no /etc/ld.so.cache";
  const LibraryCache cache = LibraryCache::parse(*contents);
  EXPECT_FALSE(cache.find("libc.so.6").empty());
  for (size_t i = 1; i < cache.entries().size(); ++i) {
    EXPECT_GE(compare_library_names(cache.entries()[i - 1].name, cache.entries()[i].name), 0)
        << cache.entries()[i - 1].name << " " << cache.entries()[i].name;
  }
}

TEST(LibraryCache, AnOldFormatCacheInFrontIsSkipped) {
  std::string old("ld.so-1.7.0");
  old.resize(12, '\0');
  const uint32_t count = 3;
  old.append(reinterpret_cast<const char*>(&count), sizeof count);
  old.resize(56, 'x');  // 16 + 3 * 12 = 52, then to a multiple of 8
  EXPECT_EQ(LibraryCache::parse(old + sample().serialize()).entries().size(), 4u);
}

TEST(LibraryCache, EveryPrefixOfACacheIsRefused) {
  const std::string whole = sample().serialize();
  for (size_t length = 0; length < whole.size(); ++length) {
    // An exact copy on the heap, so that the sanitizer sees a read past its end.
    const std::string prefix = whole.substr(0, length);
    EXPECT_THROW(LibraryCache::parse(prefix), Error) << length;
  }
}

TEST(LibraryCache, DamagedNumbersAreRefusedOrHarmless) {
  const std::string whole = sample().serialize();
  for (size_t at = 20; at + 4 <= whole.size(); ++at) {
    for (const uint32_t value : {0u, 0xffffffffu, 0x7fffffffu, 0x80000000u, 1000u}) {
      std::string damaged = whole;
      memcpy(damaged.data() + at, &value, sizeof value);
      try {
        const LibraryCache cache = LibraryCache::parse(damaged);
        for (const auto& entry : cache.entries()) {
          EXPECT_LE(entry.name.size(), damaged.size());
        }
      } catch (const Error&) {
      }
    }
  }
}

TEST(LibraryCache, OtherFilesAreRefused) {
  EXPECT_THROW(LibraryCache::parse(""), Error);
  EXPECT_THROW(LibraryCache::parse(std::string(4096, '\0')), Error);
  EXPECT_THROW(LibraryCache::parse("ld.so-1.7.0"), Error);
  std::string big_endian = sample().serialize();
  big_endian[28] = 3;
  EXPECT_THROW(LibraryCache::parse(big_endian), Error);
}

}  // namespace
}  // namespace narwhal::tools
