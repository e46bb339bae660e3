#include <sys/mman.h>

#include <algorithm>

#include "bench/measure.h"

namespace narwhal::bench {

namespace {

constexpr long long kPage = 4096;
constexpr long long kMostPages = 2048;  // at once: small enough for a small guest

// Two operations take turns; each counts only its own time.
struct Times {
  long long touch = 0;
  long long unmap = 0;
};

Times touch_and_unmap(long long pages) {
  Times times;
  while (pages > 0) {
    const long long count = std::min(pages, kMostPages);
    const size_t size = static_cast<size_t>(count * kPage);
    void* const area =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(area != MAP_FAILED, "mmap");
    // Pages are what is measured, whatever the kernel does with larger ones.
    madvise(area, size, MADV_NOHUGEPAGE);
    volatile char* const bytes = static_cast<char*>(area);
    const long long start = now();
    for (long long i = 0; i < count; ++i) bytes[i * kPage] = 1;
    const long long touched = now();
    require(munmap(area, size) == 0, "munmap");
    times.touch += touched - start;
    times.unmap += now() - touched;
    pages -= count;
  }
  return times;
}

long long page_fault(long long times) {
  return touch_and_unmap(times).touch;
}
long long unmap_page(long long times) {
  return touch_and_unmap(times).unmap;
}

}  // namespace

std::vector<Row> memory_rows() {
  return {{"page_fault", page_fault}, {"unmap_page", unmap_page}};
}

}  // namespace narwhal::bench
