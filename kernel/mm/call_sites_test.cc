// System calls that become direct calls, as others see them (address_space_calls.cc).
#include "kernel/mm/call_sites.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "kernel/abi/mman.h"
#include "kernel/mm/address_space.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/rewrite/find_site.h"

namespace narwhal {
namespace {

constexpr Protection kReadWrite = Protection::kRead | Protection::kWrite;
constexpr Protection kReadExecute = Protection::kRead | Protection::kExecute;
constexpr UserAddr kBase{0x7000'0000'0000};
constexpr u64 kGetpid = 39;
constexpr usize kSite = 128, kCall = kSite + 5;
using Bytes = std::array<u8, 8>;
// movl $39, %eax; syscall; ret
constexpr Bytes kCode = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};

class CallSitesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const bool started = (frames_init(), true);
    static_cast<void>(started);
    fake::set_frame_sharing(frame_add_ref);
    static constexpr AddressSpace::CallRewriter kRewriter{0x6240'0000'1000, &rewrite::find_site};
    AddressSpace::set_call_rewriter(&kRewriter);
    // What is made once and stays (the page of zeros) is made before counting.
    space = AddressSpace::create().take();
    ASSERT_TRUE(space->handle_fault(map(UserAddr(), kPageSize), Protection::kRead).ok());
    space = nullptr;
    before_ = in_use();
    space = AddressSpace::create().take();
    space->set_mmap_base(kBase);
    code = make_code();
  }
  void TearDown() override {
    space = nullptr;
    AddressSpace::set_call_rewriter(nullptr);
    EXPECT_EQ(in_use(), before_) << "frames were lost";
  }
  static u64 in_use() {
    const MemoryStatistics statistics = memory_statistics();
    return statistics.total_frames - statistics.free_frames - statistics.slab_frames;
  }

  UserAddr map(UserAddr at, usize length, MapFlags flags = MapFlags::kPrivate) {
    MapRequest request;
    request.hint = at;
    request.length = length;
    request.protection = kReadWrite;
    request.flags = flags | (at.value ? MapFlags::kFixed : MapFlags::kNone);
    return space->map(request).take();
  }
  UserAddr make_code(UserAddr where = UserAddr(), MapFlags flags = MapFlags::kPrivate,
                     Protection rights = kReadExecute, std::span<const u8> bytes = kCode) {
    const UserAddr at = map(where, kPageSize, flags);
    const std::vector<std::byte> nothing(kPageSize, std::byte{0x90});
    EXPECT_EQ(space->write_memory(at, nothing), kPageSize);
    EXPECT_EQ(space->write_memory(at + kSite, std::as_bytes(bytes)), bytes.size());
    EXPECT_TRUE(space->protect(at, kPageSize, rights).ok());
    return at;
  }
  // The program's call comes the slow way, twice.
  static bool warm(AddressSpace& in, UserAddr code) {
    in.note_caught_call(code + kCall, kGetpid);
    return in.note_caught_call(code + kCall, kGetpid);
  }
  bool warm() { return warm(*space, code); }
  // What the program's processor reads.
  static Bytes really_at(AddressSpace& in, UserAddr at) {
    Pmap::Mapping present;
    EXPECT_TRUE(in.pmap().lookup(at, present));
    Bytes bytes{};
    std::memcpy(bytes.data(), platform::direct_map(present.frame.page()) + at.page_offset(),
                bytes.size());
    return bytes;
  }
  Bytes really() { return really_at(*space, code + kSite); }
  bool is_jump() { return really()[0] == 0xe9; }
  UserAddr stub() {
    const Bytes bytes = really();
    i32 distance;
    std::memcpy(&distance, bytes.data() + 1, sizeof distance);
    return UserAddr(code.value + kSite + 5 + u64(i64{distance}));
  }
  usize mappings() {
    usize count = 0;
    space->for_each_mapping([](const auto&, void* n) { ++*static_cast<usize*>(n); }, &count, false);
    return count;
  }

  Ref<AddressSpace> space;
  UserAddr code;

 private:
  u64 before_ = 0;
};

TEST_F(CallSitesTest, TheSecondCallMakesAJump) {
  EXPECT_FALSE(space->note_caught_call(code + kCall, kGetpid));
  EXPECT_EQ(really(), kCode);
  EXPECT_TRUE(space->note_caught_call(code + kCall, kGetpid));
  EXPECT_TRUE(is_jump());
  EXPECT_EQ(really()[5], 0x0f);
  EXPECT_EQ(really()[6], 0x05);
  const Bytes bytes = really_at(*space, stub());
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.begin() + 5, kCode.begin()));
  EXPECT_FALSE(space->note_caught_call(code + kCall, kGetpid));
}

