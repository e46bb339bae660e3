// What this program is when a core_pattern names it: core(5).
#include "compat_tests/processes/core_roles.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

namespace compat {
namespace {

// In one step, so that who waits for the file finds all of it.
int tell(char** argv, const char* name, const std::string& content) {
  const std::string path = std::string(argv[2]) + "/" + name, part = path + ".part";
  FILE* file = fopen(part.c_str(), "we");
  if (file == nullptr) return 1;
  fwrite(content.data(), 1, content.size(), file);
  fclose(file);
  return rename(part.c_str(), path.c_str()) == 0 ? 0 : 2;
}

std::string input() {
  std::string all;
  char buffer[16384];
  ssize_t count;
  while ((count = read(0, buffer, sizeof buffer)) > 0) all.append(buffer, size_t(count));
  return all;
}

int open_files() {
  int count = 0;
  DIR* dir = opendir("/proc/self/fd");
  while (dir != nullptr && readdir(dir) != nullptr) ++count;
  if (dir != nullptr) closedir(dir);
  return count - 3;  // ".", "..", and the directory's own
}

}  // namespace

int read_core(int, char** argv) {
  return tell(argv, "dump", input());
}

int tell_arguments(int argc, char** argv) {
  std::string text;
  for (int i = 3; i < argc; ++i) text += std::string(argv[i]) + '\n';
  input();
  return tell(argv, "arguments", text);
}

int tell_surroundings(int, char** argv) {
  char directory[100] = "";
  if (getcwd(directory, sizeof directory) == nullptr) return 1;
  int variables = 0;
  for (char** each = environ; *each != nullptr; ++each) ++variables;
  rlimit limit;
  getrlimit(RLIMIT_CORE, &limit);
  std::string text = directory;
  const long numbers[] = {long(geteuid()), long(getegid()),      open_files(),
                          variables,       long(limit.rlim_cur), long(limit.rlim_max)};
  for (const long number : numbers) text += ' ' + std::to_string(number);
  input();
  return tell(argv, "surroundings", text);
}

int ignore_core(int, char**) {
  return 0;
}

int sleep_over_core(int, char** argv) {
  tell(argv, "sleeping", std::to_string(getpid()));
  for (;;) pause();
}

int look_late(int, char** argv) {
  input();
  usleep(50'000);
  const bool there = access(("/proc/" + std::string(argv[3]) + "/status").c_str(), F_OK) == 0;
  return tell(argv, "look", there ? "it is there" : "it is gone");
}

}  // namespace compat
