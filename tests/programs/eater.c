// Asks for more memory or processes than there are, in one of several ways; says what came of it.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kStep = 1 << 20 };

// What the compiler must not leave out.
static void touch(char* memory, size_t size) {
  for (volatile char* at = memory; at < memory + size; at += 4096) *at = 1;
}

static void eat(void) {
  for (;;) {
    char* more = malloc(kStep);
    if (!more) _exit(3);
    touch(more, kStep);
  }
}

// Touches memory through a system call, not by itself.
static void eat_by_reading(void) {
  FILE* zeros = fopen("/dev/zero", "r");
  if (!zeros) _exit(4);
  for (;;) {
    char* more = malloc(kStep);
    if (!more || fread(more, 1, kStep, zeros) != kStep) _exit(3);
  }
}

static void run_child(void (*work)(void)) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(5);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    printf("killed by %d\n", WTERMSIG(status));
  else
    printf("exit %d\n", WEXITSTATUS(status));
}

static void write_file(const char* path, const char* text) {
  FILE* file = fopen(path, "w");
  if (!file || fputs(text, file) < 0 || fclose(file) != 0)
    printf("%s: %s\n", path, strerror(errno));
}

static void let_another_be_killed(void) {
  // This process holds most, but its child is the one that may be killed.
  write_file("/proc/self/oom_score_adj", "-1000");
  const pid_t child = fork();
  if (child == 0) {
    write_file("/proc/self/oom_score_adj", "0");
    char* half = malloc(8 * kStep);
    touch(half, 8 * kStep);
    for (;;) pause();
  }
  usleep(100000);
  int status = 0;
  char* all[1024];
  for (int i = 0; i < 1024 && waitpid(child, &status, WNOHANG) == 0; ++i) {
    all[i] = malloc(kStep);
    touch(all[i], kStep);
  }
  printf("killed by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void bomb(void) {
  int count = 0;
  for (;;) {
    const pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      for (;;) pause();
    }
    ++count;
  }
  printf("%s after %s\n", strerror(errno), count > 10 ? "many" : "few");
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);
  int ended = 0;
  while (wait(NULL) > 0) ++ended;
  printf("%s came back\n", ended == count ? "all" : "not all");
}

static const char* map(size_t size, int protection, int flags) {
  void* at = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return at == MAP_FAILED ? strerror(errno) : "given";
}

static void promise(void) {
  const size_t huge = (size_t)1 << 40;
  const int all = PROT_READ | PROT_WRITE;
  printf("writable: %s\n", map(huge, all, 0));
  printf("unreserved: %s\n", map(huge, all, MAP_NORESERVE));
  printf("read-only: %s\n", map(huge, PROT_READ, 0));
  void* hidden = mmap(NULL, huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("made writable: %s\n", mprotect(hidden, huge, all) == 0 ? "given" : strerror(errno));
  void* shared = mmap(NULL, huge, all, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  printf("shared: %s\n", shared == MAP_FAILED ? strerror(errno) : "given");
  void* page = mmap(NULL, 4096, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* grown = mremap(page, 4096, huge, MREMAP_MAYMOVE);
  printf("grown: %s\n", grown == MAP_FAILED ? strerror(errno) : "given");
  printf("break: %s\n", sbrk((intptr_t)huge) == (void*)-1 ? strerror(errno) : "given");
  // Many small promises add up to more than there is.
  int given = 0;
  for (int i = 0; i < 64; ++i) given += strcmp(map(16 * kStep, all, 0), "given") == 0;
  printf("small ones: %d\n", given);
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "alone") == 0) eat();
  if (strcmp(what, "child") == 0) run_child(eat);
  if (strcmp(what, "reader") == 0) run_child(eat_by_reading);
  if (strcmp(what, "other") == 0) let_another_be_killed();
  if (strcmp(what, "bomb") == 0) bomb();
  if (strcmp(what, "promise") == 0) promise();
  return 0;
}
