#include "tools/pack/program.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"
#include "tools/base/test_root.h"
#include "tools/elf/elf_builder.h"

namespace narwhal::tools {
namespace {

constexpr char kLoader[] = "/lib64/ld-linux-x86-64.so.2";

TEST(InterpreterLine, IsReadAsLinuxReadsIt) {
  const auto parse = [](std::string_view text) {
    const Interpreter interpreter = parse_interpreter_line(text);
    return interpreter.path + "|" + interpreter.argument;
  };
  EXPECT_EQ(parse("#!/bin/sh\necho"), "/bin/sh|");
  EXPECT_EQ(parse("#! \t/usr/bin/env -S a  b \n"), "/usr/bin/env|-S a  b");
  EXPECT_EQ(parse("#!/bin/sh"), "/bin/sh|");
  EXPECT_EQ(parse("#!\n"), "|");
  EXPECT_EQ(parse("#!   \n/bin/sh"), "|");
  EXPECT_EQ(parse("echo"), "|");
}

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() { root.file(kLoader, "loader", 0755); }

  void program(const std::string& path, const ElfBuilder& elf, mode_t mode = 0755) {
    root.file(path, elf.build(), mode);
  }
  static ElfBuilder dynamic() {
    ElfBuilder elf;
    elf.interpreter = kLoader;
    return elf;
  }
  Program find(const std::string& name) {
    const HostView host(root.path());
    return ProgramFinder(host, "/usr/local/bin:/usr/bin:/usr/sbin", "/home").find(name);
  }
  // What the user reads, and the exit status.
  std::string refusal(const std::string& name) {
    try {
      find(name);
      return "none";
    } catch (const Error& error) {
      return std::to_string(error.status()) + " " + error.what();
    }
  }

  TestRoot root;
};

TEST_F(ProgramTest, LooksNamesUp) {
  program("/usr/bin/tool", dynamic());
  program("/usr/local/bin/tool", dynamic(), 0644);
  program("/home/mine", dynamic());
  root.folder("/usr/local/bin/server");
  program("/usr/sbin/server", dynamic());
  EXPECT_EQ(find("tool").path, "/usr/bin/tool");
  EXPECT_EQ(find("server").path, "/usr/sbin/server");
  EXPECT_EQ(find("./mine").path, "/home/mine");
  EXPECT_EQ(find("/usr/bin/../bin/tool").path, "/usr/bin/tool");
  EXPECT_EQ(find("tool").binaries, std::vector<std::string>{"/usr/bin/tool"});
}

TEST_F(ProgramTest, FollowsScripts) {
  program("/usr/bin/env", dynamic());
  program("/usr/bin/snake", dynamic());
  root.file("/home/app", "#!/usr/bin/env -S snake -u\nprint()\n", 0755);
  root.file("/home/outer", "#!/home/app\n", 0755);
  const Program app = find("/home/outer");
  EXPECT_EQ(app.scripts, (std::vector<std::string>{"/home/outer", "/home/app"}));
  EXPECT_EQ(app.binaries, (std::vector<std::string>{"/usr/bin/env", "/usr/bin/snake"}));
}

TEST_F(ProgramTest, SaysThatThereIsNone) {
  EXPECT_EQ(refusal("absent"),
            "127 absent: no such program in PATH or /usr/sbin; install it, or give its path");
  EXPECT_EQ(refusal("/opt/absent"), "127 /opt/absent: no such file");
  EXPECT_EQ(refusal(""), "127 the program's name is empty");
  root.link("/usr/bin/dangling", "/opt/gone");
  EXPECT_EQ(refusal("/usr/bin/dangling"),
            "127 /usr/bin/dangling: a symbolic link that leads nowhere (/opt/gone does not exist)");
}

TEST_F(ProgramTest, SaysWhyItCannotRun) {
  program("/usr/bin/plain", dynamic(), 0644);
  EXPECT_EQ(refusal("plain"),
            "126 plain: not executable (found as /usr/bin/plain); chmod +x it if it is a program");
  EXPECT_EQ(refusal("/usr/bin"), "126 /usr/bin: a folder, not a program");
  EXPECT_EQ(refusal("/usr/bin/plain/x"), "126 /usr/bin/plain/x: Not a directory");
  root.file("/usr/bin/text", "just text", 0755);
  EXPECT_EQ(refusal("text"),
            "126 /usr/bin/text: neither an ELF program nor a script that starts with #!");
  root.file("/usr/bin/empty", "", 0755);
  EXPECT_EQ(refusal("empty"),
            "126 /usr/bin/empty: neither an ELF program nor a script that starts with #!");
  root.file("/usr/bin/cut", dynamic().build().substr(0, 40), 0755);
  EXPECT_TRUE(refusal("cut").starts_with("126 /usr/bin/cut: a damaged ELF file: "))
      << refusal("cut");
  ElfBuilder object = dynamic();
  object.interpreter.clear();
  object.type = ET_CORE;
  program("/usr/bin/core", object);
  EXPECT_EQ(refusal("core"),
            "126 /usr/bin/core: an ELF file, but no program (an object file or a core dump?)");
}

TEST_F(ProgramTest, RefusesOtherMachinesPrograms) {
  ElfBuilder arm = dynamic();
  arm.machine = EM_AARCH64;
  program("/usr/bin/arm", arm);
  EXPECT_EQ(refusal("arm"),
            "126 /usr/bin/arm: a program for AArch64; narwhal runs 64-bit x86-64 programs only");
  // A 32-bit header: class, machine, and the sizes of its own layout.
  Elf32_Ehdr header = {};
  memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS32;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_386;
  header.e_version = EV_CURRENT;
  header.e_ehsize = sizeof header;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf32_Phdr);
  header.e_phnum = 1;
  Elf32_Phdr segment = {};
  segment.p_type = PT_LOAD;
  root.file("/usr/bin/old",
            std::string(reinterpret_cast<const char*>(&header), sizeof header) +
                std::string(reinterpret_cast<const char*>(&segment), sizeof segment),
            0755);
  EXPECT_EQ(refusal("old"),
            "126 /usr/bin/old: a program for 32-bit x86; narwhal runs 64-bit x86-64 programs only");
  ElfBuilder foreign = dynamic();
  foreign.interpreter = "/lib/ld-other.so.1";
  program("/usr/bin/foreign", foreign);
  EXPECT_EQ(refusal("foreign"),
            "126 /usr/bin/foreign: its loader /lib/ld-other.so.1 does not exist on this machine; "
            "install the C library that the program was built for");
}

TEST_F(ProgramTest, RefusesScriptsWithoutInterpreter) {
  root.file("/home/a", "#!/usr/bin/gone -x\n", 0755);
  EXPECT_EQ(refusal("/home/a"),
            "126 /home/a: its interpreter /usr/bin/gone does not exist; install it, or correct the "
            "first line");
  root.file("/home/b", "#!\n", 0755);
  EXPECT_EQ(refusal("/home/b"), "126 /home/b: a script whose first line names no interpreter");
  root.file("/home/loop", "#!/home/loop\n", 0755);
  EXPECT_EQ(refusal("/home/loop"),
            "126 /home/loop: its interpreter is a script, and so on, 5 times");
  program("/usr/bin/env", dynamic());
  root.file("/home/c", "#!/usr/bin/env absent\n", 0755);
  EXPECT_EQ(refusal("/home/c"),
            "127 absent: no such program in PATH or /usr/sbin; install it, or give its path");
}

}  // namespace
}  // namespace narwhal::tools
