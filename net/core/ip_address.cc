#include "net/core/ip_address.h"

namespace narwhal {
namespace {

// Up to `limit`, in decimal, without a sign or leading zeros. Takes the digits off `text`.
Result<u32> take_decimal(std::string_view& text, u32 limit) {
  u32 value = 0;
  usize digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    value = value * 10 + u32(text[digits] - '0');
    if (value > limit) return Errno::kInval;
    ++digits;
  }
  if (digits == 0 || (digits > 1 && text[0] == '0')) return Errno::kInval;
  text.remove_prefix(digits);
  return value;
}

Result<IpAddress> parse_v4(std::string_view text) {
  IpAddress address;
  for (usize i = 0; i < 4; ++i) {
    if (i != 0) {
      if (text.empty() || text[0] != '.') return Errno::kInval;
      text.remove_prefix(1);
    }
    address.bytes[i] = u8(TRY(take_decimal(text, 255)));
  }
  if (!text.empty()) return Errno::kInval;
  return address;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<IpAddress> parse_v6(std::string_view text) {
  u16 groups[8] = {};
  usize count = 0;
  constexpr usize kNone = ~usize{0};
  usize gap = kNone;  // index of the first group behind "::"
  if (text.starts_with("::")) {
    gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (count == 8) return Errno::kInval;
    const usize colon = text.find(':');
    if (colon == std::string_view::npos && text.find('.') != std::string_view::npos) {
      if (count > 6) return Errno::kInval;
      const IpAddress tail = TRY(parse_v4(text));
      groups[count++] = u16(tail.bytes[0] << 8 | tail.bytes[1]);
      groups[count++] = u16(tail.bytes[2] << 8 | tail.bytes[3]);
      text = {};
      break;
    }
    usize digits = 0;
    u32 value = 0;
    while (digits < text.size() && hex_value(text[digits]) >= 0) {
      value = value << 4 | u32(hex_value(text[digits]));
      if (++digits > 4) return Errno::kInval;
    }
    if (digits == 0) return Errno::kInval;
    groups[count++] = u16(value);
    text.remove_prefix(digits);
    if (text.empty()) break;
    if (text[0] != ':') return Errno::kInval;
    text.remove_prefix(1);
    if (text.starts_with(':')) {
      if (gap != kNone) return Errno::kInval;
      gap = count;
      text.remove_prefix(1);
    } else if (text.empty()) {
      return Errno::kInval;
    }
  }
  if (gap == kNone ? count != 8 : count == 8) return Errno::kInval;
  IpAddress address = IpAddress::any(IpVersion::k6);
  for (usize i = 0; i < count; ++i) {
    const usize at = gap != kNone && i >= gap ? i + 8 - count : i;
    address.bytes[2 * at] = u8(groups[i] >> 8);
    address.bytes[2 * at + 1] = u8(groups[i]);
  }
  return address;
}

void print_dotted(TextSink& out, const u8* bytes) {
  out << u32(bytes[0]) << '.' << u32(bytes[1]) << '.' << u32(bytes[2]) << '.' << u32(bytes[3]);
}

void print_v6(TextSink& out, const IpAddress& address) {
  if (address.is_mapped()) {
    out << "::ffff:";
    print_dotted(out, address.bytes + 12);
    return;
  }
  u16 groups[8];
  for (usize i = 0; i < 8; ++i)
    groups[i] = u16(address.bytes[2 * i] << 8 | address.bytes[2 * i + 1]);
  // The longest run of zeros, of two groups at least; the first of equals.
  usize gap = 8, gap_length = 1;
  for (usize i = 0; i < 8; ++i) {
    usize length = 0;
    while (i + length < 8 && groups[i + length] == 0) ++length;
    if (length > gap_length) {
      gap = i;
      gap_length = length;
    }
  }
  for (usize i = 0; i < 8; ++i) {
    if (i == gap) {
      out << "::";
      i += gap_length - 1;
      continue;
    }
    if (i != 0 && i != gap + gap_length) out << ':';
    out << Hex{groups[i], 0, false};
  }
}

}  // namespace

Result<IpAddress> parse_ip_address(std::string_view text) {
  return text.find(':') == std::string_view::npos ? parse_v4(text) : parse_v6(text);
}

TextSink& operator<<(TextSink& out, const IpAddress& address) {
  if (address.is_v4())
    print_dotted(out, address.bytes);
  else
    print_v6(out, address);
  return out;
}

}  // namespace narwhal
