// Roles (again.h) of the programs that a core_pattern starts. argv[2] is the directory where they
// leave what they found.
#pragma once

namespace compat {

int read_core(int argc, char** argv);          // "dump": all of standard input
int tell_arguments(int argc, char** argv);     // "arguments": those behind argv[2], line by line
int tell_surroundings(int argc, char** argv);  // "surroundings": directory, ids, files, ...
int ignore_core(int argc, char** argv);
int sleep_over_core(int argc, char** argv);  // "sleeping": its number; reads nothing
int look_late(int argc, char** argv);        // "look": whether process argv[3] is still there

}  // namespace compat
