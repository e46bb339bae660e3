// The vDSO (vdso(7)): found as a program without a C library would find it, its calls against the
// kernel's.
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/fault.h"

namespace compat {
namespace {

// An ELF image in memory that was mapped as a whole.
class Vdso {
 public:
  Vdso() : base_(getauxval(AT_SYSINFO_EHDR)) {
    if (base_ == 0) return;
    const auto* const headers = at<ElfW(Phdr)>(header().e_phoff);
    const ElfW(Dyn)* dynamic = nullptr;
    for (int i = 0; i < header().e_phnum; ++i) {
      if (headers[i].p_type == PT_LOAD) bias_ = base_ + headers[i].p_offset - headers[i].p_vaddr;
    }
    for (int i = 0; i < header().e_phnum; ++i) {
      if (headers[i].p_type == PT_DYNAMIC)
        dynamic = reinterpret_cast<const ElfW(Dyn)*>(bias_ + headers[i].p_vaddr);
    }
    for (; dynamic != nullptr && dynamic->d_tag != DT_NULL; ++dynamic) {
      const uintptr_t address = bias_ + dynamic->d_un.d_ptr;
      if (dynamic->d_tag == DT_STRTAB) names_ = reinterpret_cast<const char*>(address);
      if (dynamic->d_tag == DT_SYMTAB) symbols_ = reinterpret_cast<const ElfW(Sym)*>(address);
      if (dynamic->d_tag == DT_HASH) count_ = reinterpret_cast<const uint32_t*>(address)[1];
      if (dynamic->d_tag == DT_SONAME) name_offset_ = dynamic->d_un.d_val;
    }
  }
  const ElfW(Ehdr) & header() const { return *at<ElfW(Ehdr)>(0); }
  std::string name() const { return names_ + name_offset_; }
  template <class Function>
  Function* find(const char* name) const {
    for (uint32_t i = 0; i < count_; ++i) {
      if (symbols_[i].st_shndx != SHN_UNDEF && strcmp(names_ + symbols_[i].st_name, name) == 0)
        return reinterpret_cast<Function*>(bias_ + symbols_[i].st_value);
    }
    return nullptr;
  }

 private:
  template <class T>
  const T* at(uintptr_t offset) const {
    return reinterpret_cast<const T*>(base_ + offset);
  }
  uintptr_t base_, bias_ = 0;
  const char* names_ = nullptr;
  const ElfW(Sym) * symbols_ = nullptr;
  uint32_t count_ = 0;
  uintptr_t name_offset_ = 0;
};

int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

class VdsoTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(getauxval(AT_SYSINFO_EHDR), 0u); }
  const Vdso vdso_;
  int (*const clock_gettime_)(clockid_t, timespec*) =
      vdso_.find<int(clockid_t, timespec*)>("__vdso_clock_gettime");
  int (*const gettimeofday_)(timeval*,
                             void*) = vdso_.find<int(timeval*, void*)>("__vdso_gettimeofday");
  time_t (*const time_)(time_t*) = vdso_.find<time_t(time_t*)>("__vdso_time");
  long (*const getcpu_)(unsigned*, unsigned*,
                        void*) = vdso_.find<long(unsigned*, unsigned*, void*)>("__vdso_getcpu");
};

TEST_F(VdsoTest, IsAnElfImageForThisMachine) {
  EXPECT_EQ(memcmp(vdso_.header().e_ident, ELFMAG, SELFMAG), 0);
  EXPECT_EQ(vdso_.header().e_type, ET_DYN);
  EXPECT_EQ(vdso_.header().e_machine, EM_X86_64);
  EXPECT_EQ(vdso_.name(), "linux-vdso.so.1");
}

TEST_F(VdsoTest, HasTheFourCallsByBothNames) {
  for (const char* name : {"clock_gettime", "gettimeofday", "time", "getcpu"}) {
    auto* const call = vdso_.find<void()>((std::string("__vdso_") + name).c_str());
    EXPECT_NE(call, nullptr) << name;
    EXPECT_EQ(vdso_.find<void()>(name), call) << name;
  }
}

