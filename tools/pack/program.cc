#include "tools/pack/program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <optional>

#include "tools/base/error.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

// BINPRM_BUF_SIZE: how much of the first line Linux looks at.
constexpr size_t kFirstBytes = 256;
// A script's interpreter may be a script; Linux gives up after this many.
constexpr int kMostScripts = 5;

std::vector<std::string> words_of(std::string_view text, char separator) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return words;
}

std::optional<std::string> read_start(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string bytes(kFirstBytes, '\0');
  const ssize_t got = read(file.get(), bytes.data(), bytes.size());
  if (got < 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(got));
  return bytes;
}

// The program that env(1) is asked to start: options and NAME=VALUE words stand before it.
std::string program_for_env(const std::string& argument) {
  for (const std::string& word : words_of(argument, ' ')) {
    if (word.empty() || word.front() == '-' || word.find('=') != std::string::npos) continue;
    return word;
  }
  return "";
}

}  // namespace

Interpreter parse_interpreter_line(std::string_view first_bytes) {
  Interpreter interpreter;
  if (!first_bytes.starts_with("#!")) return interpreter;
  std::string_view line = first_bytes.substr(2);
  line = line.substr(0, line.find_first_of(std::string_view("\n\0", 2)));
  const auto trim = [](std::string_view text) {
    const size_t start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) return std::string_view();
    return text.substr(start, text.find_last_not_of(" \t") - start + 1);
  };
  line = trim(line);
  const size_t end = line.find_first_of(" \t");
  interpreter.path = line.substr(0, end);
  if (end != std::string_view::npos) interpreter.argument = trim(line.substr(end));
  return interpreter;
}

ProgramFinder::ProgramFinder(const HostView& host, std::string search_path,
                             std::string working_folder)
    : host_(host),
      search_path_(std::move(search_path)),
      working_folder_(std::move(working_folder)) {}

Program ProgramFinder::find(const std::string& name) {
  if (name.empty()) fail_with(kNotFound, "the program's name is empty");
  return at(name.find('/') == std::string::npos ? look_up(name)
                                                : clean_path(name, working_folder_));
}

Program ProgramFinder::at(const std::string& path) {
  Program program;
  program.path = path;
  add_program(path, program, 0);
  return program;
}

// As execvp(3): the first file of that name that may be executed; one that may not is remembered
// for the message.
std::string ProgramFinder::look_up(const std::string& name) const {
  std::string refused;
  for (const std::string& folder : words_of(search_path_, ':')) {
    // An empty element means the working folder.
    const std::string place =
        clean_path(folder.empty() ? name : folder + "/" + name, working_folder_);
    const HostView::Walk walked = host_.walk(place);
    if (!walked.is_regular()) continue;
    if ((walked.status.st_mode & 0111) != 0) return place;
    if (refused.empty()) refused = place;
  }
  if (!refused.empty()) {
    fail_with(kNotExecutable, "{}: not executable (found as {}); chmod +x it if it is a program",
              name, refused);
  }
  fail_with(kNotFound, "{}: no such program in PATH or /usr/sbin; install it, or give its path",
            name);
}

void ProgramFinder::add_program(const std::string& path, Program& program, int depth) {
  const HostView::Walk walked = host_.walk(path);
  if (walked.error == ENOENT && !walked.links.empty() && depth == 0) {
    fail_with(kNotFound, "{}: a symbolic link that leads nowhere ({} does not exist)", path,
              walked.path);
  }
  if (walked.error == ENOENT) fail_with(kNotFound, "{}: no such file", path);
  if (walked.error != 0) fail_with(kNotExecutable, "{}: {}", path, strerror(walked.error));
  if (walked.is_directory()) fail_with(kNotExecutable, "{}: a folder, not a program", path);
  if (!walked.is_regular()) fail_with(kNotExecutable, "{}: not a regular file", path);
  if ((walked.status.st_mode & 0111) == 0) {
    fail_with(kNotExecutable, "{}: not executable; chmod +x it if it is a program", path);
  }
  const std::string on_host = host_.on_host(walked.path);
  const auto start = read_start(on_host);
  if (!start) fail_with(kNotExecutable, "{}: cannot be read: {}", path, strerror(errno));
  if (start->starts_with("#!")) return add_script(path, *start, program, depth);
  check_binary(path, read_elf(on_host));
  program.binaries.push_back(path);
}

void ProgramFinder::add_script(const std::string& path, const std::string& first_bytes,
                               Program& program, int depth) {
  program.scripts.push_back(path);
  if (depth >= kMostScripts) {
    fail_with(kNotExecutable, "{}: its interpreter is a script, and so on, {} times", path,
              kMostScripts);
  }
  const Interpreter interpreter = parse_interpreter_line(first_bytes);
  if (interpreter.path.empty()) {
    fail_with(kNotExecutable, "{}: a script whose first line names no interpreter", path);
  }
  const std::string interpreter_path = clean_path(interpreter.path);
  if (!host_.exists(interpreter_path)) {
    fail_with(kNotExecutable,
              "{}: its interpreter {} does not exist; install it, or correct the first line", path,
              interpreter.path);
  }
  add_program(interpreter_path, program, depth + 1);
  if (base_name(interpreter.path) != "env") return;
  // "#!/usr/bin/env python3": env looks for the real interpreter in PATH.
  const std::string name = program_for_env(interpreter.argument);
  if (name.empty()) {
    fail_with(kNotExecutable, "{}: its first line starts env without a program", path);
  }
  add_program(name.find('/') == std::string::npos ? look_up(name) : clean_path(name), program,
              depth + 1);
}

void ProgramFinder::check_binary(const std::string& path, const ElfFile& elf) const {
  switch (elf.kind) {
    case ElfFile::Kind::kNotElf:
      fail_with(kNotExecutable, "{}: neither an ELF program nor a script that starts with #!",
                path);
    case ElfFile::Kind::kDamaged:
      fail_with(kNotExecutable, "{}: a damaged ELF file: {}", path, elf.problem);
    case ElfFile::Kind::kOther:
      fail_with(kNotExecutable, "{}: an ELF file, but no program (an object file or a core dump?)",
                path);
    case ElfFile::Kind::kExecutable:
    case ElfFile::Kind::kLibrary:
      break;
  }
  if (!elf.is_x86_64()) {
    fail_with(kNotExecutable, "{}: a program for {}; narwhal runs 64-bit x86-64 programs only",
              path, machine_name(elf));
  }
  if (!elf.interpreter.empty() && !host_.exists(elf.interpreter)) {
    fail_with(kNotExecutable,
              "{}: its loader {} does not exist on this machine; install the C library that the "
              "program was built for",
              path, elf.interpreter);
  }
}

}  // namespace narwhal::tools
