// Code with system calls in it that is made, changed, moved, copied and read.
#include "compat_tests/common/code.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace compat {
namespace {

Code bytes_at(const unsigned char* at, size_t size) {
  return Code(at, at + size);
}

// The number in a function that calling() made.
void set_number(unsigned char* code, long number) {
  const auto n = static_cast<unsigned>(number);
  memcpy(code + 1, &n, sizeof n);
}

TEST(Code, IsWhatWasWrittenWhenItCanBeWrittenAgain) {
  const Code original = calling(SYS_getpid);
  const MadeCode code(original);
  code.warm();
  code.protect(PROT_READ | PROT_WRITE);
  EXPECT_EQ(original, bytes_at(code.start(), original.size()));
  set_number(code.start(), SYS_getppid);
  code.protect(PROT_READ | PROT_EXEC);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(getppid(), code());
}

TEST(Code, ChangesAgainAndAgain) {
  const MadeCode code(calling(SYS_getpid));
  for (int i = 0; i < 20; ++i) {
    code.protect(PROT_READ | PROT_WRITE);
    set_number(code.start(), i % 2 ? SYS_getpid : SYS_getppid);
    code.protect(PROT_READ | PROT_EXEC);
    for (int times = 0; times < 4; ++times) EXPECT_EQ(i % 2 ? getpid() : getppid(), code());
  }
}

TEST(Code, WritableAndExecutable) {
  const MadeCode code(calling(SYS_getpid));
  code.protect(PROT_READ | PROT_WRITE | PROT_EXEC);
  code.warm();
  for (int i = 0; i < 20; ++i) {
    set_number(code.start(), i % 2 ? SYS_getpid : SYS_getppid);
    EXPECT_EQ(i % 2 ? getpid() : getppid(), code());
  }
  EXPECT_EQ(calling(SYS_getpid), bytes_at(code.start(), calling(0).size()));
}

TEST(Code, WrittenThroughTheFileOfProc) {
  const Code original = calling(SYS_getpid);
  const MadeCode code(original);
  code.warm();
  const Fd memory = open("/proc/self/mem", O_RDWR);
  ASSERT_OK(memory);
  Code read(original.size());
  ASSERT_EQ(static_cast<ssize_t>(read.size()),
            pread(memory, read.data(), read.size(), static_cast<off_t>(code.address())));
  EXPECT_EQ(original, read);
  const auto number = static_cast<unsigned char>(SYS_getppid);
  ASSERT_EQ(1, pwrite(memory, &number, 1, static_cast<off_t>(code.address(1))));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(getppid(), code());
}

TEST(Code, ReadAsAnotherProcessReadsIt) {
  const Code original = calling(SYS_getpid);
  const MadeCode code(original);
  code.warm();
  // All of it, its middle, and over its ends.
  for (size_t from = 0; from < 12; ++from) {
    for (size_t size = 1; size < 16; ++size) {
      Code got(size);
      iovec to = {got.data(), size};
      iovec what = {code.start() - 4 + from, size};
      ASSERT_EQ(static_cast<ssize_t>(size), process_vm_readv(getpid(), &to, 1, &what, 1, 0));
      Code page(kPage, 0x90);
      memcpy(page.data() + MadeCode::kBegin, original.data(), original.size());
      EXPECT_EQ(bytes_at(page.data() + MadeCode::kBegin - 4 + from, size), got);
    }
  }
}

TEST(Code, SharedMappingChangedByAnother) {
  const Fd file = memfd_create("code", 0);
  ASSERT_OK(ftruncate(file, kPage));
  auto* writer = static_cast<unsigned char*>(
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  ASSERT_NE(MAP_FAILED, static_cast<void*>(writer));
  const Code code = calling(SYS_getpid);
  memcpy(writer, code.data(), code.size());
  for (const int kind : {MAP_SHARED, MAP_PRIVATE}) {
    set_number(writer, SYS_getpid);
    void* const page = mmap(nullptr, kPage, PROT_READ | PROT_EXEC, kind, file, 0);
    ASSERT_NE(MAP_FAILED, page);
    const auto call = reinterpret_cast<long (*)()>(page);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(getpid(), call());
    EXPECT_EQ(code, bytes_at(writer, code.size()));
    set_number(writer, SYS_getppid);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(getppid(), call());
    munmap(page, kPage);
  }
  munmap(writer, kPage);
}

TEST(Code, Moves) {
  MadeCode code(calling(SYS_getpid));
  code.warm();
  unsigned char* const old = code.page();
  // As far away as it can be.
  void* const place = mmap(reinterpret_cast<void*>(0x1000'0000), kPage, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(MAP_FAILED, place);
  ASSERT_EQ(place, mremap(code.page(), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, place));
  code.moved_to(place);
  EXPECT_EQ(calling(SYS_getpid), bytes_at(code.start(), calling(0).size()));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(getpid(), code());
  // Another at the place where it was.
  auto* const again = static_cast<unsigned char*>(
      mmap(old, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  ASSERT_EQ(old, again);
  const Code other = calling(SYS_getppid);
  memcpy(again + MadeCode::kBegin, other.data(), other.size());
  ASSERT_OK(mprotect(again, kPage, PROT_READ | PROT_EXEC));
  const auto call = reinterpret_cast<long (*)()>(again + MadeCode::kBegin);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(getppid(), call());
  munmap(again, kPage);
}

TEST(Code, GoneAndThereAgain) {
  for (int i = 0; i < 20; ++i) {
    const MadeCode code(calling(i % 2 ? SYS_getpid : SYS_getppid));
    for (int times = 0; times < 4; ++times) EXPECT_EQ(i % 2 ? getpid() : getppid(), code());
  }
}

TEST(Code, ThrownAway) {
  const MadeCode code(calling(SYS_getpid));
  code.warm();
  ASSERT_OK(madvise(code.page(), kPage, MADV_DONTNEED));
  EXPECT_EQ(Code(16, 0), bytes_at(code.start(), 16));
}

// At the beginning of a mapping nothing comes before; at its end nothing behind.
TEST(Code, AtTheEndsOfAMapping) {
  const Code code = calling(SYS_getpid);
  for (const size_t begin : {size_t{0}, size_t{1}, kPage - code.size()}) {
    const MadeCode made(code, begin);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(getpid(), made());
  }
}

// Between functions there may be zeros.
TEST(Code, BehindPadding) {
  for (size_t zeros = 0; zeros < 16; ++zeros) {
    const Code padding = joined({{0xc3}, Code(zeros)});
    const MadeCode code(joined({padding, calling(SYS_getpid)}));
    const auto call = reinterpret_cast<long (*)()>(code.start() + padding.size());
    for (int i = 0; i < 8; ++i) EXPECT_EQ(getpid(), call());
  }
}

// Two pages, and a call that lies on both.
TEST(Code, AcrossPages) {
  const Code code = calling(SYS_getpid);
  auto* const pages = static_cast<unsigned char*>(
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(MAP_FAILED, static_cast<void*>(pages));
  for (size_t first = 0; first <= code.size(); ++first) {
    memset(pages, 0x90, 2 * kPage);
    unsigned char* const start = pages + kPage - first;
    memcpy(start, code.data(), code.size());
    ASSERT_OK(mprotect(pages, 2 * kPage, PROT_READ | PROT_EXEC));
    const auto call = reinterpret_cast<long (*)()>(start);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(getpid(), call());
    ASSERT_OK(mprotect(pages, 2 * kPage, PROT_READ | PROT_WRITE));
    EXPECT_EQ(code, bytes_at(start, code.size()));
  }
  munmap(pages, 2 * kPage);
}

// A jump to the call itself, with another number.
TEST(Code, CallReachedByAJump) {
  const MadeCode code(calling(SYS_getpid));
  code.warm();
  for (int i = 0; i < 8; ++i) {
    long result = SYS_getppid;
    asm volatile("leaq -256(%%rsp), %%rsp\n\tcall *%[at]\n\tleaq 256(%%rsp), %%rsp"
                 : "+a"(result)
                 : [at] "r"(code.start() + kCallAt)
                 : "rcx", "r11", "memory");
    EXPECT_EQ(getppid(), result);
    EXPECT_EQ(getpid(), code());
  }
}

// `movl $number, %r8d` ends like a mov to eax.
TEST(Code, NumberOfAnotherRegister) {
  const MadeCode code(joined({{0x89, 0xf8, 0x41}, calling(SYS_getpid)}));
  for (int i = 0; i < 8; ++i) {
    long result = SYS_getpid;
    unsigned long eighth = 0;
    asm volatile(
        "leaq -256(%%rsp), %%rsp\n\t"
        "call *%[at]\n\t"
        "leaq 256(%%rsp), %%rsp\n\t"
        "movq %%r8, %[eighth]"
        : "=a"(result), [eighth] "=r"(eighth)
        : [at] "r"(code.start()), "D"(SYS_getpid)
        : "rcx", "r8", "r11", "memory");
    EXPECT_EQ(getpid(), result);
    EXPECT_EQ(static_cast<unsigned long>(SYS_getpid), eighth);
  }
}

TEST(Code, NumberFromARegister) {
  const MadeCode code(calling_what_is_asked());
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(getpid(), code(SYS_getpid));
    EXPECT_EQ(getppid(), code(SYS_getppid));
    EXPECT_EQ(-ENOSYS, code(1000));
    EXPECT_EQ(-EBADF, code(SYS_fsync));  // edi is the number, and no descriptor
  }
}

// The whole space between the highest mapping below the stack and the stack is free.
TEST(Code, NothingIsInTheWay) {
  const MadeCode code(calling(SYS_getpid));
  code.warm();
  FILE* const maps = fopen("/proc/self/maps", "r");
  ASSERT_NE(nullptr, maps);
  unsigned long start = 0, end = 0, below = 0, stack = 0;
  char line[512];
  while (stack == 0 && fgets(line, sizeof line, maps)) {
    ASSERT_EQ(2, sscanf(line, "%lx-%lx", &start, &end));
    if (strstr(line, "[stack]")) stack = start;
    if (stack == 0) below = end;
  }
  fclose(maps);
  constexpr unsigned long kRoomOfTheStack = 32ul << 20;
  ASSERT_GT(stack - below, 2 * kRoomOfTheStack);
  const size_t size = stack - kRoomOfTheStack - below;
  void* const at = reinterpret_cast<void*>(below);
  ASSERT_EQ(at, mmap(at, size, PROT_READ,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0));
  for (size_t page = 0; page < (16ul << 20); page += kPage)
    ASSERT_EQ(0, *static_cast<const volatile char*>(static_cast<char*>(at) + page));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(getpid(), code());
  EXPECT_OK(munmap(at, size));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(getpid(), code());
}

int status_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  return status;
}

TEST(Code, ChildHasItsOwn) {
  const MadeCode code(calling(SYS_getpid));
  const MadeCode other(calling(SYS_getppid));
  code.warm();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    int wrong = 0;
    for (int i = 0; i < 8; ++i) {
      wrong += code() == parent;
      wrong += other() != parent;
    }
    code.protect(PROT_READ | PROT_WRITE);
    wrong += bytes_at(code.start(), calling(0).size()) != calling(SYS_getpid);
    set_number(code.start(), SYS_getppid);
    code.protect(PROT_READ | PROT_EXEC);
    for (int i = 0; i < 8; ++i) wrong += code() != parent;
    _exit(wrong);
  }
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(parent, code());
    EXPECT_EQ(getppid(), other());
  }
  EXPECT_EQ(0, status_of(child));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(parent, code());
}

// The child of vfork(2) runs on its parent's memory, and makes calls at the parent's places.
TEST(Code, ChildOnTheParentsMemory) {
  const MadeCode code(calling(SYS_getpid));
  code.warm();
  volatile pid_t seen = 0;
  const pid_t child = vfork();
  if (child == 0) {
    for (int i = 0; i < 8; ++i) seen = static_cast<pid_t>(code());
    _exit(0);
  }
  EXPECT_EQ(0, status_of(child));
  EXPECT_EQ(child, seen);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(getpid(), code());
}

}  // namespace
}  // namespace compat
