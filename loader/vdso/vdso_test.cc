// The vDSO's arithmetic against the kernel's. (The calls as a program makes them:
// compat_tests/loader.)
#include "loader/vdso/vdso.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#include <cstring>

#include "kernel/platform/machine.h"

extern "C" const std::byte vdso_image[], vdso_image_end[];

namespace narwhal {
namespace {

using platform::TscClock;

class VdsoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    void* const made =
        mmap(nullptr, 2 * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(made, MAP_FAILED);
    data_ = static_cast<VdsoData*>(made);
    image_ = static_cast<std::byte*>(made) + kPageSize;
    std::memcpy(image_, vdso_image, size_t(vdso_image_end - vdso_image));
    ASSERT_EQ(mprotect(image_, kPageSize, PROT_READ | PROT_EXEC), 0);
    clock_gettime_ = reinterpret_cast<int (*)(int, timespec*)>(find("__vdso_clock_gettime"));
    ASSERT_NE(clock_gettime_, nullptr);
  }
  void TearDown() override { munmap(data_, 2 * kPageSize); }

  void set(const TscClock& clock) {
    *data_ = {.usable = 1,
              .base_tsc = clock.base_tsc,
              .base_ns = clock.base_ns,
              .mult = clock.mult,
              .shift = clock.shift,
              .wall_offset = 1'700'000'000'000'000'000,
              .slew_mult = clock.slew_mult};
  }
  u64 monotonic() const {
    timespec time{};
    EXPECT_EQ(clock_gettime_(CLOCK_MONOTONIC, &time), 0);
    return u64(time.tv_sec) * kNanosPerSecond + u64(time.tv_nsec);
  }
  // Between what the kernel says before and after.
  void expect_the_kernels(const TscClock& clock) {
    set(clock);
    for (int i = 0; i < 1000; ++i) {
      const u64 before = clock.ns_at(__rdtsc());
      const u64 now = monotonic();
      _mm_lfence();
      const u64 after = clock.ns_at(__rdtsc());
      ASSERT_GE(now, before);
      ASSERT_LE(now, after);
    }
  }

 private:
  void* find(std::string_view name) const {
    const auto at = [this](u64 offset) { return image_ + offset; };
    const auto& header = *reinterpret_cast<const Elf64_Ehdr*>(image_);
    const auto* const segments = reinterpret_cast<const Elf64_Phdr*>(at(header.e_phoff));
    const Elf64_Sym* symbols = nullptr;
    const char* names = nullptr;
    u32 count = 0;
    for (int i = 0; i < header.e_phnum; ++i) {
      if (segments[i].p_type != PT_DYNAMIC) continue;
      for (auto* entry = reinterpret_cast<const Elf64_Dyn*>(at(segments[i].p_offset));
           entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_SYMTAB)
          symbols = reinterpret_cast<const Elf64_Sym*>(at(entry->d_un.d_ptr));
        if (entry->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(at(entry->d_un.d_ptr));
        if (entry->d_tag == DT_HASH) count = reinterpret_cast<const u32*>(at(entry->d_un.d_ptr))[1];
      }
    }
    for (u32 i = 1; i < count; ++i)
      if (name == names + symbols[i].st_name) return at(symbols[i].st_value);
    return nullptr;
  }

  VdsoData* data_ = nullptr;
  std::byte* image_ = nullptr;
  int (*clock_gettime_)(int, timespec*) = nullptr;
};

TscClock some_clock() {
  TscClock clock{};
  clock.set_rate(2'345'678'901, kNanosPerSecond);
  clock.base_ns = 1000 * kNanosPerSecond;
  return clock;
}

TEST_F(VdsoTest, AfterTheBase) {
  TscClock clock = some_clock();
  clock.base_tsc = __rdtsc() - 5'000'000'000;
  expect_the_kernels(clock);
}

// Where the clock is on its way to being right.
TEST_F(VdsoTest, BeforeTheBase) {
  for (const auto slew : {TscClock::Slew::kSlower, TscClock::Slew::kFaster}) {
    TscClock clock = some_clock();
    clock.base_tsc = __rdtsc() + 500'000'000'000;
    clock.set_slew(slew);
    expect_the_kernels(clock);
  }
}

TEST_F(VdsoTest, OverTheBase) {
  TscClock clock = some_clock();
  clock.base_tsc = __rdtsc() + 100'000;
  clock.set_slew(TscClock::Slew::kSlower);
  expect_the_kernels(clock);
}

}  // namespace
}  // namespace narwhal
