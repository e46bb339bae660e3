#pragma once

// What the compiler says about the configuration that a file is compiled in.

namespace narwhal {

#if __has_feature(address_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

}  // namespace narwhal
