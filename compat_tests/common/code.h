// Functions that are made byte by byte, each around a system call.
#pragma once

#include <cpuid.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {

using Code = std::vector<unsigned char>;

// Whether the processor can read and set the bases of FS and GS.
inline bool has_base_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & 1) != 0;
}

inline Code joined(std::initializer_list<Code> parts) {
  Code all;
  for (const Code& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// movl $number, %eax; syscall; ret
inline constexpr size_t kCallAt = 5, kAfterCallAt = 7;
inline Code calling(long number) {
  const auto n = static_cast<unsigned>(number);
  return {0xb8,
          static_cast<unsigned char>(n),
          static_cast<unsigned char>(n >> 8),
          static_cast<unsigned char>(n >> 16),
          static_cast<unsigned char>(n >> 24),
          0x0f,
          0x05,
          0xc3};
}

// movl %edi, %eax; movq 8(%rsp), %r9; syscall; ret: as syscall(2) ends.
inline constexpr size_t kLoadAt = 2, kLoadCallAt = 7;
inline Code calling_what_is_asked() {
  return {0x89, 0xf8, 0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0xc3};
}

// A function of one number that has it from a register, in instructions of two, three and four
// bytes before the call. Behind it one byte, which may matter, and the way out.
struct ShortCode {
  size_t call_at;
  Code code;
};
inline std::vector<ShortCode> calling_in_short() {
  return {{2, {0x89, 0xf8, 0x0f, 0x05, 0xc3}},                    // movl %edi, %eax; syscall; ret
          {2, {0x89, 0xf8, 0x0f, 0x05, 0x48, 0x89, 0xc0, 0xc3}},  // the same; movq %rax, %rax; ret
          {3, {0x48, 0x89, 0xf8, 0x0f, 0x05, 0xc3}},              // movq %rdi, %rax; syscall; ret
          {4, {0x48, 0x8d, 0x47, 0x00, 0x0f, 0x05, 0xc3}}};  // leaq 0(%rdi), %rax; syscall; ret
}

// A page of code. The function begins behind some that does nothing, as functions do.
class MadeCode {
 public:
  static constexpr size_t kBegin = 128;

  explicit MadeCode(const Code& code, size_t begin = kBegin) : begin_(begin) {
    page_ = static_cast<unsigned char*>(
        mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_NE(MAP_FAILED, static_cast<void*>(page_));
    constexpr int kNoOperation = 0x90;
    memset(page_, kNoOperation, kPage);
    memcpy(start(), code.data(), code.size());
    protect(PROT_READ | PROT_EXEC);
  }
  MadeCode(const MadeCode&) = delete;
  MadeCode& operator=(const MadeCode&) = delete;
  ~MadeCode() { munmap(page_, kPage); }

  unsigned char* page() const { return page_; }
  unsigned char* start() const { return page_ + begin_; }
  uintptr_t address(size_t offset = 0) const {
    return reinterpret_cast<uintptr_t>(start()) + offset;
  }
  void protect(int rights) const { EXPECT_OK(mprotect(page_, kPage, rights)); }
  void moved_to(void* page) { page_ = static_cast<unsigned char*>(page); }

  long operator()(long first = 0) const { return reinterpret_cast<long (*)(long)>(start())(first); }
  // Often enough for whoever makes frequent calls faster.
  void warm(long first = 0) const {
    for (int i = 0; i < 40; ++i) (*this)(first);
  }

 private:
  unsigned char* page_;
  size_t begin_;
};

}  // namespace compat
