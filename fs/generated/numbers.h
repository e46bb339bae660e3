// Numbers as programs write them into settings (/proc/sys).
#pragma once

#include <string_view>

#include "kernel/base/result.h"

namespace narwhal {

// The next number of a text that holds several between white space, and takes it off. EINVAL when
// there is none, or it is above `most`.
Result<u64> take_number(std::string_view& text, u64 most);

// The same with a sign. EINVAL outside of [least, most].
Result<i64> take_signed_number(std::string_view& text, i64 least, i64 most);

}  // namespace narwhal
