// PROCMAP_QUERY of /proc/PID/maps: one mapping, without the text (ioctl_procmap_query(2)).
#pragma once

#include "process/proc/subject.h"

namespace narwhal {

// ENOTTY for other commands; ENOENT, E2BIG, EINVAL, ESRCH, ENAMETOOLONG, EFAULT. No build IDs: they
// are told as missing.
Result<i64> query_maps(const ProcSubject& subject, u32 command, UserAddr argument);

// What a mapping is called where it has no file: "[heap]", "[anon:NAME]"; nothing is written where
// it has no name.
void describe_nameless(TextSink& out, const AddressSpace::MappingInfo& info);

}  // namespace narwhal
