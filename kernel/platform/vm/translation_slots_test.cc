#include "kernel/platform/vm/translation_slots.h"

#include <gtest/gtest.h>

namespace narwhal::vm {
namespace {

TEST(TranslationSlots, WhatRanBeforeIsRemembered) {
  TranslationSlots cpu;
  const auto first = cpu.select(1);
  EXPECT_FALSE(first.keep);
  const auto second = cpu.select(2);
  EXPECT_FALSE(second.keep);
  EXPECT_NE(first.number, second.number);
  const auto again = cpu.select(1);
  EXPECT_TRUE(again.keep);
  EXPECT_EQ(first.number, again.number);
}

// Number 0 is the kernel's own.
TEST(TranslationSlots, NumbersAreFromOneToTheNumberOfSlots) {
  TranslationSlots cpu;
  for (u64 name = 1; name <= 100; ++name) {
    const u64 number = cpu.select(name).number;
    EXPECT_GE(number, 1u);
    EXPECT_LE(number, TranslationSlots::kSlots);
  }
}

TEST(TranslationSlots, ASlotThatIsTakenOverIsForgotten) {
  TranslationSlots cpu;
  cpu.select(1);
  for (u64 name = 2; name <= TranslationSlots::kSlots + 1; ++name)
    EXPECT_FALSE(cpu.select(name).keep);
  EXPECT_FALSE(cpu.select(1).keep);
}

// One CPU runs an address space and changes it; another had it before.
TEST(TranslationSlots, ANewNameOutdatesWhatOthersRemember) {
  TranslationSlots here, there;
  there.select(1);
  there.select(9);
  here.select(1);
  here.rename_current(2);
  EXPECT_TRUE(here.select(2).keep);
  EXPECT_FALSE(there.select(2).keep);
}

}  // namespace
}  // namespace narwhal::vm