// Another may be running the code: it is never seen half changed, so it isn't changed in place.
TEST_F(CallSitesTest, OtherCpusFindTheOneOrTheOther) {
  fake::set_cpu_count(2);
  const auto frame = [this] {
    Pmap::Mapping present;
    EXPECT_TRUE(space->pmap().lookup(code, present));
    return present.frame;
  };
  const FrameRef before = FrameRef::share(frame());
  ASSERT_TRUE(warm());
  EXPECT_TRUE(is_jump());
  EXPECT_NE(frame(), before.address());
  EXPECT_EQ(std::memcmp(before.data() + kSite, kCode.data(), kCode.size()), 0);
  const FrameRef jump = FrameRef::share(frame());
  space->undo_call(code + kSite);
  EXPECT_EQ(really(), kCode);
  EXPECT_NE(frame(), jump.address());
  EXPECT_EQ(jump.data()[kSite], std::byte{0xe9});
  fake::set_cpu_count(1);
}

TEST_F(CallSitesTest, StubsKnowTheirSites) {
  ASSERT_TRUE(warm());
  bool begun = true;
  const rewrite::Site* site = space->stub_at(stub(), begun);
  ASSERT_NE(site, nullptr);
  EXPECT_FALSE(begun);
  EXPECT_EQ(site->at, code.value + kSite);
  EXPECT_EQ(site->number(), kGetpid);
  EXPECT_EQ(space->stub_at(stub() + 5, begun), site);
  EXPECT_TRUE(begun);
  EXPECT_EQ(space->stub_at(stub() + rewrite::kStubSize, begun), nullptr);
  EXPECT_EQ(space->stub_at(code + kSite, begun), nullptr);
}

TEST_F(CallSitesTest, NobodySeesIt) {
  const usize count = mappings();
  const u64 total = space->statistics().total;
  ASSERT_TRUE(warm());
  EXPECT_EQ(mappings(), count);
  EXPECT_EQ(space->statistics().total, total);
  for (usize from = 0; from < 12; ++from) {
    Bytes seen{};
    const UserAddr at = code + kSite - 4 + from;
    ASSERT_EQ(space->read_memory(at, std::as_writable_bytes(std::span(seen))), seen.size());
    for (usize i = 0; i < seen.size(); ++i) {
      const usize offset = from + i - 4;
      EXPECT_EQ(seen[i], offset < kCode.size() ? kCode[offset] : 0x90);
    }
  }
  std::array<std::byte, kPageSize> page;
  ASSERT_TRUE(space->peek_page(code, page));
  EXPECT_EQ(std::memcmp(page.data() + kSite, kCode.data(), kCode.size()), 0);
}

TEST_F(CallSitesTest, GoesWithTheRights) {
  ASSERT_TRUE(warm());
  ASSERT_TRUE(space->protect(code, kPageSize, kReadWrite).ok());
  EXPECT_EQ(really(), kCode);
  ASSERT_TRUE(space->protect(code, kPageSize, kReadExecute).ok());
  EXPECT_TRUE(warm());
  EXPECT_TRUE(is_jump());
}

TEST_F(CallSitesTest, StaysAwayFromWhatOthersWrite) {
  code = make_code(UserAddr(), MapFlags::kShared);
  EXPECT_FALSE(warm());
  code = make_code(UserAddr(), MapFlags::kPrivate, kReadExecute | Protection::kWrite);
  EXPECT_FALSE(warm());
  EXPECT_EQ(really(), kCode);
}

TEST_F(CallSitesTest, GivesWay) {
  ASSERT_TRUE(warm());
  const UserAddr place = stub().page();
  // Whoever wants no certain place gets another.
  EXPECT_NE(map(UserAddr(), kPageSize).page(), place);
  EXPECT_TRUE(is_jump());
  EXPECT_EQ(map(place, kPageSize, MapFlags::kPrivate | MapFlags::kFixedNoReplace), place);
  EXPECT_EQ(really(), kCode);
  EXPECT_EQ(really_at(*space, code + kSite), kCode);
  // There is another place.
  EXPECT_TRUE(warm());
  EXPECT_NE(stub().page(), place);
}

TEST_F(CallSitesTest, GoesWhenItsPlaceIsUnmapped) {
  ASSERT_TRUE(warm());
  ASSERT_TRUE(space->unmap(stub().page(), kPageSize).ok());
  EXPECT_EQ(really(), kCode);
}

