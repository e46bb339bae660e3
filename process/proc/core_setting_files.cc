// /proc/sys/kernel/core_pattern and its relatives: core(5).
#include "fs/proc/tree.h"
#include "process/core_settings.h"
#include "process/proc/machine.h"
#include "process/proc/numbers.h"

namespace narwhal {
namespace {

Result<> show_pattern(TextSink& out) {
  out << core_pattern().view() << '\n';
  return {};
}
Result<> store_pattern(std::string_view text) {
  set_core_pattern(text);
  return {};
}

Result<> show_uses_pid(TextSink& out) {
  out << u32(core_uses_pid()) << '\n';
  return {};
}
Result<> store_uses_pid(std::string_view text) {
  set_core_uses_pid(TRY(parse_integer(text)) != 0);
  return {};
}

Result<> show_pipe_limit(TextSink& out) {
  out << core_pipe_limit() << '\n';
  return {};
}
Result<> store_pipe_limit(std::string_view text) {
  const i64 limit = TRY(parse_integer(text));
  if (limit < 0 || limit > INT32_MAX) return Errno::kInval;
  set_core_pipe_limit(u32(limit));
  return {};
}

Result<> show_suid_dumpable(TextSink& out) {
  out << suid_dumpable() << '\n';
  return {};
}
Result<> store_suid_dumpable(std::string_view text) {
  constexpr i64 kMost = 2;
  const i64 value = TRY(parse_integer(text));
  if (value < 0 || value > kMost) return Errno::kInval;
  set_suid_dumpable(u32(value));
  return {};
}

}  // namespace

Result<> proc_add_core_settings() {
  TRY(proc_add_text("sys/kernel", "core_pattern", show_pattern, store_pattern));
  TRY(proc_add_text("sys/kernel", "core_uses_pid", show_uses_pid, store_uses_pid));
  TRY(proc_add_text("sys/kernel", "core_pipe_limit", show_pipe_limit, store_pipe_limit));
  return proc_add_text("sys/fs", "suid_dumpable", show_suid_dumpable, store_suid_dumpable);
}

}  // namespace narwhal
