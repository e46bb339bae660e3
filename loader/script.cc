#include "loader/script.h"

namespace narwhal {
namespace {

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// The file's first bytes as Linux sees them: in a buffer that is filled up with NULs.
class Head {
 public:
  explicit Head(std::string_view text) : text_(text) {}
  char operator[](usize at) const { return at < text_.size() ? text_[at] : '\0'; }

  // The first place in [from, end) where there is no blank, or that ends a word; `end` if there is
  // none.
  usize skip_blanks(usize from, usize end) const {
    while (from < end && is_blank((*this)[from])) ++from;
    return from;
  }
  usize end_of_word(usize from, usize end) const {
    while (from < end && !is_blank((*this)[from]) && (*this)[from] != '\0') ++from;
    return from;
  }

  // A C string: up to `end` or its NUL, of which the file may have none because it ends.
  std::string_view string(usize from, usize end) const {
    if (from >= text_.size()) return {};
    const std::string_view whole = text_.substr(from, end - from);
    return whole.substr(0, whole.find('\0'));
  }

 private:
  std::string_view text_;
};

}  // namespace

Result<ScriptLine> parse_script(std::string_view head) {
  if (!head.starts_with("#!")) return Errno::kNoExec;
  const Head bytes(head);
  constexpr usize kStart = 2;
  usize end = head.find('\n');
  if (end == std::string_view::npos) {
    // The last byte of the buffer is for a NUL. A name that runs up to it is not the whole name.
    end = kScriptHeaderSize - 1;
    const usize word = bytes.skip_blanks(kStart, end);
    if (word == end || bytes.end_of_word(word, end) == end) return Errno::kNoExec;
  }
  while (end > kStart && is_blank(bytes[end - 1])) --end;

  const usize name = bytes.skip_blanks(kStart, end);
  if (name == end) return Errno::kNoExec;
  const usize name_end = bytes.end_of_word(name, end);
  ScriptLine line{bytes.string(name, name_end), {}};
  if (name_end < end && bytes[name_end] != '\0')
    line.argument = bytes.string(bytes.skip_blanks(name_end, end), end);
  return line;
}

}  // namespace narwhal
