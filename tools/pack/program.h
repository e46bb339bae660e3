// Finds the program that the user named, and whatever must be there for execve(2) to start it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/base/host_view.h"
#include "tools/elf/elf_file.h"

namespace narwhal::tools {

// A script's first line.
struct Interpreter {
  std::string path;
  std::string argument;  // all the rest of the line, as Linux passes it; may be empty
};

// The text after "#!" as Linux reads it (execve(2), "Interpreter scripts"); an empty path when
// there is none.
Interpreter parse_interpreter_line(std::string_view first_bytes);

struct Program {
  std::string path;                  // absolute, as found; symbolic links not followed
  std::vector<std::string> scripts;  // the program and its interpreters, while they are scripts
  std::vector<std::string>
      binaries;  // ELF programs that run, in order: /usr/bin/env, /usr/bin/python3
};

class ProgramFinder {
 public:
  // `search_path`: folders where a name without a slash is looked up, as in PATH. `working_folder`
  // is that of this process.
  ProgramFinder(const HostView& host, std::string search_path, std::string working_folder);

  // Throws Error: status 127 when there is no such program, 126 when it cannot be run. The text
  // says what, where, and what to do.
  Program find(const std::string& name);

  // The same for a program known by its place.
  Program at(const std::string& path);

 private:
  std::string look_up(const std::string& name) const;
  void add_program(const std::string& path, Program& program, int depth);
  void add_script(const std::string& path, const std::string& first_bytes, Program& program,
                  int depth);
  void check_binary(const std::string& path, const ElfFile& elf) const;

  const HostView& host_;
  std::string search_path_;
  std::string working_folder_;
};

}  // namespace narwhal::tools
