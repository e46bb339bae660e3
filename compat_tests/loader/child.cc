#include "compat_tests/loader/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

namespace compat {
namespace {

using narwhal::testing::ExecOutcome;

void print_all(char** texts) {
  for (; *texts != nullptr; ++texts) printf("[%s]\n", *texts);
}

void print_addresses() {
  int local = 0;
  const auto print = [](const char* name, const void* at) { printf("%s %p\n", name, at); };
  print("code", reinterpret_cast<void*>(&print_all));
  print("heap", sbrk(0));
  print("stack", &local);
  print("mapping", mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  print("vdso", reinterpret_cast<void*>(getauxval(AT_SYSINFO_EHDR)));
  // Not an address: AT_RANDOM's bytes.
  const auto* const random = reinterpret_cast<const unsigned char*>(getauxval(AT_RANDOM));
  printf("random ");
  for (int i = 0; i < 16; ++i) printf("%02x", random[i]);
  printf("\n");
}

void print_identity() {
  char name[16] = "";
  prctl(PR_GET_NAME, name);
  printf("name %s\n", name);
  printf("execfn %s\n", reinterpret_cast<const char*>(getauxval(AT_EXECFN)));
  char path[4096] = "";
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  printf("exe %s\n", size > 0 ? path : strerror(errno));
}

void print_state() {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  std::string blocked, ignored, handled;
  for (int number = 1; number < 32; ++number) {
    if (sigismember(&mask, number) == 1) blocked += " " + std::to_string(number);
    struct sigaction action;
    if (sigaction(number, nullptr, &action) != 0) continue;
    if (action.sa_handler == SIG_IGN)
      ignored += " " + std::to_string(number);
    else if (action.sa_handler != SIG_DFL)
      handled += " " + std::to_string(number);
  }
  stack_t stack;
  sigaltstack(nullptr, &stack);
  std::string open;
  for (int fd = 0; fd < 100; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) open += " " + std::to_string(fd);
  }
  printf("blocked%s\nignored%s\nhandled%s\n", blocked.c_str(), ignored.c_str(), handled.c_str());
  printf("stack %s\n", (stack.ss_flags & SS_DISABLE) != 0 ? "none" : "some");
  printf("open%s\n", open.c_str());
}

// Before any check, and before GoogleTest has seen the arguments.
__attribute__((constructor)) void be_a_child([[maybe_unused]] int argc, char** arguments,
                                             char** environment) {
  const char* const wanted = getenv(kChildMode);
  if (wanted == nullptr) return;
  const std::string mode = wanted;
  if (mode == "arguments") print_all(arguments);
  if (mode == "environment") print_all(environment);
  if (mode == "addresses") print_addresses();
  if (mode == "identity") print_identity();
  if (mode == "state") print_state();
  fflush(stdout);
  _exit(kChildStatus);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  ssize_t size;
  while ((size = read(fd, buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<size_t>(size));
  return text;
}

}  // namespace

std::string ChildResult::line(const std::string& name) const {
  for (const std::string& line : lines()) {
    if (line == name) return "";
    if (line.starts_with(name + " ")) return line.substr(name.size() + 1);
  }
  return "no line '" + name + "'";
}

std::vector<std::string> ChildResult::lines() const {
  std::vector<std::string> result;
  std::istringstream stream(output);
  for (std::string line; std::getline(stream, line);) result.push_back(line);
  return result;
}

ChildResult run_child(ChildRequest request) {
  const std::vector<char*> arguments = pointers(request.arguments);
  const std::vector<char*> environment = pointers(request.environment);
  char* const* const argv = request.null_arguments ? nullptr : arguments.data();
  int output[2], report[2];
  if (pipe2(output, O_CLOEXEC) != 0) return {ExecOutcome::error(errno), ""};
  if (pipe2(report, O_CLOEXEC) != 0) {
    const int error = errno;
    close(output[0]);
    close(output[1]);
    return {ExecOutcome::error(error), ""};
  }
  fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(output[1], STDOUT_FILENO);
    // What a failing check of the parent left open is not the child's.
    if (request.prepare) request.prepare();
    if (request.execute)
      request.execute(argv, environment.data());
    else
      execve(request.path.c_str(), argv, environment.data());
    const int error = errno;
    _exit(write(report[1], &error, sizeof error) == sizeof error ? 0 : 1);
  }
  close(output[1]);
  close(report[1]);
  ChildResult result;
  result.output = read_all(output[0]);
  int error = 0;
  const bool failed = read(report[0], &error, sizeof error) == sizeof error;
  close(output[0]);
  close(report[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (failed)
    result.outcome = ExecOutcome::error(error);
  else if (WIFSIGNALED(status))
    result.outcome = ExecOutcome::killed();
  else
    result.outcome = {ExecOutcome::kExited, WEXITSTATUS(status)};
  return result;
}

ChildResult run_self(const std::string& mode, ChildRequest request) {
  request.environment.push_back(std::string(kChildMode) + "=" + mode);
  return run_child(std::move(request));
}

}  // namespace compat
