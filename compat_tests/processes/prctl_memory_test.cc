// prctl(2) about memory: PR_SET_MM, PR_GET_AUXV, PR_SET_VMA, PR_SET_MDWE; and settings that are
// only kept.
#include <elf.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"
#include "compat_tests/processes/child.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#define PR_GET_IO_FLUSHER 58
#endif

namespace compat {
namespace {

constexpr int kRefuseExecGain = 1, kNoInherit = 2;

using Words = std::vector<unsigned long>;
using LongArgument = unsigned long;

int option(int number, LongArgument a = 0, LongArgument b = 0, LongArgument c = 0,
           LongArgument d = 0) {
  return prctl(number, a, b, c, d);
}
LongArgument number_of(const void* address) {
  return reinterpret_cast<LongArgument>(address);
}

bool has_capability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return syscall(SYS_capget, &header, data) == 0 &&
         (data[capability / 32].effective >> capability % 32 & 1);
}

// Fields of /proc/self/stat, counted as in proc_pid_stat(5).
LongArgument stat_field(int field) {
  std::istringstream text(read_file("/proc/self/stat"));
  std::string word;
  std::getline(text, word, ')');
  for (int i = 3; i <= field; ++i) text >> word;
  return std::stoul(word);
}

prctl_mm_map current_map() {
  prctl_mm_map map = {};
  map.start_code = stat_field(26);
  map.end_code = stat_field(27);
  map.start_stack = stat_field(28);
  map.start_data = stat_field(45);
  map.end_data = stat_field(46);
  map.start_brk = stat_field(47);
  map.brk = number_of(sbrk(0));
  map.arg_start = stat_field(48);
  map.arg_end = stat_field(49);
  map.env_start = stat_field(50);
  map.env_end = stat_field(51);
  map.exe_fd = ~0u;
  return map;
}

TEST(MemoryMap, SizeIsTold) {
  unsigned size = 0;
  ASSERT_OK(option(PR_SET_MM, PR_SET_MM_MAP_SIZE, number_of(&size)));
  EXPECT_EQ(sizeof(prctl_mm_map), size);
  EXPECT_ERRNO(EFAULT, option(PR_SET_MM, PR_SET_MM_MAP_SIZE, number_of(bad_pointer<int>())));
}

TEST(MemoryMap, ArgumentsMayMove) {
  EXPECT_EQ(0, run_child([] {
              // Linux shows anonymous memory only.
              const std::string fresh("another name, which is long\0and argument\0", 41);
              prctl_mm_map map = current_map();
              map.arg_start = number_of(fresh.data());
              map.arg_end = map.arg_start + fresh.size();
              if (option(PR_SET_MM, PR_SET_MM_MAP, number_of(&map), sizeof map) != 0) return errno;
              if (read_file("/proc/self/cmdline") != fresh) return 251;
              return stat_field(48) == map.arg_start ? 0 : 252;
            }));
}

TEST(MemoryMap, IsChecked) {
  const prctl_mm_map good = current_map();
  const auto try_map = [](const prctl_mm_map& map) {
    return option(PR_SET_MM, PR_SET_MM_MAP, number_of(&map), sizeof map);
  };
  ASSERT_OK(try_map(good));
  EXPECT_ERRNO(EINVAL, option(PR_SET_MM, PR_SET_MM_MAP, number_of(&good), sizeof good - 8));
  EXPECT_ERRNO(EFAULT,
               option(PR_SET_MM, PR_SET_MM_MAP, number_of(bad_pointer<int>()), sizeof good));
  EXPECT_ERRNO(EINVAL, option(PR_SET_MM, PR_SET_MM_MAP, number_of(&good), sizeof good, 1));
  prctl_mm_map map = good;
  map.end_code = map.start_code;
  EXPECT_ERRNO(EINVAL, try_map(map));
  map = good;
  map.arg_end = map.arg_start - 1;
  EXPECT_ERRNO(EINVAL, try_map(map));
  map = good;
  map.start_stack = 1;
  EXPECT_ERRNO(EINVAL, try_map(map));
  map = good;
  map.env_end = 1ul << 62;
  EXPECT_ERRNO(EINVAL, try_map(map));
  map = good;
  map.auxv_size = 16;
  EXPECT_ERRNO(EINVAL, try_map(map));
  map.auxv_size = 16'384;
  map.auxv = reinterpret_cast<decltype(map.auxv)>(&map);
  EXPECT_ERRNO(EINVAL, try_map(map));
  map = good;
  map.exe_fd = 999;
  EXPECT_ERRNO(EBADF, try_map(map));
  EXPECT_ERRNO(EINVAL, option(PR_SET_MM, 77, 1 << 20, 0, 1));
}

TEST(MemoryMap, PartsNeedARight) {
  const prctl_mm_map good = current_map();
  if (!has_capability(CAP_SYS_RESOURCE)) {
    EXPECT_ERRNO(EPERM, option(PR_SET_MM, PR_SET_MM_ARG_START, good.arg_start));
    GTEST_SKIP() << "no CAP_SYS_RESOURCE";
  }
  EXPECT_OK(option(PR_SET_MM, PR_SET_MM_ARG_START, good.arg_start));
  EXPECT_OK(option(PR_SET_MM, PR_SET_MM_BRK, good.brk));
  EXPECT_OK(option(PR_SET_MM, PR_SET_MM_START_CODE, good.start_code));
  EXPECT_ERRNO(EINVAL, option(PR_SET_MM, PR_SET_MM_START_CODE, good.end_code));
  EXPECT_ERRNO(EINVAL, option(PR_SET_MM, PR_SET_MM_ARG_START, 1));
  EXPECT_ERRNO(EINVAL, option(PR_SET_MM, PR_SET_MM_ARG_START, good.arg_start, 1));
  EXPECT_ERRNO(EINVAL, option(PR_SET_MM, 99, good.arg_start));
}

TEST(MemoryMap, AuxiliaryVectorMayChange) {
  EXPECT_EQ(0, run_child([] {
              const Words fresh = {AT_UID, 4711, AT_PAGESZ, 4096, 0, 0};
              prctl_mm_map map = current_map();
              map.auxv = reinterpret_cast<decltype(map.auxv)>(const_cast<LongArgument*>(&fresh[0]));
              map.auxv_size = unsigned(fresh.size() * sizeof fresh[0]);
              if (option(PR_SET_MM, PR_SET_MM_MAP, number_of(&map), sizeof map) != 0) return errno;
              const std::string shown = read_file("/proc/self/auxv");
              if (shown.size() != map.auxv_size) return 250;
              return memcmp(shown.data(), &fresh[0], shown.size()) == 0 ? 0 : 251;
            }));
}

TEST(AuxiliaryVector, IsTold) {
  const std::string shown = read_file("/proc/self/auxv");
  LongArgument words[256];
  memset(words, 0xff, sizeof words);
  const int size = option(PR_GET_AUXV, number_of(words), sizeof words);
  ASSERT_GE(size, int(shown.size()));
  EXPECT_EQ(0, memcmp(words, shown.data(), shown.size()));
  LongArgument few[3] = {0, 0, 7};
  EXPECT_EQ(size, option(PR_GET_AUXV, number_of(few), 16));
  EXPECT_EQ(words[1], few[1]);
  EXPECT_EQ(7ul, few[2]);
  EXPECT_EQ(size, option(PR_GET_AUXV, 0, 0));
  EXPECT_ERRNO(EFAULT, option(PR_GET_AUXV, number_of(bad_pointer<int>()), 16));
  EXPECT_ERRNO(EINVAL, option(PR_GET_AUXV, number_of(few), 16, 1));
}

// --- names of anonymous memory

class MemoryName : public testing::Test {
 protected:
  void SetUp() override {
    at = static_cast<char*>(
        mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(MAP_FAILED, at);
    if (name(at, kPage, "probe") != 0) GTEST_SKIP() << "a Linux without CONFIG_ANON_VMA_NAME";
    ASSERT_OK(name(at, kPage, nullptr));
  }
  void TearDown() override { munmap(at, 4 * kPage); }
  static int name(const void* start, size_t size, const char* text) {
    return option(PR_SET_VMA, PR_SET_VMA_ANON_NAME, number_of(start), size, number_of(text));
  }
  static std::string shown(const void* address) {
    std::istringstream lines(read_file("/proc/self/maps"));
    std::string line;
    while (std::getline(lines, line)) {
      LongArgument start, end;
      int name_at = 0;
      if (sscanf(line.c_str(), "%lx-%lx %*s %*s %*s %*s %n", &start, &end, &name_at) < 2) continue;
      if (start <= number_of(address) && number_of(address) < end)
        return name_at ? line.substr(size_t(name_at)) : "";
    }
    return "not mapped";
  }
  char* at = nullptr;
};

TEST_F(MemoryName, IsShown) {
  ASSERT_OK(name(at + kPage, kPage, "my memory"));
  EXPECT_EQ("", shown(at));
  EXPECT_EQ("[anon:my memory]", shown(at + kPage));
  EXPECT_EQ("", shown(at + 2 * kPage));
  ASSERT_OK(name(at, 4 * kPage, nullptr));
  EXPECT_EQ("", shown(at + kPage));
}

TEST_F(MemoryName, IsInherited) {
  ASSERT_OK(name(at, 2 * kPage, "mine"));
  char* page = at + kPage;
  EXPECT_EQ(0, run_child([&] { return shown(page) == "[anon:mine]" ? 0 : 1; }));
}

TEST_F(MemoryName, OfSharedMemory) {
  void* shared = mmap(nullptr, kPage, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_OK(name(shared, kPage, "both"));
  EXPECT_EQ("[anon_shmem:both]", shown(shared));
  munmap(shared, kPage);
}

TEST_F(MemoryName, IsChecked) {
  EXPECT_ERRNO(EINVAL, name(at + 1, kPage, "a"));
  EXPECT_ERRNO(EINVAL, name(at, kPage, "a\nb"));
  EXPECT_ERRNO(EINVAL, name(at, kPage, "a[b"));
  EXPECT_ERRNO(EINVAL, name(at, kPage, std::string(80, 'x').c_str()));
  EXPECT_OK(name(at, kPage, std::string(79, 'x').c_str()));
  EXPECT_ERRNO(EFAULT, name(at, kPage, bad_pointer<char>()));
  EXPECT_OK(name(at, 0, "a"));
  munmap(at + kPage, kPage);
  EXPECT_ERRNO(ENOMEM, name(at, 4 * kPage, "holed"));
  EXPECT_EQ("[anon:holed]", shown(at + 2 * kPage));
  Fd file(open("/proc/self/exe", O_RDONLY));
  void* mapped = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, file, 0);
  EXPECT_ERRNO(EBADF, name(mapped, kPage, "a"));
  munmap(mapped, kPage);
  EXPECT_ERRNO(EINVAL, option(PR_SET_VMA, 1, number_of(at), kPage, 0));
}

// --- memory that is written and executed

// Runs in a child, whose rule ends with it.
template <class Body>
int with_rule(int rule, Body body) {
  return run_child([&] {
    if (option(PR_SET_MDWE, LongArgument(rule)) != 0) return errno;
    return body();
  });
}
void* anonymous(int protection) {
  return mmap(nullptr, kPage, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

TEST(WriteOrExecute, IsKept) {
  if (option(PR_GET_MDWE) == -1) GTEST_SKIP() << "before Linux 6.3";
  EXPECT_EQ(0, option(PR_GET_MDWE));
  EXPECT_EQ(0, with_rule(kRefuseExecGain, [] {
              if (option(PR_GET_MDWE) != kRefuseExecGain) return 1;
              if (option(PR_SET_MDWE, 0) == 0 || errno != EPERM) return 2;
              if (option(PR_SET_MDWE, kRefuseExecGain) != 0) return 3;
              if (option(PR_SET_MDWE, kRefuseExecGain | kNoInherit) == 0 || errno != EPERM)
                return 4;
              return run_child([] { return option(PR_GET_MDWE) == kRefuseExecGain ? 0 : 5; });
            }));
  EXPECT_EQ(0, with_rule(kRefuseExecGain | kNoInherit,
                         [] { return run_child([] { return option(PR_GET_MDWE); }); }));
}

TEST(WriteOrExecute, ArgumentsAreChecked) {
  if (option(PR_GET_MDWE) == -1) GTEST_SKIP() << "before Linux 6.3";
  EXPECT_ERRNO(EINVAL, option(PR_SET_MDWE, 4));
  EXPECT_ERRNO(EINVAL, option(PR_SET_MDWE, kNoInherit));
  EXPECT_ERRNO(EINVAL, option(PR_SET_MDWE, kRefuseExecGain, 1));
  EXPECT_ERRNO(EINVAL, option(PR_GET_MDWE, 1));
  EXPECT_EQ(0, option(PR_GET_MDWE));
}

TEST(WriteOrExecute, IsRefused) {
  if (option(PR_GET_MDWE) == -1) GTEST_SKIP() << "before Linux 6.3";
  EXPECT_EQ(0, with_rule(kRefuseExecGain, [] {
              if (anonymous(PROT_READ | PROT_WRITE | PROT_EXEC) != MAP_FAILED) return 1;
              if (errno != EACCES) return 2;
              void* code = anonymous(PROT_READ | PROT_EXEC);
              if (code == MAP_FAILED) return 3;
              if (mprotect(code, kPage, PROT_READ | PROT_EXEC) != 0) return 4;
              if (mprotect(code, kPage, PROT_WRITE | PROT_EXEC) == 0 || errno != EACCES) return 5;
              void* data = anonymous(PROT_READ | PROT_WRITE);
              if (mprotect(data, kPage, PROT_READ) != 0) return 6;
              if (mprotect(data, kPage, PROT_READ | PROT_EXEC) == 0 || errno != EACCES) return 7;
              // What loses the right does not get it back.
              if (mprotect(code, kPage, PROT_READ) != 0) return 8;
              return mprotect(code, kPage, PROT_READ | PROT_EXEC) == -1 && errno == EACCES ? 0 : 9;
            }));
}

// --- what is only kept

TEST(KeptOption, IoFlusher) {
  if (!has_capability(CAP_SYS_RESOURCE)) {
    EXPECT_ERRNO(EPERM, option(PR_GET_IO_FLUSHER));
    GTEST_SKIP() << "no CAP_SYS_RESOURCE";
  }
  in_thread([] {
    EXPECT_EQ(0, option(PR_GET_IO_FLUSHER));
    ASSERT_OK(option(PR_SET_IO_FLUSHER, 1));
    EXPECT_EQ(1, option(PR_GET_IO_FLUSHER));
    EXPECT_ERRNO(EINVAL, option(PR_SET_IO_FLUSHER, 2));
    EXPECT_ERRNO(EINVAL, option(PR_SET_IO_FLUSHER, 0, 1));
    EXPECT_ERRNO(EINVAL, option(PR_GET_IO_FLUSHER, 1));
    ASSERT_OK(option(PR_SET_IO_FLUSHER, 0));
    EXPECT_EQ(0, option(PR_GET_IO_FLUSHER));
  });
}

TEST(KeptOption, MachineChecks) {
  in_thread([] {
    EXPECT_EQ(PR_MCE_KILL_DEFAULT, option(PR_MCE_KILL_GET));
    ASSERT_OK(option(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY));
    EXPECT_EQ(PR_MCE_KILL_EARLY, option(PR_MCE_KILL_GET));
    ASSERT_OK(option(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE));
    EXPECT_EQ(PR_MCE_KILL_LATE, option(PR_MCE_KILL_GET));
    EXPECT_ERRNO(EINVAL, option(PR_MCE_KILL, PR_MCE_KILL_SET, 3));
    EXPECT_ERRNO(EINVAL, option(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1));
    EXPECT_ERRNO(EINVAL, option(PR_MCE_KILL, 2));
    ASSERT_OK(option(PR_MCE_KILL, PR_MCE_KILL_CLEAR));
    EXPECT_EQ(PR_MCE_KILL_DEFAULT, option(PR_MCE_KILL_GET));
  });
}

TEST(KeptOption, PerformanceEvents) {
  EXPECT_EQ(0, option(PR_TASK_PERF_EVENTS_DISABLE));
  EXPECT_EQ(0, option(PR_TASK_PERF_EVENTS_ENABLE));
}

}  // namespace
}  // namespace compat
