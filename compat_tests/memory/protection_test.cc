// mprotect(2); what a forbidden access reports; code that a program writes for itself.
#include <signal.h>
#include <ucontext.h>

#include "compat_tests/common/fault.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

uintptr_t number(const volatile void* address) {
  return reinterpret_cast<uintptr_t>(address);
}

void expect_fault(const Fault& fault, int code, const volatile void* address) {
  EXPECT_EQ(SIGSEGV, fault.signal);
  EXPECT_EQ(code, fault.code);
  EXPECT_EQ(number(address), fault.address);
}

// int f() { return value; }
std::string function_returning(int value) {
  std::string code = "\xb8....\xc3";  // mov $value, %eax; ret
  memcpy(code.data() + 1, &value, sizeof value);
  return code;
}

int call(const void* code) {
  return reinterpret_cast<int (*)()>(reinterpret_cast<uintptr_t>(code))();
}

TEST(Protection, UnmappedAddress) {
  char* address = Mapping(1).data() + 123;
  expect_fault(fault_of_read(address), SEGV_MAPERR, address);
  expect_fault(fault_of_write(address), SEGV_MAPERR, address);
}

TEST(Protection, NullPointer) {
  auto* null = bad_pointer<char>() - 64;
  expect_fault(fault_of_read(null), SEGV_MAPERR, nullptr);
  expect_fault(fault_of_write(null), SEGV_MAPERR, nullptr);
}

TEST(Protection, ReadOnlyPage) {
  Mapping map(1, PROT_READ);
  EXPECT_TRUE(can_read(map.data()));
  expect_fault(fault_of_write(map.data() + 77), SEGV_ACCERR, map.data() + 77);
}

TEST(Protection, ForbiddenPage) {
  Mapping map(1, PROT_NONE);
  expect_fault(fault_of_read(map.data() + 5), SEGV_ACCERR, map.data() + 5);
  expect_fault(fault_of_write(map.data() + 5), SEGV_ACCERR, map.data() + 5);
}

TEST(Protection, WritableMeansReadable) {
  Mapping map(1, PROT_WRITE);
  EXPECT_TRUE(can_write(map.data()));
  EXPECT_TRUE(can_read(map.data()));
}

