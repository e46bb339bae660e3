#include <array>
#include <map>
#include <random>

#include "kernel/mm/testing/address_space.h"

namespace narwhal {
namespace {

// Random calls, checked against a map from page to content.
TEST_F(AddressSpaceTest, AgreesWithAModel) {
  constexpr u64 kBase = 0x1000'0000, kPages = 48;
  struct Page {
    Protection protection;
    u8 value;
  };
  using Model = std::map<u64, Page>;
  struct Process {
    Ref<AddressSpace> space;
    Model model;
  };
  Model model;
  std::array<Process, 3> others;
  std::mt19937 random(20);
  const auto pick = [&](u64 below) { return random() % below; };
  for (int step = 0; step < 20'000; ++step) {
    const u64 first = pick(kPages), count = 1 + pick(kPages - first);
    const UserAddr at(kBase + first * kPageSize);
    switch (pick(7)) {
      case 0:
        map(*space, count * kPageSize, at);
        for (u64 i = first; i < first + count; ++i) model[i] = {kReadWrite, 0};
        break;
      case 1:
        ASSERT_TRUE(space->unmap(at, count * kPageSize).ok());
        for (u64 i = first; i < first + count; ++i) model.erase(i);
        break;
      case 2: {
        const Protection all[] = {Protection::kNone, Protection::kRead, kReadWrite};
        const Protection protection = all[pick(3)];
        u64 i = first;
        for (; i < first + count && model.contains(i); ++i) model[i].protection = protection;
        EXPECT_EQ(space->protect(at, count * kPageSize, protection).ok(), i == first + count);
        break;
      }
      case 3: {
        ASSERT_EQ(space->advise(at, count * kPageSize, abi::kAdviceDontNeed).ok(), [&] {
          bool whole = true;
          for (u64 i = first; i < first + count; ++i) {
            if (auto found = model.find(i); found != model.end())
              found->second.value = 0;
            else
              whole = false;
          }
          return whole;
        }());
        break;
      }
      case 4: {  // as fork(2), and on with the child, the parent, or one of before
        Process& other = others[pick(others.size())];
        if (!other.space || pick(2)) {
          other = {space->clone().take(), model};
          ASSERT_EQ(other.space->statistics().resident_anonymous,
                    space->statistics().resident_anonymous);
        }
        std::swap(other.space, space);
        std::swap(other.model, model);
        break;
      }
      case 5: {  // to another place in the window
        const u64 to = pick(kPages - count + 1);
        bool whole = model.contains(first);
        for (u64 i = first; whole && i < first + count; ++i)
          whole = model.contains(i) && model[i].protection == model[first].protection;
        const bool apart = to + count <= first || first + count <= to;
        if (!whole || !apart) break;
        const UserAddr target(kBase + to * kPageSize);
        auto moved = space->remap(at, count * kPageSize, count * kPageSize,
                                  abi::kRemapMayMove | abi::kRemapFixed, target);
        ASSERT_TRUE(moved.ok()) << errno_name(moved.error());
        for (u64 i = 0; i < count; ++i) {
          model[to + i] = model[first + i];
          model.erase(first + i);
        }
        break;
      }
      default: {
        const u64 page = pick(kPages);
        const UserAddr where(kBase + page * kPageSize + pick(kPageSize));
        const UserAddr byte = where.page() + 17;
        const auto found = model.find(page);
        if (found == model.end()) {
          EXPECT_EQ(peek(*space, byte), -int(Errno::kFault));
        } else if (found->second.protection == Protection::kNone) {
          EXPECT_EQ(peek(*space, byte), -int(Errno::kAcces));
        } else {
          ASSERT_EQ(peek(*space, byte), found->second.value);
          const u8 value = u8(random());
          if (found->second.protection == kReadWrite) {
            ASSERT_EQ(poke(*space, byte, value), kOk);
            found->second.value = value;
          } else {
            ASSERT_EQ(poke(*space, byte, value), Errno::kAcces);
          }
        }
      }
    }
    // The mappings cover exactly the model's pages.
    std::map<u64, Protection> covered;
    space->for_each_mapping(
        [](const AddressSpace::MappingInfo& info, void* to) {
          for (u64 at = info.start.value; at < info.end.value; at += kPageSize)
            (*static_cast<std::map<u64, Protection>*>(to))[(at - kBase) / kPageSize] =
                info.protection;
        },
        &covered, false);
    EXPECT_EQ(covered.size(), model.size());
    for (const auto& [page, protection] : covered)
      EXPECT_TRUE(model.contains(page) && model[page].protection == protection) << page;
    if (HasFailure()) FAIL() << "at step " << step;
  }
  EXPECT_EQ(space->statistics().total, model.size());
}

}  // namespace
}  // namespace narwhal
