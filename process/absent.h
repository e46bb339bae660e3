// What programs looked for and did not find, for the host to say what the root lacks
// (docs/boot-contract.md, "absent").
//
// Shells ask with stat(2) for a command in every folder of $PATH, execvp(3) tries to run it in
// each; most of that is found in the end, or was never needed. So the last few names are kept, each
// once, and what they mean is for the host to judge, which knows its own files and those of the
// root.
#pragma once

#include <string_view>

namespace narwhal {

enum class Lookup : unsigned char {
  kStatus,   // stat(2), access(2): only of what looks like a program
  kExecute,  // execve(2)
  kOpen,     // open(2)
};
// A system call failed with ENOENT. Keeps what is no longer than a hundred bytes or so.
void note_absent(Lookup lookup, std::string_view path);

// A process ended with 127, what shells say of a command that is not there.
void note_unknown_command();

// The paths, oldest first. Of programs that were only asked for, none unless a command was unknown.
void for_each_absent(void (*visit)(std::string_view path));

}  // namespace narwhal
