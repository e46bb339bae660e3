// AF_UNIX: unix(7).
#pragma once

namespace narwhal {

// Makes the family known; once, when the kernel starts.
void register_unix_sockets();

}  // namespace narwhal
