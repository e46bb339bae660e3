// Writes a root tree as a cpio archive in the "newc" format (cpio(5)), the way
// docs/boot-contract.md wants it: the data of every file of a page or more starts on a page
// boundary, so that the kernel can use the archive's pages as the file's pages. The space before it
// is filled by NUL bytes that count as part of the member's name; every cpio ignores what stands
// after a name's first NUL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/pack/root_tree.h"

namespace narwhal::tools {

struct ArchiveSummary {
  uint64_t bytes = 0;              // the archive's length
  uint64_t members = 0;            // without the trailer
  std::vector<std::string> notes;  // files that changed while they were read
};

enum class ArchiveLayout {
  kNarwhal,  // as above
  kPlain,    // without padded names, which Linux's initramfs takes up to 4096 bytes only; and with
             // the folder .narwhal, without which Linux would not unpack .narwhal/boot
};

// Writes to a descriptor that need not be seekable. `boot_records` becomes the member
// .narwhal/boot. The order of members is the tree's order, so the same tree gives the same archive.
// Throws Error when a file cannot be read, is too big for the format (4 GiB), or the output cannot
// be written.
ArchiveSummary write_archive(const RootTree& tree, std::string_view boot_records, int output,
                             ArchiveLayout layout = ArchiveLayout::kNarwhal);

}  // namespace narwhal::tools
