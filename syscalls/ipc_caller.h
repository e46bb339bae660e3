// What the calls of System V IPC have in common.
#pragma once

#include "ipc/id_table.h"
#include "kernel/abi/resource.h"
#include "process/task.h"

namespace narwhal {

inline sysv::Caller ipc_caller(Task& task) {
  Process& process = task.process();
  return {task.credentials(), process.pid(), process.soft_limit(abi::kLimitLockedMemory)};
}

// *_STAT and *_STAT_ANY: the status goes out, the number is the result.
template <typename Found>
Result<i64> store_found(Result<Found> found, UserAddr out) {
  if (!found.ok()) return found.error();
  TRY(store_user(out, found.value().status));
  return i64(found.value().id);
}

template <typename T>
Result<i64> as_number(Result<T> result) {
  if (!result.ok()) return result.error();
  return i64(result.value());
}

inline Result<i64> as_zero(Result<> result) {
  return result.ok() ? Result<i64>(i64{0}) : Result<i64>(result.error());
}

}  // namespace narwhal
