// /proc: proc(5). Here is what needs no processes; process/ adds the rest through these calls, so
// that arrows go down.
#pragma once

#include "fs/generated/generated.h"

namespace narwhal {

// Builds the tree and makes mount(2) know the type "proc". Called once. ENOMEM.
Result<> proc_init();
GeneratedFileSystem& proc_file_system();

// Adds a file; directories on the way are made. `directory` is "" for the root, or like
// "sys/kernel"; it and `name` are constant strings. Only while the machine starts. ENOMEM.
Result<> proc_add(std::string_view directory, std::string_view name, Ref<Inode> inode);
Result<> proc_add_text(std::string_view directory, std::string_view name, ShowFunction show,
                       StoreFunction store = nullptr);
Result<> proc_add_constant(std::string_view directory, std::string_view name,
                           std::string_view text);

// The entries named by numbers, and "self" and "thread-self".
struct ProcProcessSource {
  Result<Ref<Inode>> (*lookup)(std::string_view name);
  // Shows entries from `offset` (0: the first) on, with offsets from base + 1.
  Result<> (*read)(i64 offset, i64 base, DirectoryVisitor& visitor);
};
void proc_set_process_source(const ProcProcessSource& source);

}  // namespace narwhal
