// /proc/config.gz: kernel_config.txt, as gzip packed it while the kernel was built (proc(5)).
#pragma once

#include <string_view>

namespace narwhal {

std::string_view packed_kernel_config();

}  // namespace narwhal
