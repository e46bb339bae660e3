#include "loader/script.h"

#include <gtest/gtest.h>

#include <string>

namespace narwhal {
namespace {

struct Parsed {
  std::string interpreter, argument;
  friend bool operator==(const Parsed&, const Parsed&) = default;
};
void PrintTo(const Parsed& parsed, std::ostream* out) {
  *out << '[' << parsed.interpreter << "] [" << parsed.argument << ']';
}

Parsed parse(std::string_view head) {
  auto line = parse_script(head.substr(0, kScriptHeaderSize));
  if (!line.ok()) return {"error", std::to_string(int(line.error()))};
  const auto argument = line.value().argument;
  return {std::string(line.value().interpreter), argument ? std::string(*argument) : "none"};
}
const Parsed kNotAScript = {"error", std::to_string(int(Errno::kNoExec))};

TEST(Script, NamesItsInterpreter) {
  EXPECT_EQ(parse("#!/bin/sh\necho\n"), (Parsed{"/bin/sh", "none"}));
  EXPECT_EQ(parse("#!/bin/sh"), (Parsed{"/bin/sh", "none"}));
  EXPECT_EQ(parse("#!sh\n"), (Parsed{"sh", "none"}));
}

TEST(Script, BlanksAroundTheNameDoNotCount) {
  EXPECT_EQ(parse("#! /bin/sh\n"), (Parsed{"/bin/sh", "none"}));
  EXPECT_EQ(parse("#! \t /bin/sh \t \n"), (Parsed{"/bin/sh", "none"}));
}

TEST(Script, TheRestOfTheLineIsOneArgument) {
  EXPECT_EQ(parse("#!/usr/bin/env -S a b\n"), (Parsed{"/usr/bin/env", "-S a b"}));
  EXPECT_EQ(parse("#!/bin/sh\t-e  \t-x \nrest"), (Parsed{"/bin/sh", "-e  \t-x"}));
}

TEST(Script, ACarriageReturnBelongsToTheName) {
  EXPECT_EQ(parse("#!/bin/sh\r\n"), (Parsed{"/bin/sh\r", "none"}));
}

TEST(Script, WithoutANameIsNone) {
  for (const char* text :
       {"", "#", "#!\n", "#! \t \n", "##/bin/sh\n", " #!/bin/sh\n", "!#/bin/sh\n"})
    EXPECT_EQ(parse(text), kNotAScript) << text;
}

TEST(Script, OnlyTheFirstBytesCount) {
  const std::string fits = "/" + std::string(kScriptHeaderSize - 4, 'x');
  EXPECT_EQ(parse("#!" + fits + "\n"), (Parsed{fits, "none"}));
  EXPECT_EQ(parse("#!" + fits + "x\n"), kNotAScript) << "the name is cut";
  EXPECT_EQ(parse("#!" + std::string(1000, ' ') + "/bin/sh\n"), kNotAScript);
  // An argument may be cut.
  const Parsed cut = parse("#!/bin/sh " + std::string(1000, 'a') + "\n");
  EXPECT_EQ(cut.interpreter, "/bin/sh");
  EXPECT_EQ(cut.argument, std::string(kScriptHeaderSize - 11, 'a'));
}

// What Linux makes of these was tried (compat_tests/loader tries the whole).
TEST(Script, WhereTheFileEndsTheNameMayBeEmpty) {
  EXPECT_EQ(parse("#!"), (Parsed{"", "none"}));
  EXPECT_EQ(parse("#! \t"), (Parsed{"", "none"}));
}

TEST(Script, ANameMayEndAtTheLastByteThatCounts) {
  const std::string name = "/bin/sh";
  const auto with_blanks = [&](usize blanks) { return "#!" + std::string(blanks, ' ') + name; };
  constexpr usize kMost = kScriptHeaderSize - 2 - 7;
  EXPECT_EQ(parse(with_blanks(kMost - 1) + "\n"), (Parsed{name, "none"}));
  EXPECT_EQ(parse(with_blanks(kMost - 2)), (Parsed{name, "none"}));
  EXPECT_EQ(parse(with_blanks(kMost)), kNotAScript);
  EXPECT_EQ(parse("#!" + name + std::string(1000, ' ') + "\n"), (Parsed{name, "none"}));
}

TEST(Script, ANulEndsANameAndAnArgument) {
  EXPECT_EQ(parse({"#!/bin/sh\0x -e\n", 15}), (Parsed{"/bin/sh", "none"}));
  EXPECT_EQ(parse({"#!/bin/sh a\0b\n", 14}), (Parsed{"/bin/sh", "a"}));
  EXPECT_EQ(parse({"#!/bin/sh  \0 z\n", 15}), (Parsed{"/bin/sh", ""}));
  EXPECT_EQ(parse({"#!\0\n", 4}), (Parsed{"", "none"}));
}

}  // namespace
}  // namespace narwhal