TEST_F(CallSitesTest, CodeMovesWithoutIt) {
  ASSERT_TRUE(warm());
  const UserAddr target(0x1000'0000);
  ASSERT_TRUE(
      space->remap(code, kPageSize, kPageSize, abi::kRemapMayMove | abi::kRemapFixed, target).ok());
  EXPECT_EQ(really_at(*space, target + kSite), kCode);
  code = target;
  EXPECT_TRUE(warm());
}

TEST_F(CallSitesTest, ForgottenContentsComeBackAsTheyWere) {
  ASSERT_TRUE(warm());
  ASSERT_TRUE(space->advise(code, kPageSize, abi::kAdviceDontNeed).ok());
  std::array<std::byte, 8> seen;
  ASSERT_EQ(space->read_memory(code + kSite, seen), seen.size());
  EXPECT_EQ(seen, (std::array<std::byte, 8>{}));
}

TEST_F(CallSitesTest, ChildAndParentGoOnApart) {
  ASSERT_TRUE(warm());
  Ref<AddressSpace> child = space->clone().take();
  bool begun;
  EXPECT_NE(child->stub_at(stub(), begun), nullptr);
  ASSERT_TRUE(child->protect(code, kPageSize, kReadWrite).ok());
  EXPECT_EQ(really_at(*child, code + kSite), kCode);
  EXPECT_TRUE(is_jump());
  // A new stub of the parent's is none of the child's.
  const UserAddr other = make_code();
  ASSERT_TRUE(warm(*space, other));
  EXPECT_EQ(child->stub_at(stub() + rewrite::kStubSize, begun), nullptr);
  EXPECT_NE(space->stub_at(stub() + rewrite::kStubSize, begun), nullptr);
}

TEST_F(CallSitesTest, StaysAwayFromWhatIsLookedAt) {
  ASSERT_TRUE(warm());
  space->keep_calls();
  EXPECT_EQ(really(), kCode);
  EXPECT_FALSE(warm());
  EXPECT_FALSE(warm());
  EXPECT_FALSE(warm(*space->clone().take(), code));
}

// More sites than an area has room for, and no place is used up by what does not stay.
TEST_F(CallSitesTest, ManySites) {
  for (u32 i = 0; i < CallArea::kSites + 10; ++i) {
    code = make_code(UserAddr(kBase.value - kGiB + u64{i} * 2 * kPageSize));
    ASSERT_TRUE(warm()) << i;
    ASSERT_TRUE(is_jump());
  }
}

TEST_F(CallSitesTest, CodeThatKeepsChangingIsLeftAlone) {
  usize jumps = 0;
  for (int i = 0; i < 1200; ++i) {
    jumps += warm();
    ASSERT_TRUE(space->protect(code, kPageSize, kReadWrite).ok());
    ASSERT_TRUE(space->protect(code, kPageSize, kReadExecute).ok());
  }
  EXPECT_EQ(jumps, 1000u);
}

// Near the ends of the address space, and far from everything.
TEST_F(CallSitesTest, ReachesItsStubFromAnywhere) {
  for (const u64 where : {kUserMin.value, u64{0x40'0000}, u64{0x5555'5555'4000},
                          kUserEnd.value - kPageSize, kBase.value - 4 * kGiB}) {
    code = make_code(UserAddr(align_down(where, kPageSize)));
    ASSERT_TRUE(warm()) << where;
    EXPECT_TRUE(user_range_ok(stub().page(), kPageSize));
    bool begun;
    EXPECT_NE(space->stub_at(stub(), begun), nullptr);
  }
}

// Instructions that are shorter than a jump, with what follows.
struct ShortCode {
  usize length;
  Bytes bytes;
};
constexpr ShortCode kShort[] = {{2, {0x31, 0xd2, 0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0}},
                                {3, {0x4c, 0x89, 0xc0, 0x0f, 0x05, 0xc3, 0x90, 0x90}},
                                {4, {0x8b, 0x7c, 0x24, 0x08, 0x0f, 0x05, 0xc3, 0x90}}};

class ShortCallSitesTest : public CallSitesTest {
 protected:
  void take(const ShortCode& what, UserAddr where = UserAddr()) {
    code = make_code(where, MapFlags::kPrivate, kReadExecute, what.bytes);
    call = code + kSite + what.length;
  }
  bool call_often(AddressSpace& in, u32 times = 16) {
    bool made = false;
    while (times-- > 0) made |= in.note_caught_call(call, kGetpid);
    return made;
  }
  UserAddr call;
};

TEST_F(ShortCallSitesTest, ManyCallsMakeAJump) {
  for (const ShortCode& what : kShort) {
    SCOPED_TRACE(what.length);
    take(what);
    // There may be a page already that serves it.
    EXPECT_TRUE(call_often(*space));
    Bytes now = really();
    EXPECT_TRUE(is_jump());
    EXPECT_TRUE(std::equal(now.begin() + what.length, now.end(), what.bytes.begin() + what.length));
    bool begun = true;
    const rewrite::Site* site = space->stub_at(stub(), begun);
    ASSERT_NE(site, nullptr);
    EXPECT_EQ(site->at, code.value + kSite);
    EXPECT_EQ(site->call(), call.value);
    EXPECT_FALSE(begun);
    const Bytes moved = really_at(*space, stub());
    EXPECT_TRUE(std::equal(moved.begin(), moved.begin() + what.length, what.bytes.begin()));
    Bytes seen{};
    ASSERT_EQ(space->read_memory(code + kSite, std::as_writable_bytes(std::span(seen))),
              seen.size());
    EXPECT_EQ(seen, what.bytes);
    space->undo_call(code + kSite);
    EXPECT_EQ(really(), what.bytes);
  }
}

TEST_F(ShortCallSitesTest, FewCallsAreNotWorthAPage) {
  take(kShort[0]);
  EXPECT_FALSE(call_often(*space, 15));
  EXPECT_EQ(really(), kShort[0].bytes);
}

// Those whose jumps lead near each other share a page.
TEST_F(ShortCallSitesTest, NeighboursShareAPage) {
  take(kShort[1], kBase - 16 * kPageSize);
  ASSERT_TRUE(call_often(*space));
  const UserAddr page = stub().page();
  take(kShort[1], kBase - 14 * kPageSize);
  EXPECT_TRUE(call_often(*space, 2));
  EXPECT_EQ(stub().page(), page);
}

TEST_F(ShortCallSitesTest, NoPlaceIsLeft) {
  take(kShort[1]);
  const u64 first = code.value + kSite + 5 + 0x050f'0000;
  map(UserAddr(first).page(), 17 * kPageSize);
  EXPECT_FALSE(call_often(*space, 64));
  EXPECT_EQ(really(), kShort[1].bytes);
}

TEST_F(ShortCallSitesTest, GiveWay) {
  take(kShort[2]);
  ASSERT_TRUE(call_often(*space));
  map(stub().page(), kPageSize);
  EXPECT_EQ(really(), kShort[2].bytes);
}

// The jump is made of the first byte behind the call, too, so that one stays.
TEST_F(ShortCallSitesTest, NextInstructionStays) {
  constexpr u8 kBoth[] = {0x31, 0xd2, 0x0f, 0x05, 0xb8, 39, 0, 0, 0, 0x0f, 0x05};
  constexpr usize kSecond = 9;
  for (const bool short_first : {true, false}) {
    code = make_code(UserAddr(), MapFlags::kPrivate, kReadExecute, kBoth);
    call = code + kSite + (short_first ? 2 : kSecond);
    EXPECT_TRUE(call_often(*space));
    const Bytes after_one = really();
    EXPECT_EQ(after_one[0] == 0xe9, short_first);
    EXPECT_EQ(after_one[4] == 0xe9, !short_first);
    call = code + kSite + (short_first ? kSecond : 2);
    EXPECT_FALSE(call_often(*space, 32));
    EXPECT_EQ(really(), after_one);
    // A write behind the call takes the jump back before.
    if (!short_first) continue;
    constexpr u8 kMov = 0xb9;
    EXPECT_EQ(space->write_memory(code + kSite + 4, std::as_bytes(std::span(&kMov, 1))), 0u);
    ASSERT_TRUE(space->protect(code, kPageSize, kReadWrite).ok());
    EXPECT_EQ(really()[0], 0x31);
  }
}

// Each in a page of its own at worst: there is an end to that.
TEST_F(ShortCallSitesTest, PagesAreFew) {
  u32 made = 0;
  for (u32 i = 0; i < 100; ++i) {
    take(kShort[0], UserAddr(kBase.value - kGiB + u64{i} * 2 * kPageSize));
    made += call_often(*space);
  }
  EXPECT_EQ(made, 64u);
  // With the first to go, another can come.
  call = code + kSite + 2;
  ASSERT_TRUE(space->unmap(UserAddr(kBase.value), kGiB).ok());
  EXPECT_TRUE(call_often(*space, 16 + 16));
}

// A child adds to its parent's page, but not in the parent's.
TEST_F(ShortCallSitesTest, ChildAddsToACopy) {
  take(kShort[1], kBase - 16 * kPageSize);
  ASSERT_TRUE(call_often(*space));
  const UserAddr first_stub = stub();
  take(kShort[1], kBase - 14 * kPageSize);
  Ref<AddressSpace> child = space->clone().take();
  EXPECT_TRUE(call_often(*child));
  EXPECT_EQ(really(), kShort[1].bytes);
  EXPECT_EQ(really_at(*child, code + kSite)[0], 0xe9);
  const UserAddr second_stub = first_stub + rewrite::kStubSize;
  EXPECT_NE(really_at(*child, second_stub), really_at(*space, second_stub));
  EXPECT_EQ(really_at(*child, first_stub), really_at(*space, first_stub));
  EXPECT_TRUE(call_often(*space));
  EXPECT_EQ(stub(), second_stub);
}

}  // namespace
}  // namespace narwhal
