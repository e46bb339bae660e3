// The auxiliary vector (getauxval(3)), and the initial stack (System V ABI for x86-64,
// section 3.4.1).
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

extern "C" char __ehdr_start[];
extern "C" void _start();

namespace compat {
namespace {

// Taken by a constructor, as the C library hands them on: GoogleTest takes its own out of the
// array.
char** on_the_stack;
std::vector<char*> arguments, variables;
__attribute__((constructor)) void keep_arguments(int argc, char** argv, char** envp) {
  on_the_stack = argv;
  arguments.assign(argv, argv + argc);
  for (; *envp != nullptr; ++envp) variables.push_back(*envp);
}

std::vector<ElfW(auxv_t)> vector_of_proc() {
  std::vector<ElfW(auxv_t)> entries(64);
  const Fd fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
  const ssize_t size = read(fd, entries.data(), entries.size() * sizeof entries[0]);
  entries.resize(size < 0 ? 0 : static_cast<size_t>(size) / sizeof entries[0]);
  return entries;
}

TEST(Auxv, PageSizeAndClockTicks) {
  EXPECT_EQ(getauxval(AT_PAGESZ), kPage);
  EXPECT_EQ(getauxval(AT_CLKTCK), 100u);
  EXPECT_EQ(sysconf(_SC_PAGESIZE), 4096);
  EXPECT_EQ(sysconf(_SC_CLK_TCK), 100);
}

TEST(Auxv, Identity) {
  EXPECT_EQ(getauxval(AT_UID), getuid());
  EXPECT_EQ(getauxval(AT_EUID), geteuid());
  EXPECT_EQ(getauxval(AT_GID), getgid());
  EXPECT_EQ(getauxval(AT_EGID), getegid());
  EXPECT_EQ(getauxval(AT_SECURE), 0u);
  EXPECT_EQ(getauxval(AT_FLAGS), 0u);
}

TEST(Auxv, Platform) {
  ASSERT_NE(getauxval(AT_PLATFORM), 0u);
  EXPECT_STREQ(reinterpret_cast<const char*>(getauxval(AT_PLATFORM)), "x86_64");
  EXPECT_NE(getauxval(AT_HWCAP), 0u);
}

TEST(Auxv, ProgramHeadersAreThoseInMemory) {
  const auto* const header = reinterpret_cast<const ElfW(Ehdr)*>(__ehdr_start);
  EXPECT_EQ(getauxval(AT_PHDR), reinterpret_cast<uintptr_t>(__ehdr_start) + header->e_phoff);
  EXPECT_EQ(getauxval(AT_PHNUM), header->e_phnum);
  EXPECT_EQ(getauxval(AT_PHENT), sizeof(ElfW(Phdr)));
}

TEST(Auxv, TheEntryIsTheProgramsOwn) {
  EXPECT_EQ(getauxval(AT_ENTRY), reinterpret_cast<uintptr_t>(&_start));
}

TEST(Auxv, TheBaseIsTheInterpreters) {
  bool has_interpreter = false;
  const auto* const headers = reinterpret_cast<const ElfW(Phdr)*>(getauxval(AT_PHDR));
  for (size_t i = 0; i < getauxval(AT_PHNUM); ++i)
    has_interpreter |= headers[i].p_type == PT_INTERP;
  const unsigned long base = getauxval(AT_BASE);
  EXPECT_EQ(base != 0, has_interpreter);
  if (base != 0) {
    EXPECT_EQ(memcmp(reinterpret_cast<const void*>(base), ELFMAG, SELFMAG), 0);
  }
}

TEST(Auxv, TheNameExecveWasCalledWith) {
  ASSERT_NE(getauxval(AT_EXECFN), 0u);
  EXPECT_OK(access(reinterpret_cast<const char*>(getauxval(AT_EXECFN)), X_OK));
}

TEST(Auxv, SixteenRandomBytes) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(getauxval(AT_RANDOM));
  ASSERT_NE(bytes, nullptr);
  // All alike: once in 2^120 machines.
  bool differ = false;
  for (int i = 1; i < 16; ++i) differ |= bytes[i] != bytes[0];
  EXPECT_TRUE(differ);
}

TEST(Auxv, TheLeastSignalStackHoldsAFrame) {
  // sigaltstack(2)'s own least size is 2048.
  EXPECT_GE(getauxval(AT_MINSIGSTKSZ), 936u);
  EXPECT_LT(getauxval(AT_MINSIGSTKSZ), 65536u);
}

TEST(Auxv, ProcShowsTheSame) {
  const auto entries = vector_of_proc();
  ASSERT_FALSE(entries.empty());
  EXPECT_EQ(entries.back().a_type, static_cast<uint64_t>(AT_NULL));
  std::map<uint64_t, uint64_t> seen;
  for (const auto& entry : entries) {
    if (entry.a_type == AT_NULL) continue;
    EXPECT_TRUE(seen.emplace(entry.a_type, entry.a_un.a_val).second)
        << entry.a_type << " is there twice";
    // The dynamic glibc puts its own thoughts in the place of this one.
    if (entry.a_type != AT_HWCAP)
      EXPECT_EQ(getauxval(entry.a_type), entry.a_un.a_val) << entry.a_type;
  }
  for (const uint64_t type : {AT_PAGESZ, AT_PHDR, AT_RANDOM, AT_SYSINFO_EHDR, AT_EXECFN, AT_SECURE})
    EXPECT_EQ(seen.count(type), 1u) << type;
}

TEST(Auxv, AMissingEntryIsZero) {
  EXPECT_ERRNO(ENOENT, getauxval(9999) == 0 && errno == ENOENT ? -1 : 0);
}

TEST(InitialStack, HasTheCountBelowTheArguments) {
  ASSERT_FALSE(arguments.empty());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(on_the_stack - 1) % 16, 0u)
      << "rsp at the first instruction";
  // GoogleTest moves the arguments in the array, but not what stands before and behind it.
  EXPECT_EQ(*reinterpret_cast<uint64_t*>(on_the_stack - 1), arguments.size());
  EXPECT_EQ(on_the_stack[arguments.size()], nullptr);
}

TEST(InitialStack, TheVectorFollowsTheEnvironment) {
  char** const end = on_the_stack + arguments.size() + 1 + variables.size();
  EXPECT_EQ(*end, nullptr);
  const auto proc = vector_of_proc();
  ASSERT_FALSE(proc.empty());
  const auto* const entries = reinterpret_cast<const ElfW(auxv_t)*>(end + 1);
  EXPECT_EQ(entries[0].a_type, proc[0].a_type);
  EXPECT_EQ(entries[proc.size() - 1].a_type, static_cast<uint64_t>(AT_NULL));
}

TEST(InitialStack, StringsLieOneBehindTheOther) {
  const char* at = arguments[0];
  for (const auto* texts : {&arguments, &variables}) {
    for (const char* text : *texts) {
      EXPECT_EQ(text, at);
      at += strlen(text) + 1;
    }
  }
  // The file's name is the last of them, and eight zeros end the stack.
  EXPECT_EQ(reinterpret_cast<const char*>(getauxval(AT_EXECFN)), at);
  at += strlen(at) + 1;
  EXPECT_EQ((reinterpret_cast<uintptr_t>(at) + 8) % kPage, 0u);
  EXPECT_EQ(strlen(at), 0u);
}

}  // namespace
}  // namespace compat
