#include "kernel/platform/vm/address_space_tags.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace narwhal::vm {
namespace {

// A CPU that remembers, under each number, the tables as they were when it looked.
class Cpu {
 public:
  struct Seen {
    u64 root;
    int version;
  };

  void load(u64 cr3) {
    number_ = cr3 & (AddressSpaceTags::kNumbers - 1);
    root_ = cr3 & ~AddressSpaceTags::kKeepTranslations & ~(AddressSpaceTags::kNumbers - 1);
    if (!(cr3 & AddressSpaceTags::kKeepTranslations)) flush();
  }
  void flush() { remembered_.erase(number_); }
  u64 root() const { return root_; }
  u64 number() const { return number_; }
  // What a program sees of its tables, which are at `version` now.
  Seen look(int version) {
    return remembered_.try_emplace(number_, Seen{root_, version}).first->second;
  }

 private:
  std::map<u64, Seen> remembered_;
  u64 root_ = 0, number_ = 0;
};

struct Space {
  u64 tag = 0;
  int version = 0;
};

u64 root_of(usize index) {
  return (index + 1) << 12;
}

TEST(AddressSpaceTags, KeepTranslationsOverASwitch) {
  AddressSpaceTags tags;
  u64 first = 0, second = 0;
  const u64 once = tags.select(first, 0x1000);
  EXPECT_FALSE(once & AddressSpaceTags::kKeepTranslations) << "the number may have been another's";
  EXPECT_NE(once & 0xfff, tags.select(second, 0x2000) & 0xfff);
  EXPECT_EQ(tags.select(first, 0x1000), once | AddressSpaceTags::kKeepTranslations);
  first = 0;
  EXPECT_FALSE(tags.select(first, 0x1000) & AddressSpaceTags::kKeepTranslations);
}

TEST(AddressSpaceTags, NumberZeroIsNobodys) {
  AddressSpaceTags tags;
  for (u64 i = 0; i < 3 * AddressSpaceTags::kNumbers; ++i) {
    u64 tag = 0;
    EXPECT_NE(tags.select(tag, 0x1000) & 0xfff, 0u);
  }
}

// Spaces come, go, change and take turns; nobody ever sees old tables, or another's.
TEST(AddressSpaceTags, NeverShowOldTables) {
  std::mt19937 random(4095);
  AddressSpaceTags tags;
  Cpu cpu;
  std::vector<Space> spaces(6000);
  usize active = spaces.size();
  int kept = 0;
  for (int step = 0; step < 400'000; ++step) {
    // Mostly a few take turns; sometimes all do.
    const usize i = random() % 50 == 0 ? random() % spaces.size() : random() % 8;
    Space& space = spaces[i];
    switch (random() % 8) {
      case 0:  // changed, as Pmap does it
        ++space.version;
        if (i == active)
          cpu.flush();
        else
          space.tag = 0;
        break;
      case 1:  // gone, and another in its place
        if (i == active) {
          cpu.load(root_of(spaces.size()));  // the kernel's own
          active = spaces.size();
        }
        ++space.version;
        space.tag = 0;
        break;
      default:
        if (i != active) {
          const u64 cr3 = tags.select(space.tag, root_of(i));
          kept += (cr3 & AddressSpaceTags::kKeepTranslations) != 0;
          cpu.load(cr3);
        }
        active = i;
        ASSERT_EQ(cpu.root(), root_of(i));
        const Cpu::Seen seen = cpu.look(space.version);
        ASSERT_EQ(seen.root, root_of(i)) << "step " << step << ", number " << cpu.number();
        ASSERT_EQ(seen.version, space.version) << "step " << step;
    }
  }
  EXPECT_GT(kept, 100'000) << "and that is worth something";
}

}  // namespace
}  // namespace narwhal::vm
