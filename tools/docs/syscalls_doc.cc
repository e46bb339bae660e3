// Writes docs/syscalls.md from the table of system calls, to standard output.
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

namespace {

struct Row {
  int number;
  std::string_view name;
  std::string_view params;
  std::string_view support;
  std::string_view note;

  bool assigned() const { return !name.starts_with("unassigned_"); }
};

constexpr Row kRows[] = {
#define SYSCALL(nr, name, params, support, note) {nr, #name, #params, #support, note},
#define SYSCALL_NONE(nr, name, note) {nr, #name, "", "kNone", note},
#include "syscalls/table.def"
#undef SYSCALL
#undef SYSCALL_NONE
};

consteval bool what_is_missing_is_told() {
  for (const Row& row : kRows)
    if ((row.support == "kPartial" || row.support == "kStub") && row.note.empty()) return false;
  return true;
}
static_assert(what_is_missing_is_told(),
              "a partial row and a stub say in their note what is missing");

// "(Fd fd, UserOut<u32> count)" as a man page's reader wants it: "fd, count".
std::string argument_names(std::string_view params) {
  std::string names;
  if (params.size() <= 2) return names;
  params = params.substr(1, params.size() - 2);
  while (!params.empty()) {
    const size_t comma = params.find(',');
    const std::string_view param = params.substr(0, comma);
    params = comma == params.npos ? "" : params.substr(comma + 1);
    if (!names.empty()) names += ", ";
    names += param.substr(param.rfind(' ') + 1);
  }
  return names;
}

void print_row(const std::string& number, const Row& row) {
  std::printf("| %s | %s | %s | %s | %s |\n", number.c_str(),
              row.assigned() ? std::string(row.name).c_str() : "",
              argument_names(row.params).c_str(), std::string(row.support.substr(1)).c_str(),
              std::string(row.note).c_str());
}

}  // namespace

int main() {
  std::map<std::string_view, int> counts;
  for (const Row& row : kRows)
    if (row.assigned()) ++counts[row.support];
  std::printf(
      "# System calls\n\n"
      "Generated from `syscalls/table.def` by `./narwhal docs`; do not edit.\n\n"
      "%d full, %d partial, %d stub, %d none.\n\n"
      "- **Full**: does what the man page says.\n"
      "- **Partial**: the note says what is missing, and what is missing is refused with an error "
      "or changes nothing.\n"
      "- **Stub**: always gives the answer in the note, one that Linux may give too.\n"
      "- **None**: ENOSYS, logged once with its name.\n\n"
      "| number | name | arguments | state | note |\n|---|---|---|---|---|\n",
      counts["kFull"], counts["kPartial"], counts["kStub"], counts["kNone"]);

  const Row* const end = std::end(kRows);
  for (const Row* row = kRows; row != end;) {
    const Row* next = row + 1;
    std::string number = std::to_string(row->number);
    if (!row->assigned()) {
      while (next != end && !next->assigned()) ++next;
      number += " to " + std::to_string(next[-1].number);
    }
    print_row(number, *row);
    row = next;
  }
}