TEST_F(VdsoTest, ClocksLieBetweenTwoSystemCalls) {
  for (const clockid_t clock :
       {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
        CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_TAI}) {
    for (int i = 0; i < 100; ++i) {
      timespec before, here, after;
      ASSERT_EQ(syscall(SYS_clock_gettime, clock, &before), 0);
      ASSERT_EQ(clock_gettime_(clock, &here), 0);
      ASSERT_EQ(syscall(SYS_clock_gettime, clock, &after), 0);
      ASSERT_LE(nanoseconds(before), nanoseconds(here)) << "clock " << clock;
      ASSERT_LE(nanoseconds(here), nanoseconds(after)) << "clock " << clock;
      ASSERT_LT(here.tv_nsec, 1'000'000'000);
    }
  }
}

TEST_F(VdsoTest, ClocksOfProcessAndThreadWorkToo) {
  for (const clockid_t clock : {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID}) {
    timespec before, here, after;
    ASSERT_EQ(syscall(SYS_clock_gettime, clock, &before), 0);
    ASSERT_EQ(clock_gettime_(clock, &here), 0);
    ASSERT_EQ(syscall(SYS_clock_gettime, clock, &after), 0);
    EXPECT_LE(nanoseconds(before), nanoseconds(here));
    EXPECT_LE(nanoseconds(here), nanoseconds(after));
  }
}

TEST_F(VdsoTest, MonotonicTimeNeverRunsBackwards) {
  timespec last, now;
  ASSERT_EQ(clock_gettime_(CLOCK_MONOTONIC, &last), 0);
  for (int i = 0; i < 20000; ++i) {
    ASSERT_EQ(clock_gettime_(CLOCK_MONOTONIC, &now), 0);
    ASSERT_LE(nanoseconds(last), nanoseconds(now));
    last = now;
  }
}

TEST_F(VdsoTest, UnknownClocksAreErrorsByNumber) {
  timespec time;
  EXPECT_EQ(clock_gettime_(12345, &time), -EINVAL);
  EXPECT_EQ(clock_gettime_(-1, &time), -EINVAL);
  // The C library makes errno of it.
  EXPECT_ERRNO(EINVAL, clock_gettime(12345, &time));
}

TEST_F(VdsoTest, TimeOfDayAgreesWithTheClock) {
  timespec before, after;
  timeval here;
  ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &before), 0);
  ASSERT_EQ(gettimeofday_(&here, nullptr), 0);
  ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &after), 0);
  const int64_t microseconds = here.tv_sec * 1'000'000 + here.tv_usec;
  EXPECT_LE(nanoseconds(before) / 1000, microseconds);
  EXPECT_LE(microseconds, nanoseconds(after) / 1000);
  EXPECT_EQ(gettimeofday_(nullptr, nullptr), 0);
  struct timezone zone = {1, 1};
  EXPECT_EQ(gettimeofday_(&here, &zone), 0);
  EXPECT_EQ(zone.tz_minuteswest, 0);
}

TEST_F(VdsoTest, TimeInSeconds) {
  const time_t before = static_cast<time_t>(syscall(SYS_time, nullptr));
  time_t stored = 0;
  const time_t here = time_(&stored);
  const time_t after = static_cast<time_t>(syscall(SYS_time, nullptr));
  EXPECT_LE(before, here);
  EXPECT_LE(here, after);
  EXPECT_EQ(stored, here);
  EXPECT_GE(time_(nullptr), here);
}

TEST_F(VdsoTest, TheProcessorExists) {
  unsigned cpu = ~0u, node = ~0u;
  ASSERT_EQ(getcpu_(&cpu, &node, nullptr), 0);
  EXPECT_LT(static_cast<long>(cpu), sysconf(_SC_NPROCESSORS_CONF));
  EXPECT_LT(node, 1024u);
  EXPECT_EQ(getcpu_(nullptr, nullptr, nullptr), 0);
}

TEST_F(VdsoTest, IsNotWritable) {
  EXPECT_EQ(fault_of_write(reinterpret_cast<void*>(getauxval(AT_SYSINFO_EHDR))).code, SEGV_ACCERR);
}

}  // namespace
}  // namespace compat
