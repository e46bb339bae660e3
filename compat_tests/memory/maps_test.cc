// /proc/self/maps tells what is mapped; stacks of threads end in a guard page.
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "compat_tests/common/fault.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

struct Area {
  uintptr_t start = 0, end = 0;
  std::string permissions;
  uint64_t offset = 0;
  std::string device;
  uint64_t inode = 0;
  std::string name;
};

std::vector<Area> read_areas() {
  std::vector<Area> areas;
  std::istringstream lines(read_file("/proc/self/maps"));
  std::string line;
  while (std::getline(lines, line)) {
    Area area;
    char permissions[8] = {}, device[16] = {};
    int name_at = 0;
    const int count =
        sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64 " %15s %" SCNu64 " %n",
               &area.start, &area.end, permissions, &area.offset, device, &area.inode, &name_at);
    EXPECT_EQ(6, count) << line;
    area.permissions = permissions;
    area.device = device;
    if (name_at > 0) area.name = line.substr(static_cast<size_t>(name_at));
    areas.push_back(area);
  }
  return areas;
}

Area area_of(const void* address) {
  const auto number = reinterpret_cast<uintptr_t>(address);
  for (const Area& area : read_areas()) {
    if (area.start <= number && number < area.end) return area;
  }
  return {};
}

TEST(Maps, SortedAndDisjoint) {
  const std::vector<Area> areas = read_areas();
  ASSERT_GT(areas.size(), 4u);
  for (size_t i = 0; i < areas.size(); ++i) {
    EXPECT_LT(areas[i].start, areas[i].end);
    EXPECT_EQ(0u, areas[i].start % kPage);
    if (i > 0) EXPECT_LE(areas[i - 1].end, areas[i].start);
  }
}

TEST(Maps, Permissions) {
  Mapping map(5, PROT_NONE);
  ASSERT_OK(mprotect(map.page(1), kPage, PROT_READ));
  ASSERT_OK(mprotect(map.page(2), kPage, PROT_READ | PROT_WRITE));
  ASSERT_OK(mprotect(map.page(3), kPage, PROT_READ | PROT_EXEC));
  EXPECT_EQ("---p", area_of(map.page(0)).permissions);
  EXPECT_EQ("r--p", area_of(map.page(1)).permissions);
  EXPECT_EQ("rw-p", area_of(map.page(2)).permissions);
  EXPECT_EQ("r-xp", area_of(map.page(3)).permissions);
  Mapping shared(1, PROT_READ | PROT_WRITE, MAP_SHARED);
  EXPECT_EQ("rw-s", area_of(shared.data()).permissions);
}

TEST(Maps, Files) {
  TempDir dir;
  write_file(dir / "file", pattern(3 * kPage));
  Fd fd(open((dir / "file").c_str(), O_RDONLY));
  Mapping map(fd, 2, PROT_READ, MAP_PRIVATE, kPage);
  const Area area = area_of(map.data());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(map.data()), area.start);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(map.data()) + 2 * kPage, area.end);
  EXPECT_EQ(kPage, area.offset);
  EXPECT_NE(0u, area.inode);
  EXPECT_EQ(dir / "file", area.name);
  ASSERT_OK(unlink((dir / "file").c_str()));
  EXPECT_EQ((dir / "file") + " (deleted)", area_of(map.data()).name);
}

TEST(Maps, ProgramHeapAndStack) {
  int on_stack = 0;
  EXPECT_EQ("[stack]", area_of(&on_stack).name);
  EXPECT_EQ("rw-p", area_of(&on_stack).permissions);
  sbrk(kPage);
  EXPECT_EQ("[heap]", area_of(static_cast<char*>(sbrk(0)) - 1).name);
  sbrk(-static_cast<intptr_t>(kPage));
  char program[4096] = {};
  ASSERT_OK(readlink("/proc/self/exe", program, sizeof program - 1));
  const Area text = area_of(reinterpret_cast<void*>(&read_areas));
  EXPECT_EQ(program, text.name);
  EXPECT_EQ("r-xp", text.permissions);
}

TEST(Maps, NothingIsWritableAndExecutable) {
  for (const Area& area : read_areas()) {
    EXPECT_FALSE(area.permissions[1] == 'w' && area.permissions[2] == 'x') << area.name;
  }
}

TEST(Maps, NeighboursOfOneKindMerge) {
  Mapping map(3);
  ASSERT_OK(mprotect(map.page(1), kPage, PROT_READ));
  EXPECT_NE(area_of(map.page(0)).start, area_of(map.page(1)).start);
  ASSERT_OK(mprotect(map.page(1), kPage, PROT_READ | PROT_WRITE));
  EXPECT_EQ(area_of(map.page(0)).start, area_of(map.page(2)).start);
}

TEST(Maps, UnmappedAreasLeave) {
  Mapping map(1, PROT_NONE);
  EXPECT_NE(0u, area_of(map.data()).end);
  char* address = map.data();
  ASSERT_OK(munmap(address, kPage));
  map.release();
  EXPECT_EQ(0u, area_of(address).end);
}

void* fault_in_guard_page(void* result) {
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  void* stack;
  size_t size;
  pthread_attr_getstack(&attributes, &stack, &size);
  pthread_attr_destroy(&attributes);
  auto* lowest = static_cast<char*>(stack);
  *static_cast<Fault*>(result) = fault_of_write(lowest - 1);
  EXPECT_TRUE(can_write(lowest));
  return nullptr;
}

TEST(Stack, ThreadStackEndsInAGuardPage) {
  Fault fault;
  pthread_t thread;
  ASSERT_EQ(0, pthread_create(&thread, nullptr, fault_in_guard_page, &fault));
  ASSERT_EQ(0, pthread_join(thread, nullptr));
  EXPECT_EQ(SIGSEGV, fault.signal);
  EXPECT_EQ(SEGV_ACCERR, fault.code);
}

TEST(Stack, GrowsOnDemand) {
  const Area before = area_of(__builtin_frame_address(0));
  const size_t room = 1 << 20;
  auto* block = static_cast<volatile char*>(__builtin_alloca(room));
  for (size_t i = room; i >= kPage; i -= kPage) block[i - kPage] = 1;
  const Area after = area_of(__builtin_frame_address(0));
  EXPECT_EQ(before.end, after.end);
  EXPECT_LE(after.start, reinterpret_cast<uintptr_t>(block));
}

TEST(Stack, FarBelowIsNothing) {
  auto* here = static_cast<char*>(__builtin_frame_address(0));
  EXPECT_EQ(SIGSEGV, fault_of_write(here - (1ull << 30)).signal);
}

}  // namespace
}  // namespace compat