TEST(Protection, KernelAddress) {
  auto* kernel = reinterpret_cast<volatile char*>(0xffff'8880'0000'0000);
  EXPECT_EQ(SIGSEGV, fault_of_read(kernel).signal);
  EXPECT_EQ(SIGSEGV, fault_of_write(kernel).signal);
  EXPECT_EQ(SEGV_MAPERR, fault_of_read(kernel).code);
}

TEST(Protection, AddressThatIsNoAddress) {
  // The processor raises #GP and does not say for which address.
  const Fault fault = fault_of_read(reinterpret_cast<volatile char*>(0x1234'5678'9abc'def0));
  EXPECT_EQ(SIGSEGV, fault.signal);
  EXPECT_EQ(SI_KERNEL, fault.code);
  EXPECT_EQ(0u, fault.address);
}

TEST(Protection, ChangesBackAndForth) {
  Mapping map(1);
  map[0] = 7;
  ASSERT_OK(mprotect(map.data(), kPage, PROT_NONE));
  EXPECT_FALSE(can_read(map.data()));
  ASSERT_OK(mprotect(map.data(), kPage, PROT_READ));
  EXPECT_EQ(7, map[0]);
  EXPECT_FALSE(can_write(map.data()));
  ASSERT_OK(mprotect(map.data(), kPage, kReadWrite));
  map[0] = 8;
  EXPECT_EQ(8, map[0]);
}

TEST(Protection, PartOfAMapping) {
  Mapping map(3);
  ASSERT_OK(mprotect(map.page(1), kPage, PROT_READ));
  EXPECT_TRUE(can_write(map.page(0)));
  EXPECT_FALSE(can_write(map.page(1)));
  EXPECT_TRUE(can_write(map.page(2)));
}

TEST(Protection, UntouchedPagesToo) {
  Mapping map(2, PROT_READ);
  EXPECT_EQ(0, map[0]);  // only this page was ever looked at
  ASSERT_OK(mprotect(map.data(), 2 * kPage, kReadWrite));
  map[0] = 1;
  map[kPage] = 2;
  EXPECT_EQ(1, map[0]);
  EXPECT_EQ(2, map[kPage]);
}

TEST(Protection, Errors) {
  Mapping map(2);
  EXPECT_ERRNO(EINVAL, mprotect(map.data() + 1, kPage, PROT_READ));
  EXPECT_ERRNO(EINVAL, mprotect(map.data(), kPage, 0x1000));
  EXPECT_ERRNO(EINVAL, mprotect(map.data(), kPage, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN));
  EXPECT_ERRNO(ENOMEM, mprotect(map.data(), SIZE_MAX - 2 * kPage, PROT_READ));
  EXPECT_OK(mprotect(map.data(), 0, PROT_READ));
  EXPECT_TRUE(can_write(map.data()));
}

TEST(Protection, StopsAtAHole) {
  Mapping map(3);
  ASSERT_OK(munmap(map.page(1), kPage));
  EXPECT_ERRNO(ENOMEM, mprotect(map.data(), 3 * kPage, PROT_READ));
  // What came before the hole has been changed.
  EXPECT_FALSE(can_write(map.page(0)));
  EXPECT_TRUE(can_write(map.page(2)));
}

TEST(Protection, SystemCallsObey) {
  Mapping map(1, PROT_READ);
  Fd zero(open("/dev/zero", O_RDONLY));
  EXPECT_ERRNO(EFAULT, read(zero, map.data(), 10));
  ASSERT_OK(mprotect(map.data(), kPage, PROT_NONE));
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader(ends[0]), writer(ends[1]);
  EXPECT_ERRNO(EFAULT, write(writer, map.data(), 10));
}

TEST(Protection, DataIsNotCode) {
  Mapping map(1);
  const std::string code = function_returning(42);
  memcpy(map.data(), code.data(), code.size());
  const Fault fault = catch_fault([&] { call(map.data()); });
  expect_fault(fault, SEGV_ACCERR, map.data());
}

TEST(SelfMadeCode, WrittenThenMadeExecutable) {
  Mapping map(1);
  const std::string code = function_returning(42);
  memcpy(map.data(), code.data(), code.size());
  ASSERT_OK(mprotect(map.data(), kPage, PROT_READ | PROT_EXEC));
  EXPECT_EQ(42, call(map.data()));
  EXPECT_FALSE(can_write(map.data()));
}

TEST(SelfMadeCode, WritableAndExecutable) {
  Mapping map(1, kReadWrite | PROT_EXEC);
  for (int value = 0; value < 100; ++value) {
    const std::string code = function_returning(value);
    memcpy(map.data(), code.data(), code.size());
    ASSERT_EQ(value, call(map.data()));
  }
}

TEST(SelfMadeCode, ChangedAgainAndAgain) {
  Mapping map(1);
  for (int value = 0; value < 20; ++value) {
    ASSERT_OK(mprotect(map.data(), kPage, kReadWrite));
    const std::string code = function_returning(value);
    memcpy(map.data() + 16 * value, code.data(), code.size());
    ASSERT_OK(mprotect(map.data(), kPage, PROT_READ | PROT_EXEC));
    ASSERT_EQ(value, call(map.data() + 16 * value));
  }
}

TEST(SelfMadeCode, OnePageMappedTwice) {
  Fd fd(memfd_create("code", 0));
  ASSERT_OK(ftruncate(fd, kPage));
  Mapping writable(fd, 1, kReadWrite, MAP_SHARED);
  Mapping executable(fd, 1, PROT_READ | PROT_EXEC, MAP_SHARED);
  for (const int value : {1, 2}) {
    const std::string code = function_returning(value);
    memcpy(writable.data(), code.data(), code.size());
    EXPECT_EQ(value, call(executable.data()));
  }
}

TEST(SelfMadeCode, FromAFile) {
  TempDir dir;
  write_file(dir / "code", function_returning(43));
  Fd fd(open((dir / "code").c_str(), O_RDONLY));
  Mapping map(fd, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE);
  EXPECT_EQ(43, call(map.data()));
}

TEST(SelfMadeCode, MakesSystemCalls) {
  // mov $39, %eax; syscall; ret: getpid
  Mapping map(1, kReadWrite | PROT_EXEC);
  memcpy(map.data(), "\xb8\x27\x00\x00\x00\x0f\x05\xc3", 8);
  EXPECT_EQ(getpid(), call(map.data()));
}

// A handler that makes the page accessible, so that the instruction succeeds when it is repeated:
// what garbage collectors and persistent heaps live on.
char* repaired_page;
volatile int repairs;

void repair(int, siginfo_t* info, void* context) {
  repairs = repairs + 1;
  const auto* state = static_cast<ucontext_t*>(context);
  // The page fault's error code: bit 1 is set for a write.
  const bool write = (state->uc_mcontext.gregs[REG_ERR] & 2) != 0;
  if (info->si_addr == repaired_page + 40 && write) mprotect(repaired_page, kPage, kReadWrite);
}

TEST(Protection, HandlerRepairsThePage) {
  Mapping map(1, PROT_READ);
  repaired_page = map.data();
  repairs = 0;
  struct sigaction action = {}, old_action;
  action.sa_sigaction = repair;
  action.sa_flags = SA_SIGINFO;
  ASSERT_OK(sigaction(SIGSEGV, &action, &old_action));
  *static_cast<volatile char*>(map.data() + 40) = 7;
  ASSERT_OK(sigaction(SIGSEGV, &old_action, nullptr));
  EXPECT_EQ(7, map[40]);
  EXPECT_EQ(1, repairs);
}

}  // namespace
}  // namespace compat
