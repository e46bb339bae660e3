#include "kernel/drivers/p9_channel.h"

namespace narwhal {
namespace {

[[clang::no_destroy]] constinit List<P9Channel, &P9Channel::channels_node> channels;

}  // namespace

void keep_p9_channel(Ref<P9Channel> channel) {
  channels.push_back(*channel.release());
}

Ref<P9Channel> find_p9_channel(std::string_view tag) {
  for (P9Channel& channel : channels)
    if (channel.tag() == tag) return Ref<P9Channel>(&channel);
  return nullptr;
}

}  // namespace narwhal
