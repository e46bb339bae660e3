// Page tables of programs, and copies from and to their memory.
#include "kernel/platform/pmap.h"

#include <cstring>

#include "kernel/mm/frame.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/selftest/selftest.h"
#include "kernel/platform/user_copy.h"

namespace narwhal::selftest {

namespace {

constexpr Protection kReadWrite = Protection::kRead | Protection::kWrite;
#ifdef NARWHAL_HOME_PROCESS
constexpr bool kHasMarks = false;
#else
constexpr bool kHasMarks = true;
#endif

std::byte* at(PhysAddr frame) {
  return platform::direct_map(frame);
}

// Without what the heap holds, which keeps a slab for the next object.
u64 free_now() {
  const auto memory = memory_statistics();
  return memory.free_frames + memory.slab_frames;
}

}  // namespace

void test_page_tables() {
  const u64 free_before = free_now();
  {
    Own<Pmap> pmap = Pmap::create().take();
    const PhysAddr frames = allocate_frames(2, FrameContent::kZeroed).take();
    const UserAddr base(0x12345000);
    Pmap::Mapping found;
    CHECK(!pmap->lookup(base, found));
    CHECK(pmap->map(base, frames, 4, kReadWrite).ok());
    CHECK(pmap->lookup(base + 0x2abc, found));
    CHECK(found.frame == frames + 0x2000);
    CHECK(found.protection == kReadWrite);
    CHECK(!found.accessed && !found.dirty);

    // PROT_NONE keeps the frame.
    pmap->protect(base + kPageSize, 1, Protection::kNone);
    CHECK(pmap->lookup(base + kPageSize, found));
    CHECK(found.protection == Protection::kNone);
    CHECK(found.frame == frames + kPageSize);
    pmap->protect(base + kPageSize, 1, Protection::kRead);
    CHECK(pmap->lookup(base + kPageSize, found));
    CHECK(found.protection == Protection::kRead);

    pmap->unmap(base, 1);
    UserAddr where;
    CHECK(pmap->next_mapped(UserAddr(0), kUserEnd, where, found));
    CHECK(where == base + kPageSize);
    CHECK(!pmap->next_mapped(base + 4 * kPageSize, kUserEnd, where, found));

    // A page of 2 MiB, taken apart when a part of it changes.
    const PhysAddr large = allocate_frames(9, FrameContent::kZeroed).take();
    const UserAddr wide(0x4000'0000);
    CHECK(pmap->map(wide, large, 512, kReadWrite).ok());
    const usize tables = pmap->table_bytes();
    CHECK(pmap->lookup(wide + 0x123456, found));
    CHECK(found.frame == large + 0x123000);
    pmap->protect(wide + 0x5000, 1, Protection::kRead);
    CHECK(pmap->table_bytes() == tables + kPageSize);
    CHECK(pmap->lookup(wide + 0x5000, found));
    CHECK(found.protection == Protection::kRead && found.frame == large + 0x5000);
    CHECK(pmap->lookup(wide + 0x6000, found));
    CHECK(found.protection == kReadWrite && found.frame == large + 0x6000);
    // Empty tables are given back.
    pmap->unmap(wide, 512);
    CHECK(!pmap->lookup(wide + 0x6000, found));
    CHECK(pmap->table_bytes() < tables + kPageSize);
    free_frames(large, 9);

    // Marks, as the CPU sets them; in a process there are none.
    pmap->activate();
    char byte = 'x';
    CHECK(platform::copy_from_user(&byte, base + kPageSize, 1) == 0);
    CHECK(pmap->lookup(base + kPageSize, found));
    CHECK(found.accessed == kHasMarks && !found.dirty);
    CHECK(platform::copy_to_user(base + 2 * kPageSize, &byte, 1) == 0);
    CHECK(pmap->lookup(base + 2 * kPageSize, found));
    CHECK(found.dirty == kHasMarks);
    pmap->clear_marks(base + 2 * kPageSize, true, true);
    CHECK(platform::copy_to_user(base + 2 * kPageSize, &byte, 1) == 0);
    CHECK(pmap->lookup(base + 2 * kPageSize, found));
    CHECK(found.dirty == kHasMarks);
    free_frames(frames, 2);
  }
  CHECK(free_now() == free_before);
}

void test_user_copies() {
  const u64 free_before = free_now();
  {
    Own<Pmap> pmap = Pmap::create().take();
    pmap->activate();
    const PhysAddr frames = allocate_frames(1, FrameContent::kZeroed).take();
    const UserAddr base(0x10'0000);
    CHECK(pmap->map(base, frames, 2, kReadWrite).ok());

    // Every size up to where other instructions copy, from and to every alignment.
    char bytes[240], back[240];
    for (usize i = 0; i < sizeof bytes; ++i) bytes[i] = char(i + 1);
    for (usize size = 0; size <= 160; ++size)
      for (usize offset = 0; offset < 9; ++offset) {
        std::memset(at(frames), 0, 240);
        std::memset(back, 0, sizeof back);
        CHECK(platform::copy_to_user(base + offset, bytes + 1, size) == 0);
        CHECK(std::memcmp(at(frames) + offset, bytes + 1, size) == 0);
        CHECK(at(frames)[offset + size] == std::byte(0));
        CHECK(platform::copy_from_user(back + offset % 3, base + offset, size) == 0);
        CHECK(std::memcmp(back + offset % 3, bytes + 1, size) == 0);
        CHECK(back[offset % 3 + size] == 0);
      }

    // Up to a hole, and no further.
    for (usize inside = 0; inside < 40; ++inside) {
      const UserAddr edge = base + 2 * kPageSize - inside;
      for (usize size : {inside, inside + 1, inside + 7, inside + 30, inside + 180}) {
        std::memset(at(frames) + 2 * kPageSize - 64, 0, 64);
        CHECK(platform::copy_to_user(edge, bytes, size) == size - inside);
        CHECK(std::memcmp(at(frames) + 2 * kPageSize - inside, bytes, inside) == 0);
        CHECK(platform::copy_from_user(back, edge, size) == size - inside);
        CHECK(std::memcmp(back, bytes, inside) == 0);
        CHECK(platform::zero_user(edge, size) == size - inside);
        for (usize i = 0; i < inside; ++i)
          CHECK(at(frames)[2 * kPageSize - inside + i] == std::byte(0));
      }
    }
    // Large ones, over the page boundary.
    static constinit char large[6000] = {};
    for (usize i = 0; i < sizeof large; ++i) large[i] = char(i * 7);
    CHECK(platform::copy_to_user(base + 3, large, sizeof large) == 0);
    CHECK(std::memcmp(at(frames) + 3, large, sizeof large) == 0);
    CHECK(platform::zero_user(base + 5, 5000) == 0);
    CHECK(at(frames)[4] == std::byte(large[1]) && at(frames)[5] == std::byte(0));
    CHECK(at(frames)[5004] == std::byte(0) && at(frames)[5005] == std::byte(large[5002]));

    // Not what the program may not write, and nothing of the kernel's.
    pmap->protect(base, 1, Protection::kRead);
    CHECK(platform::copy_to_user(base, bytes, 4) == 4);
    CHECK(platform::copy_from_user(back, base, 4) == 0);
    CHECK(platform::copy_from_user(back, UserAddr(reinterpret_cast<u64>(bytes)), 4) == 4);
    CHECK(platform::copy_from_user(back, UserAddr(~u64{0} - 1), 4) == 4);
    CHECK(platform::copy_to_user(kUserEnd - 2, bytes, 4) == 4);
    pmap->protect(base, 1, kReadWrite);

    // Strings.
    std::memcpy(at(frames) + kPageSize - 3, "narwhal", 8);
    CHECK(platform::copy_string_from_user(back, base + kPageSize - 3, sizeof back).value() == 7);
    CHECK(std::memcmp(back, "narwhal", 8) == 0);
    CHECK(
        platform::copy_string_from_user(back, base + kPageSize - 3, 7).failed(Errno::kNameTooLong));
    // Of every length and alignment, with just enough room and one byte less, up to the last page's
    // end.
    char* const strings = reinterpret_cast<char*>(at(frames));
    for (usize length = 0; length < 20; ++length) {
      for (usize start : {usize{64}, usize{65}, usize{67}, usize{71}, kPageSize - 9,
                          kPageSize - length, 2 * kPageSize - length - 1}) {
        std::memset(strings + start, 'a' + int(length), length);
        strings[start + length] = '\0';
        std::memset(back, 'z', 32);
        CHECK(platform::copy_string_from_user(back, base + start, length + 1).value() == length);
        CHECK(std::memcmp(back, strings + start, length + 1) == 0);
        CHECK(back[length + 1] == 'z');
        CHECK(platform::copy_string_from_user(back, base + start, length)
                  .failed(Errno::kNameTooLong));
      }
    }
    std::memset(at(frames) + 2 * kPageSize - 4, 'x', 4);
    CHECK(platform::copy_string_from_user(back, base + 2 * kPageSize - 4, sizeof back)
              .failed(Errno::kFault));
    CHECK(platform::copy_string_from_user(back, UserAddr(0xffff'8000'0000'0000), 10)
              .failed(Errno::kFault));

    // Words.
    CHECK(platform::atomic_compare_exchange_user(base + 8, 0, 42).value() == 0);
    CHECK(platform::atomic_compare_exchange_user(base + 8, 0, 43).value() == 42);
    CHECK(platform::atomic_load_user(base + 8).value() == 42);
    CHECK(platform::atomic_load_user(base + 2 * kPageSize).failed(Errno::kFault));
    CHECK(platform::atomic_compare_exchange_user(base + 2 * kPageSize, 0, 1).failed(Errno::kFault));
    CHECK(platform::interrupts_enabled());
    pmap->unmap(base, 2);
    CHECK(platform::copy_from_user(back, base, 4) == 4);
    free_frames(frames, 1);
  }
  CHECK(free_now() == free_before);
}

}  // namespace narwhal::selftest
