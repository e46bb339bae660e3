#include "loader/stack.h"

#include <cstring>

namespace narwhal {
namespace {

constexpr std::string_view kPlatform = "x86_64";

usize total_size(const Vector<String>& strings) {
  usize total = 0;
  for (const String& s : strings) total += s.size() + 1;
  return total;
}

// Fills an image of [base, top) from its low end.
class Writer {
 public:
  Writer(std::span<std::byte> bytes, UserAddr base) : bytes_(bytes), base_(base) {}
  UserAddr position() const { return base_ + at_; }
  void skip_to(usize offset) { at_ = offset; }
  UserAddr text(std::string_view s) {
    const UserAddr where = position();
    std::memcpy(bytes_.data() + at_, s.data(), s.size());
    at_ += s.size() + 1;  // the image is zeroed: there is the NUL
    return where;
  }
  void word(u64 value) {
    std::memcpy(bytes_.data() + at_, &value, sizeof value);
    at_ += sizeof value;
  }
  void strings(const Vector<String>& strings) {
    for (const String& s : strings) text(s.view());
  }
  // Pointers to strings that lie one after the other, and a null.
  UserAddr pointers(const Vector<String>& strings, UserAddr first) {
    for (const String& s : strings) {
      word(first.value);
      first += s.size() + 1;
    }
    word(0);
    return first;
  }

 private:
  std::span<std::byte> bytes_;
  UserAddr base_;
  usize at_ = 0;
};

}  // namespace

// From low to high: argc, argv, envp, auxv, padding, random bytes, platform, argument strings,
// environment strings, the executable's name, eight zero bytes: as Linux does it.
Result<StackImage> build_stack(UserAddr top, const ProgramArguments& arguments,
                               const StackContent& content) {
  const usize args = total_size(arguments.argv), env = total_size(arguments.envp);
  const usize strings = args + env + content.executable_name.size() + 1 + sizeof(u64);
  const usize fixed = sizeof content.random + kPlatform.size() + 1;
  constexpr usize kPointerEntries = 4;  // random, platform, executable name, null
  const usize words = 1 + arguments.argv.size() + 1 + arguments.envp.size() + 1 +
                      2 * (content.entries.size() + kPointerEntries);
  const usize size = align_up(strings + fixed + words * sizeof(u64) + 16, 16);

  StackImage image;
  TRY(image.bytes.resize(size));
  image.pointer = UserAddr(align_down(top.value - size, 16));
  // `top` is page-aligned and `size` a multiple of 16, so the image ends exactly at `top`.
  Writer writer({image.bytes.data(), size}, image.pointer);

  writer.skip_to(size - strings);
  image.args_start = writer.position();
  writer.strings(arguments.argv);
  image.args_end = writer.position();
  writer.strings(arguments.envp);
  image.env_end = writer.position();
  const UserAddr name = writer.text(content.executable_name);

  const usize fixed_at = align_down(size - strings - fixed, 16);
  writer.skip_to(fixed_at);
  const UserAddr random = writer.position();
  std::memcpy(image.bytes.data() + fixed_at, content.random, sizeof content.random);
  writer.skip_to(fixed_at + sizeof content.random);
  const UserAddr platform = writer.text(kPlatform);

  writer.skip_to(0);
  writer.word(arguments.argv.size());
  const UserAddr env_start = writer.pointers(arguments.argv, image.args_start);
  writer.pointers(arguments.envp, env_start);
  const auto entry = [&](abi::Auxiliary type, u64 value) {
    writer.word(u64(type));
    writer.word(value);
  };
  for (const AuxiliaryEntry& e : content.entries) entry(e.type, e.value);
  entry(abi::Auxiliary::kRandom, random.value);
  entry(abi::Auxiliary::kPlatform, platform.value);
  entry(abi::Auxiliary::kExecutableName, name.value);
  entry(abi::Auxiliary::kNull, 0);
  return image;
}

}  // namespace narwhal
