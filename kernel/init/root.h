// The root file system: from the boot archive, with /proc, /sys and /dev on it.
#pragma once

#include <string_view>

#include "kernel/base/format.h"
#include "kernel/base/result.h"
#include "kernel/base/string.h"
#include "kernel/init/settings.h"

namespace narwhal {

// The boot settings that the archive carries, copied; empty when it has none or there is no
// archive. EINVAL for a malformed archive, told in `problem`; ENOMEM.
Result<String> read_archive_settings(TextSink& problem);
// Makes the file system types known, fills the root and mounts what belongs on it. The archive is
// gone afterwards. On failure `problem` says what and why.
Result<> make_root(TextSink& problem);
// Mounts the folders that the host shares. After make_root(). On failure `problem` says which.
Result<> mount_volumes(const BootSettings& settings, TextSink& problem);
// Creates or replaces a file, as root, directories on the way included.
Result<> write_root_file(std::string_view path, std::string_view content);

}  // namespace narwhal
