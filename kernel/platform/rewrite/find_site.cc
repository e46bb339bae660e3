#include "kernel/platform/rewrite/find_site.h"

#include "Zydis/Zydis.h"

namespace narwhal::rewrite {
namespace {

// Code that is read from the middle of an instruction falls into step with the true one after a few
// instructions. Readings that begin this near may not have, so they don't count.
constexpr usize kSettled = 24;
constexpr usize kNear = 8;
constexpr u64 kFunctionAlignment = 16;
constexpr u64 kSigreturn = 15;

class Decoder {
 public:
  Decoder() { ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64); }
  // The length of the instruction at the beginning of `code`; 0: there is none. One that goes on
  // behind the end is longer than all of `code`.
  usize decode(std::span<const std::byte> code) {
    const ZyanStatus status =
        ZydisDecoderDecodeInstruction(&decoder_, nullptr, code.data(), code.size(), &instruction_);
    if (status == ZYDIS_STATUS_NO_MORE_DATA) return code.size() + 1;
    return ZYAN_SUCCESS(status) ? instruction_.length : 0;
  }
  // Whether nothing goes on behind what was decoded last.
  bool ends() const {
    switch (instruction_.mnemonic) {
      case ZYDIS_MNEMONIC_HLT:
      case ZYDIS_MNEMONIC_INT3:
      case ZYDIS_MNEMONIC_JMP:
      case ZYDIS_MNEMONIC_RET:
      case ZYDIS_MNEMONIC_UD2:
        return true;
      default:
        return false;
    }
  }
  // Whether what was decoded last does the same wherever it lies, and goes on behind itself.
  bool can_move() const {
    if (instruction_.attributes & ZYDIS_ATTRIB_IS_RELATIVE) return false;
    switch (instruction_.meta.category) {
      case ZYDIS_CATEGORY_BINARY:
      case ZYDIS_CATEGORY_CMOV:
      case ZYDIS_CATEGORY_DATAXFER:
      case ZYDIS_CATEGORY_LOGICAL:
        return true;
      default:
        return instruction_.mnemonic == ZYDIS_MNEMONIC_LEA;
    }
  }

 private:
  ZydisDecoder decoder_;
  ZydisDecodedInstruction instruction_;
};

// What the instruction makes of eax, if that is always the same.
constexpr u64 kUnknown = ~u64{0};
u64 number_of(const Site& site) {
  constexpr u8 kClear[] = {0x31, 0xc0};  // xorl %eax, %eax
  if (site.is_number()) return site.number();
  return site.length == sizeof kClear && std::memcmp(site.original, kClear, sizeof kClear) == 0
             ? 0
             : kUnknown;
}

}  // namespace

bool find_site(std::span<const std::byte> before, u64 call, u64 number, Site& out) {
  // Unwinders know what returns from a signal handler by its bytes.
  if (number == kSigreturn) return false;
  if (before.size() > kContext) before = before.last(kContext);
  const usize end = before.size();
  Decoder decoder;
  // Where the last instruction begins, read from each byte on; its end is `end`. And whether what
  // begins at a byte goes on behind itself at all.
  constexpr u8 kNowhere = 0xff, kPasses = 0xfe;
  u8 last[kContext + 1], next[kContext];
  bool ends[kContext];
  last[end] = kNowhere;
  for (usize at = end; at-- > 0;) {
    const usize length = decoder.decode(before.subspan(at));
    ends[at] = length != 0 && at + length <= end && decoder.ends();
    next[at] = u8(length != 0 && at + length < end ? at + length : end);
    if (length == 0)
      last[at] = kNowhere;
    else if (at + length > end)
      last[at] = kPasses;
    else
      last[at] = at + length == end ? u8(at) : last[at + length];
  }
  u8 found = kNowhere;
  const auto agree = [&](usize from, usize to) {
    for (usize at = from; at <= to && at < end; ++at) {
      if (last[at] == kNowhere) continue;
      if (last[at] == kPasses || (found != kNowhere && found != last[at])) return false;
      found = last[at];
    }
    return found != kNowhere;
  };
  // All readings that lead here must agree. Where little code comes before, only its beginning
  // counts.
  const usize settled = end > kSettled + kMostMoved ? end - kSettled - kMostMoved : 0;
  if (!agree(0, settled)) return false;
  const usize length = decoder.decode(before.subspan(found));
  if (length < kLeastMoved || length > kMostMoved || !decoder.can_move()) return false;
  Site site{.at = call - length, .length = u8(length)};
  std::memcpy(site.original, before.data() + found, length);
  if (const u64 set = number_of(site); set != kUnknown) {
    // It must set what was asked for; else the program came to the call another way, or these bytes
    // are no such instruction.
    if (set != number) return false;
    out = site;
    return true;
  }
  // Of the others nothing says that they were run, so more readings must agree: those that begin
  // nearer, too; and behind a return or a jump those that begin where other code may: there, behind
  // zeros, and where a function is aligned.
  if (settled != 0 && found > kNear && !agree(settled, found - kNear)) return false;
  const auto agree_behind = [&](usize at) {
    const u64 address = call - end + at;
    const usize aligned = at + (align_up(address, kFunctionAlignment) - address);
    const usize most = found + kJumpSize < end ? found + kJumpSize : end;
    if (aligned < most && !agree(aligned, aligned)) return false;
    for (; at < most; ++at) {
      if (!agree(at, at)) return false;
      if (before[at] != std::byte{0}) break;
    }
    return true;
  };
  usize first = 0;
  while (last[first] == kNowhere) ++first;
  for (usize at = first; at < found; at = next[at])
    if (ends[at] && !agree_behind(next[at])) return false;
  out = site;
  return true;
}

}  // namespace narwhal::rewrite
