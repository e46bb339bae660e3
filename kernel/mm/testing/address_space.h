// An address space to test with, and bytes in it.
#pragma once

#include <gtest/gtest.h>

#include "kernel/abi/mman.h"
#include "kernel/mm/address_space.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/platform/machine.h"

namespace narwhal {

inline constexpr Errno kOk{};
inline constexpr Protection kReadWrite = Protection::kRead | Protection::kWrite;

// Every test gives back all frames that it took.
class AddressSpaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const bool started = (frames_init(), true);
    static_cast<void>(started);
    fake::set_frame_sharing(frame_add_ref);
    // What is made once and stays (the page of zeros) is made before counting.
    auto first = AddressSpace::create().take();
    const UserAddr at = map(*first, kPageSize);
    ASSERT_TRUE(first->handle_fault(at, Protection::kRead).ok());
    first = nullptr;
    before_ = in_use();
    space = AddressSpace::create().take();
    space->set_mmap_base(UserAddr(0x7000'0000'0000));
  }
  void TearDown() override {
    space = nullptr;
    EXPECT_EQ(in_use(), before_) << "frames were lost";
  }

  // Slabs stay with the heap.
  static u64 in_use() {
    const MemoryStatistics statistics = memory_statistics();
    return statistics.total_frames - statistics.free_frames - statistics.slab_frames;
  }
  static UserAddr map(AddressSpace& in, usize length, UserAddr at = UserAddr(),
                      MapFlags flags = MapFlags::kPrivate, Ref<MemoryObject> object = nullptr) {
    MapRequest request;
    request.hint = at;
    request.length = length;
    request.protection = kReadWrite;
    request.flags = flags | (at.value ? MapFlags::kFixed : MapFlags::kNone);
    request.object = std::move(object);
    return in.map(request).take();
  }
  // A byte of the program's, by way of a fault as the program would take it.
  static Result<u8*> reach(AddressSpace& in, UserAddr at, Protection access) {
    TRY(in.handle_fault(at, access));
    Pmap::Mapping present;
    if (!in.pmap().lookup(at, present) || !has(present.protection, access)) {
      ADD_FAILURE() << "the fault was answered, but the page is not there";
      return Errno::kFault;
    }
    return reinterpret_cast<u8*>(platform::direct_map(present.frame.page()) + at.page_offset());
  }
  static Errno poke(AddressSpace& in, UserAddr at, u8 value) {
    auto byte = reach(in, at, Protection::kWrite);
    if (!byte.ok()) return byte.error();
    *byte.value() = value;
    return kOk;
  }
  static int peek(AddressSpace& in, UserAddr at) {
    auto byte = reach(in, at, Protection::kRead);
    return byte.ok() ? *byte.value() : -int(byte.error());
  }
  static usize mappings(AddressSpace& in) {
    usize count = 0;
    in.for_each_mapping([](const auto&, void* n) { ++*static_cast<usize*>(n); }, &count, false);
    return count;
  }

  Ref<AddressSpace> space;

 private:
  u64 before_ = 0;
};

}  // namespace narwhal
