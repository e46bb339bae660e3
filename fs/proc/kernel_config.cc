#include "fs/proc/kernel_config.h"

namespace narwhal {
namespace {

constexpr unsigned char kPacked[] = {
#include "fs/proc/kernel_config.inc"
};

}  // namespace

std::string_view packed_kernel_config() {
  return {reinterpret_cast<const char*>(kPacked), sizeof kPacked};
}

}  // namespace narwhal
