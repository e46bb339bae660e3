// Writes docs/syscalls.md from the table of system calls, to standard output.
#include <cstdio>
#include <map>
#include <string>

namespace {

struct Row {
  int number;
  const char* name;
  const char* params;
  const char* support;
  const char* note;
};

constexpr Row kRows[] = {
#define SYSCALL(nr, name, params, support, note) {nr, #name, #params, #support, note},
#define SYSCALL_NONE(nr, name, note) {nr, #name, "", "kNone", note},
#include "syscalls/table.def"
#undef SYSCALL
#undef SYSCALL_NONE
};

std::string word(const std::string& support) {
  if (support == "kFull") return "full";
  if (support == "kPartial") return "partial";
  if (support == "kStub") return "stub";
  return "none";
}

}  // namespace

int main() {
  std::map<std::string, int> counts;
  for (const Row& row : kRows)
    if (std::string(row.name).rfind("unassigned_", 0) != 0) ++counts[word(row.support)];
  std::printf(
      "# System calls\n\n"
      "Generated from syscalls/table.def by `./narwhal docs`; do not edit.\n\n"
      "%d full, %d partial, %d stub, %d none. *Full*: does what the man page says. *Partial*: the "
      "note says what is\n"
      "missing, and what is missing is refused with an error. *Stub*: accepted without effect "
      "where programs can't\n"
      "tell. *None*: ENOSYS.\n\n"
      "| number | name | support | note |\n|---|---|---|---|\n",
      counts["full"], counts["partial"], counts["stub"], counts["none"]);
  for (const Row& row : kRows) {
    if (std::string(row.name).rfind("unassigned_", 0) == 0) continue;
    std::printf("| %d | %s | %s | %s |\n", row.number, row.name, word(row.support).c_str(),
                row.note);
  }
}
