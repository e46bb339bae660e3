// For tests: what this machine's own execve(2) makes of a file.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "loader/testing/malformed.h"

namespace narwhal::testing {

// In a child process. `arguments` and `environment` end with a null pointer.
inline ExecOutcome execute(const std::string& path, char* const* arguments,
                           char* const* environment) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return ExecOutcome::error(errno);
  const pid_t child = fork();
  if (child == 0) {
    execve(path.c_str(), arguments, environment);
    const int error = errno;
    _exit(write(report[1], &error, sizeof error) == sizeof error ? 0 : 1);
  }
  close(report[1]);
  int error = 0;
  const bool failed = read(report[0], &error, sizeof error) == sizeof error;
  close(report[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (failed) return ExecOutcome::error(error);
  if (WIFSIGNALED(status)) return ExecOutcome::killed();
  return {ExecOutcome::kExited, WEXITSTATUS(status)};
}

// A new file with these bytes is run.
inline ExecOutcome execute_bytes(const std::string& path, const std::string& bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (fd < 0) return ExecOutcome::error(errno);
  const bool written = write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  close(fd);
  char name[] = "program";
  char* const arguments[] = {name, nullptr};
  char* const environment[] = {nullptr};
  const ExecOutcome outcome =
      written ? execute(path, arguments, environment) : ExecOutcome::error(ENOSPC);
  unlink(path.c_str());
  return outcome;
}

inline std::string to_text(const ExecOutcome& outcome) {
  switch (outcome.kind) {
    case ExecOutcome::kError:
      return std::string("error ") + strerrorname_np(outcome.value);
    case ExecOutcome::kKilled:
      return "killed";
    case ExecOutcome::kExited:
      return "exit status " + std::to_string(outcome.value);
    case ExecOutcome::kVaries:
      return "this or that";
  }
  return "";
}

}  // namespace narwhal::testing
