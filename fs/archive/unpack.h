// Fills the root file system from the boot archive (docs/boot-contract.md).
#pragma once

#include "fs/archive/cpio.h"
#include "fs/tmpfs/tmpfs.h"

namespace narwhal {

// The settings' member, which never appears in the root file system: see find_archive_member().
inline constexpr std::string_view kBootSettingsMember = ".narwhal/boot";

// Makes the archive's files in `fs`, before any program runs.
//
// Whole pages of files that start on a page boundary become the files' pages where they lie; the
// rest of such files, and small ones, stay packed until they are mapped or written; other data are
// copied. So the archive's memory belongs to `fs` afterwards, and what holds no file's data has
// been given back: nobody may look at `archive` any more.
//
// `archive` lies at `start`, which is page-aligned, in memory that the machine does not count as
// usable. EINVAL for a malformed archive, ENOMEM, ENOSPC; `problem` then gets a sentence with the
// offset and the name of the member, and what was made so far stays.
Result<> unpack_archive(std::span<const std::byte> archive, PhysAddr start, TmpFs& fs,
                        TextSink& problem);

}  // namespace narwhal
