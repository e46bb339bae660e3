#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace narwhal {

// Writes the first instruction of `code` into `text` as AT&T assembly; returns its length, 0 if
// there is none.
size_t disassemble(std::span<const uint8_t> code, std::span<char> text);

}  // namespace narwhal
