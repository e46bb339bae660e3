#include "process/proc/process_of.h"

#include "fs/core/dentry.h"
#include "fs/proc/tree.h"
#include "process/proc/subject.h"

namespace narwhal {

Result<Ref<Process>> proc_process_of(const File& file) {
  const Dentry* dentry = file.dentry();
  Inode* inode = file.inode();
  if (!dentry || !inode || &inode->file_system() != &proc_file_system()) return Errno::kBadF;
  u32 pid = 0;
  {
    NamesReadGuard guard;
    const Dentry* parent = dentry->parent().get();
    if (parent && &parent->inode() == proc_file_system().root_inode().get())
      pid = parse_number(dentry->name());
  }
  if (pid == 0) return Errno::kBadF;
  if (!inode->still_valid()) return Errno::kSrch;
  auto process = find_process(pid);
  if (!process) return Errno::kSrch;
  return process;
}

}  // namespace narwhal
