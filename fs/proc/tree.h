// The tree of /proc, and how one adds to it. It knows none of its files: whoever has something to
// tell adds it through these calls, so that all arrows go down to here.
#pragma once

#include "fs/generated/generated.h"

namespace narwhal {

// Makes the tree, empty, and makes mount(2) know the type "proc". Called once, first. ENOMEM.
Result<> proc_make_tree();
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
