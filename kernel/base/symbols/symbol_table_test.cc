#include "kernel/base/symbols/symbol_table.h"

#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace narwhal {
namespace {

// Two functions with a hole between them, then one without a size.
std::vector<uint32_t> words() {
  const char names[] = "first\0second\0third\0\0";  // 20 bytes, and the literal's own end
  std::vector<uint32_t> table = {SymbolTableHeader::kMagic, 3, 20};
  for (uint32_t word : {0x100u, 0x10u, 0u, 0x200u, 0x20u, 6u, 0x300u, 0u, 13u}) {
    table.push_back(word);
  }
  const size_t at = table.size();
  table.resize(at + 5);
  std::memcpy(&table[at], names, 20);
  return table;
}

TEST(SymbolTableTest, FindsTheFunctionThatCoversAnAddress) {
  const std::vector<uint32_t> table = words();
  const SymbolTable symbols(std::as_bytes(std::span(table)));
  ASSERT_EQ(symbols.size(), 3u);
  EXPECT_EQ(symbols.find(0x100).name, "first");
  EXPECT_EQ(symbols.find(0x10f).name, "first");
  EXPECT_EQ(symbols.find(0x10f).offset, 0xfu);
  EXPECT_EQ(symbols.find(0x204).name, "second");
  EXPECT_EQ(symbols.find(0x204).offset, 4u);
}

TEST(SymbolTableTest, AReturnAddressMayStandOnePastTheEnd) {
  const std::vector<uint32_t> table = words();
  const SymbolTable symbols(std::as_bytes(std::span(table)));
  EXPECT_EQ(symbols.find(0x110).name, "first");
  EXPECT_EQ(symbols.find(0x111).name, "");
}

TEST(SymbolTableTest, AFunctionWithoutASizeReachesToTheNext) {
  const std::vector<uint32_t> table = words();
  const SymbolTable symbols(std::as_bytes(std::span(table)));
  EXPECT_EQ(symbols.find(0x345).name, "third");
}

TEST(SymbolTableTest, NothingCoversAHoleOrWhatLiesBefore) {
  const std::vector<uint32_t> table = words();
  const SymbolTable symbols(std::as_bytes(std::span(table)));
  EXPECT_EQ(symbols.find(0).name, "");
  EXPECT_EQ(symbols.find(0xff).name, "");
  EXPECT_EQ(symbols.find(0x1ff).name, "");
}

TEST(SymbolTableTest, ADamagedTableFindsNothing) {
  EXPECT_EQ(SymbolTable({}).find(0x100).name, "");
  std::vector<uint32_t> table = words();
  const auto bytes = std::as_bytes(std::span(table));
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(SymbolTable(bytes.first(length)).size(), 0u) << length;
  }
  table[1] = 0xffffffff;
  EXPECT_EQ(SymbolTable(bytes).size(), 0u);
  table = words();
  table[5] = 20;  // the first function's name would start after the last byte
  EXPECT_EQ(SymbolTable(std::as_bytes(std::span(table))).find(0x100).name, "");
  table = words();
  table[0] = 0;
  EXPECT_EQ(SymbolTable(std::as_bytes(std::span(table))).size(), 0u);
}

}  // namespace
}  // namespace narwhal
