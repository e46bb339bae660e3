// The third-party libraries are reachable, on the host and in the kernel. The image calls none of
// this.

#include "tools/bazel/selftest/third_party.h"

#include <cstring>

#include "Zydis/Zydis.h"

namespace narwhal {

size_t disassemble(std::span<const uint8_t> code, std::span<char> text) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_ATT);
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!ZYAN_SUCCESS(
          ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &instruction, operands))) {
    return 0;
  }
  if (!ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
          &formatter, &instruction, operands, instruction.operand_count_visible, text.data(),
          text.size(), ZYDIS_RUNTIME_ADDRESS_NONE, nullptr))) {
    return 0;
  }
  return instruction.length;
}

}  // namespace narwhal
