#include "kernel/platform/vm/processor_tables.h"

#include <gtest/gtest.h>

#include <vector>

namespace narwhal::vm {
namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (int value : values) out.push_back(std::byte(value));
  return out;
}
void append(std::vector<std::byte>& to, const std::vector<std::byte>& what) {
  to.insert(to.end(), what.begin(), what.end());
}
std::vector<u32> ids(const ProcessorList& list) {
  return {list.ids().begin(), list.ids().end()};
}

TEST(ProcessorTables, AcpiListsEnabledProcessors) {
  std::vector<std::byte> table(44);
  append(table, bytes({0, 8, 0, 0, 1, 0, 0, 0}));               // processor 0
  append(table, bytes({1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));  // an I/O APIC
  append(table, bytes({0, 8, 1, 4, 1, 0, 0, 0}));               // processor with number 4
  append(table, bytes({0, 8, 2, 6, 0, 0, 0, 0}));               // not there
  append(table, bytes({9, 16, 0, 0, 0x34, 0x12, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}));
  ProcessorList list;
  add_acpi_processors(table, list);
  EXPECT_EQ((std::vector<u32>{0, 4, 0x1234}), ids(list));
}

TEST(ProcessorTables, AcpiThatEndsTooEarlyIsReadAsFarAsItGoes) {
  std::vector<std::byte> table(44);
  append(table, bytes({0, 8, 0, 3, 1, 0, 0, 0}));
  append(table, bytes({0, 8, 0, 5, 1}));
  ProcessorList list;
  add_acpi_processors(table, list);
  EXPECT_EQ(std::vector<u32>{3}, ids(list));
  table.resize(44);
  append(table, bytes({0, 0, 0, 3, 1, 0, 0, 0}));  // an entry of no size must not go on for ever
  ProcessorList none;
  add_acpi_processors(table, none);
  EXPECT_TRUE(ids(none).empty());
}

TEST(ProcessorTables, TheMpPointerIsFoundByItsChecksum) {
  std::vector<std::byte> area(64);
  auto pointer = bytes({'_', 'M', 'P', '_', 0x00, 0x50, 0x0f, 0, 1, 4, 0, 0, 0, 0, 0, 0});
  std::copy(pointer.begin(), pointer.end(), area.begin() + 32);
  EXPECT_EQ(0u, find_mp_table(area));
  u8 sum = 0;
  for (std::byte byte : pointer) sum = u8(sum + u8(byte));
  area[32 + 10] = std::byte(u8(-sum));
  EXPECT_EQ(0xf5000u, find_mp_table(area));
  EXPECT_EQ(0u, find_mp_table(std::span(area).first(47)));
}

TEST(ProcessorTables, MpListsEnabledProcessors) {
  std::vector<std::byte> table(44);
  std::copy_n(bytes({'P', 'C', 'M', 'P'}).begin(), 4, table.begin());
  const auto processor = [&](int id, int flags) {
    auto entry = std::vector<std::byte>(20);
    entry[1] = std::byte(id);
    entry[3] = std::byte(flags);
    append(table, entry);
  };
  processor(0, 3);
  append(table, bytes({1, 0, 'I', 'S', 'A', ' ', ' ', ' '}));
  processor(1, 1);
  processor(2, 0);
  table[4] = std::byte(table.size());
  EXPECT_EQ(table.size(), mp_table_size(table));
  ProcessorList list;
  add_mp_processors(table, list);
  EXPECT_EQ((std::vector<u32>{0, 1}), ids(list));
  table[0] = std::byte('X');
  EXPECT_EQ(0u, mp_table_size(table));
}

TEST(ProcessorTables, AProcessorThatIsListedTwiceIsOne) {
  ProcessorList list;
  list.add(1);
  list.add(1);
  for (u32 id = 0; id < 100; ++id) list.add(id);
  EXPECT_EQ(ProcessorList::kMost, list.ids().size());
}

}  // namespace
}  // namespace narwhal::vm
