#include "loader/stack.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace narwhal {
namespace {

constexpr u64 kTop = 0x7fff'0000'0000;

// What the first instruction of a program would find, read back by address.
class Image {
 public:
  Image(std::vector<std::string> argv, std::vector<std::string> envp,
        std::vector<AuxiliaryEntry> entries = {{abi::Auxiliary::kPageSize, 4096}}) {
    ProgramArguments arguments;
    for (const std::string& text : argv)
      EXPECT_TRUE(arguments.argv.push_back(String::copy(text).take()).ok());
    for (const std::string& text : envp)
      EXPECT_TRUE(arguments.envp.push_back(String::copy(text).take()).ok());
    StackContent content{"/bin/program", entries, {}};
    for (u8 i = 0; i < 16; ++i) content.random[i] = u8(i * 3);
    image_ = build_stack(UserAddr(kTop), arguments, content).take();
  }

  u64 word(u64 address) const {
    u64 value;
    std::memcpy(&value, at(address, sizeof value), sizeof value);
    return value;
  }
  std::string text(u64 address) const { return reinterpret_cast<const char*>(at(address, 1)); }
  const std::byte* at(u64 address, usize size) const {
    EXPECT_GE(address, image_.pointer.value);
    EXPECT_LE(address + size, kTop);
    return image_.bytes.data() + (address - image_.pointer.value);
  }
  const StackImage& stack() const { return image_; }
  u64 pointer() const { return image_.pointer.value; }

 private:
  StackImage image_;
};

struct Contents {
  std::vector<std::string> argv, envp;
  std::map<u64, u64> auxiliary;
};
Contents parse(const Image& image) {
  Contents contents;
  u64 at = image.pointer();
  const u64 count = image.word(at);
  at += 8;
  for (u64 i = 0; i < count; ++i, at += 8) contents.argv.push_back(image.text(image.word(at)));
  EXPECT_EQ(image.word(at), 0u);
  for (at += 8; image.word(at) != 0; at += 8) contents.envp.push_back(image.text(image.word(at)));
  for (at += 8; image.word(at) != 0; at += 16)
    EXPECT_TRUE(contents.auxiliary.emplace(image.word(at), image.word(at + 8)).second);
  EXPECT_EQ(image.word(at + 8), 0u) << "AT_NULL's value";
  return contents;
}

TEST(Stack, HoldsWhatItWasGiven) {
  const Image image({"one", "", "three words here"}, {"A=1", "B="});
  const Contents contents = parse(image);
  EXPECT_EQ(contents.argv, (std::vector<std::string>{"one", "", "three words here"}));
  EXPECT_EQ(contents.envp, (std::vector<std::string>{"A=1", "B="}));
  EXPECT_EQ(contents.auxiliary.at(6), 4096u);
}

TEST(Stack, AddsThePointersOfTheVector) {
  const Image image({"one"}, {});
  const Contents contents = parse(image);
  EXPECT_EQ(image.text(contents.auxiliary.at(u64(abi::Auxiliary::kExecutableName))),
            "/bin/program");
  EXPECT_EQ(image.text(contents.auxiliary.at(u64(abi::Auxiliary::kPlatform))), "x86_64");
  const std::byte* const random = image.at(contents.auxiliary.at(u64(abi::Auxiliary::kRandom)), 16);
  for (u8 i = 0; i < 16; ++i) EXPECT_EQ(u8(random[i]), i * 3);
}

TEST(Stack, StartsAlignedWhateverIsOnIt) {
  std::vector<std::string> argv, envp;
  for (int i = 0; i < 40; ++i) {
    const Image image(argv, envp);
    EXPECT_EQ(image.pointer() % 16, 0u) << i;
    EXPECT_EQ(image.pointer() + image.stack().bytes.size(), kTop) << i;
    EXPECT_EQ(parse(image).argv, argv);
    EXPECT_EQ(parse(image).envp, envp);
    (i % 3 == 0 ? envp : argv).push_back(std::string(usize(i), 'x'));
  }
}

TEST(Stack, KnowsWhereTheStringsAre) {
  const Image image({"ab", "c"}, {"D=1"});
  const StackImage& stack = image.stack();
  EXPECT_EQ(stack.args_end.value - stack.args_start.value, 5u);
  EXPECT_EQ(std::memcmp(image.at(stack.args_start.value, 5), "ab\0c\0", 5), 0);
  EXPECT_EQ(std::memcmp(image.at(stack.args_end.value, 4), "D=1\0", 4), 0);
  EXPECT_EQ(stack.env_end.value, stack.args_end.value + 4);
}

TEST(Stack, EndsWithTheNameAndEightZeros) {
  const Image image({"a"}, {});
  EXPECT_EQ(image.word(kTop - 8), 0u);
  EXPECT_EQ(image.text(kTop - 8 - 13), "/bin/program");
}

}  // namespace
}  // namespace narwhal
