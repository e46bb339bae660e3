#include "process/bpf_filter.h"

namespace narwhal::bpf {
namespace {

// <linux/bpf_common.h>: a code is a class with what the class needs beside it.
enum Code : u16 {
  kLoadWord = 0x20,    // LD | W | ABS
  kLoadLength = 0x80,  // LD | W | LEN
  kLoadIndexLength = 0x81,
  kLoadConstant = 0x00,  // LD | IMM
  kLoadIndex = 0x01,     // LDX | IMM
  kLoadMemory = 0x60,    // LD | MEM
  kLoadIndexMemory = 0x61,
  kStore = 0x02,
  kStoreIndex = 0x03,
  kReturnConstant = 0x06,
  kReturn = 0x16,  // RET | A
  kToIndex = 0x07,
  kFromIndex = 0x87,
  kNegate = 0x84,
  kJump = 0x05,
};
constexpr u16 kClass = 0x07, kOperation = 0xf0, kByIndex = 0x08;
constexpr u16 kArithmetic = 0x04, kJumps = 0x05;
enum Operation : u16 {
  kAdd = 0x00,
  kSubtract = 0x10,
  kMultiply = 0x20,
  kDivide = 0x30,
  kOr = 0x40,
  kAnd = 0x50,
  kShiftLeft = 0x60,
  kShiftRight = 0x70,
  kXor = 0xa0,
};
enum Condition : u16 { kEqual = 0x10, kGreater = 0x20, kGreaterOrEqual = 0x30, kAnyBit = 0x40 };

constexpr usize kMemoryWords = 16;
constexpr u32 kBits = 32;

bool is_arithmetic(u16 code) {
  const u16 operation = code & kOperation;
  return (code & kClass) == kArithmetic && (operation <= kShiftRight || operation == kXor) &&
         (code & ~(kClass | kOperation | kByIndex)) == 0;
}
bool is_condition(u16 code) {
  const u16 condition = code & kOperation;
  return (code & kClass) == kJumps && condition >= kEqual && condition <= kAnyBit &&
         (code & ~(kClass | kOperation | kByIndex)) == 0;
}
bool is_return(u16 code) {
  return code == kReturnConstant || code == kReturn;
}

bool valid_alone(const Instruction& each, usize left, usize data_size) {
  switch (each.code) {
    case kLoadWord:
      return each.k % sizeof(u32) == 0 && each.k < data_size;
    case kLoadMemory:
    case kLoadIndexMemory:
    case kStore:
    case kStoreIndex:
      return each.k < kMemoryWords;
    case kJump:
      return each.k < left;
    case kLoadLength:
    case kLoadIndexLength:
    case kLoadConstant:
    case kLoadIndex:
    case kReturnConstant:
    case kReturn:
    case kToIndex:
    case kFromIndex:
    case kNegate:
      return true;
    default:
      break;
  }
  if (is_condition(each.code)) return each.if_true < left && each.if_false < left;
  if (!is_arithmetic(each.code)) return false;
  if (each.code & kByIndex) return true;
  const u16 operation = each.code & kOperation;
  if (operation == kDivide) return each.k != 0;
  if (operation == kShiftLeft || operation == kShiftRight) return each.k < kBits;
  return true;
}

// Bit n of `written[i]`: word n has been written on every way to instruction i.
bool memory_is_written_first(std::span<const Instruction> program) {
  u16 written[kMostInstructions];
  for (usize i = 0; i < program.size(); ++i) written[i] = u16(~0u);
  written[0] = 0;
  for (usize i = 0; i < program.size(); ++i) {
    const Instruction& each = program[i];
    u16 now = written[i];
    const u16 bit = u16(1u << (each.k % kMemoryWords));
    if (each.code == kStore || each.code == kStoreIndex) now |= bit;
    if ((each.code == kLoadMemory || each.code == kLoadIndexMemory) && !(now & bit)) return false;
    if (is_return(each.code)) continue;
    if (each.code == kJump) {
      written[i + 1 + each.k] &= now;
    } else if (is_condition(each.code)) {
      written[i + 1 + each.if_true] &= now;
      written[i + 1 + each.if_false] &= now;
    } else {
      written[i + 1] &= now;
    }
  }
  return true;
}

bool holds(u16 condition, u32 a, u32 b) {
  switch (condition) {
    case kEqual:
      return a == b;
    case kGreater:
      return a > b;
    case kGreaterOrEqual:
      return a >= b;
    default:
      return (a & b) != 0;
  }
}

u32 calculate(u16 operation, u32 a, u32 b) {
  switch (operation) {
    case kAdd:
      return a + b;
    case kSubtract:
      return a - b;
    case kMultiply:
      return a * b;
    case kDivide:
      return a / b;
    case kOr:
      return a | b;
    case kAnd:
      return a & b;
    case kShiftLeft:
      return a << (b % kBits);
    case kShiftRight:
      return a >> (b % kBits);
    default:
      return a ^ b;
  }
}

}  // namespace

bool valid(std::span<const Instruction> program, usize data_size) {
  if (program.empty() || program.size() > kMostInstructions) return false;
  for (usize i = 0; i < program.size(); ++i)
    if (!valid_alone(program[i], program.size() - i - 1, data_size)) return false;
  return is_return(program.back().code) && memory_is_written_first(program);
}

u32 run(std::span<const Instruction> program, std::span<const u32> words) {
  u32 a = 0, x = 0;
  u32 memory[kMemoryWords] = {};
  for (usize at = 0;; ++at) {
    const Instruction& each = program[at];
    switch (each.code) {
      case kLoadWord:
        a = words[each.k / sizeof(u32)];
        continue;
      case kLoadLength:
        a = u32(words.size_bytes());
        continue;
      case kLoadIndexLength:
        x = u32(words.size_bytes());
        continue;
      case kLoadConstant:
        a = each.k;
        continue;
      case kLoadIndex:
        x = each.k;
        continue;
      case kLoadMemory:
        a = memory[each.k];
        continue;
      case kLoadIndexMemory:
        x = memory[each.k];
        continue;
      case kStore:
        memory[each.k] = a;
        continue;
      case kStoreIndex:
        memory[each.k] = x;
        continue;
      case kReturnConstant:
        return each.k;
      case kReturn:
        return a;
      case kToIndex:
        x = a;
        continue;
      case kFromIndex:
        a = x;
        continue;
      case kNegate:
        a = -a;
        continue;
      case kJump:
        at += each.k;
        continue;
      default:
        break;
    }
    const u32 b = each.code & kByIndex ? x : each.k;
    const u16 operation = each.code & kOperation;
    if ((each.code & kClass) == kJumps) {
      at += holds(operation, a, b) ? each.if_true : each.if_false;
    } else {
      if (operation == kDivide && b == 0) return 0;
      a = calculate(operation, a, b);
    }
  }
}

}  // namespace narwhal::bpf
