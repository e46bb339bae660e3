// Mount options of tmpfs(5).
#include "fs/tmpfs/tmpfs.h"
#include "kernel/base/format.h"
#include "kernel/mm/frame.h"

namespace narwhal {
namespace {

// A number with an optional suffix k, m, g. False when it is none.
bool parse_number(std::string_view text, unsigned base, bool suffix_allowed, u64& out) {
  u64 value = 0;
  usize i = 0;
  for (; i < text.size() && text[i] >= '0' && unsigned(text[i] - '0') < base; ++i)
    if (__builtin_mul_overflow(value, base, &value) ||
        __builtin_add_overflow(value, u64(text[i] - '0'), &value))
      return false;
  if (i == 0) return false;
  if (suffix_allowed && i + 1 == text.size()) {
    unsigned shift;
    switch (text[i] | 0x20) {
      case 'k':
        shift = 10;
        break;
      case 'm':
        shift = 20;
        break;
      case 'g':
        shift = 30;
        break;
      default:
        return false;
    }
    if (value >> (64 - shift)) return false;
    value <<= shift;
    ++i;
  }
  out = value;
  return i == text.size();
}

Result<> parse_option(std::string_view key, std::string_view value, TmpFs::Options& options) {
  u64 number = 0;
  if (key == "size") {
    if (value.ends_with('%')) {
      if (!parse_number(value.substr(0, value.size() - 1), 10, false, number)) return Errno::kInval;
      options.max_pages = memory_statistics().total_frames * number / 100;
    } else {
      if (!parse_number(value, 10, true, number)) return Errno::kInval;
      options.max_pages = div_round_up(number, kPageSize);
    }
  } else if (key == "nr_blocks") {
    if (!parse_number(value, 10, true, number)) return Errno::kInval;
    options.max_pages = number;
  } else if (key == "nr_inodes") {
    if (!parse_number(value, 10, true, number)) return Errno::kInval;
    options.max_inodes = number;
  } else if (key == "mode") {
    if (!parse_number(value, 8, false, number) || number > kPermissionMask) return Errno::kInval;
    options.mode = u32(number);
  } else if (key == "uid") {
    if (!parse_number(value, 10, false, number) || number >= ~u32{0}) return Errno::kInval;
    options.uid = u32(number);
  } else if (key == "gid") {
    if (!parse_number(value, 10, false, number) || number >= ~u32{0}) return Errno::kInval;
    options.gid = u32(number);
  } else if (key == "inode32" || key == "inode64" || key == "noswap") {
    // How numbers are chosen, and that nothing is swapped: both are so here anyway.
    if (!value.empty()) return Errno::kInval;
  } else if (key == "huge") {
    if (value != "never") return Errno::kInval;
  } else {
    return Errno::kInval;
  }
  // "size=0" and "nr_inodes=0" lift the limit.
  if ((key == "size" || key == "nr_blocks") && options.max_pages == 0)
    options.max_pages = TmpfsAccount::kUnlimited;
  if (key == "nr_inodes" && options.max_inodes == 0) options.max_inodes = TmpfsAccount::kUnlimited;
  return {};
}

}  // namespace

Result<TmpFs::Options> TmpFs::parse_options(std::string_view text, Options options) {
  while (!text.empty()) {
    const usize comma = text.find(',');
    const std::string_view option = text.substr(0, comma);
    text = comma == text.npos ? std::string_view() : text.substr(comma + 1);
    if (option.empty()) continue;
    const usize equals = option.find('=');
    const std::string_view key = option.substr(0, equals);
    const std::string_view value =
        equals == option.npos ? std::string_view() : option.substr(equals + 1);
    TRY(parse_option(key, value, options));
  }
  return options;
}

void TmpFs::describe_options(TextSink& out) const {
  const u64 half = memory_statistics().total_frames / 2;
  const u64 pages = account_->max_pages.load(), inodes = account_->max_inodes.load();
  const char* separator = "";
  if (pages != half) {
    out << "size=" << (pages == TmpfsAccount::kUnlimited ? 0 : pages * (kPageSize / kKiB)) << 'k';
    separator = ",";
  }
  if (inodes != half) {
    out << separator << "nr_inodes=" << (inodes == TmpfsAccount::kUnlimited ? 0 : inodes);
    separator = ",";
  }
  constexpr u32 kDefaultMode = 01777;
  if (mode_ == kDefaultMode) return;
  out << separator << "mode=";
  if (mode_ > 0777) out << char('0' + (mode_ >> 9));
  for (int shift = 6; shift >= 0; shift -= 3) out << char('0' + (mode_ >> shift & 7));
}

Result<> TmpFs::reconfigure(std::string_view text) {
  Options options;
  options = TRY(parse_options(text, options));
  // Limits can't fall below what is used (tmpfs(5)).
  if (options.max_pages != 0) {
    if (options.max_pages < account_->pages()) return Errno::kInval;
    account_->max_pages.store(options.max_pages);
  }
  if (options.max_inodes != 0) {
    if (options.max_inodes < account_->inodes()) return Errno::kInval;
    account_->max_inodes.store(options.max_inodes);
  }
  return {};
}

}  // namespace narwhal
