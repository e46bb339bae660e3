// Process accounting, acct(2): a record for each process that ends, as acct(5) has it, version 3.
#pragma once

#include "process/task.h"

namespace narwhal::accounting {

// Null: no more records. Whoever was written to before is let go.
void set_file(FileRef file);
bool is_on();
// What a record says of the process of the current task, which is about to end.
struct End {
  i32 wait_status = 0;
  u64 memory_pages = 0;
};
// Appends the record. What can't be written is lost, as on Linux.
void write(Task& task, const End& end);

}  // namespace narwhal::accounting
