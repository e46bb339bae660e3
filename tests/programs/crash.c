// Crashes in a child with two more threads, and writes the core file that it leaves to standard
// output.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int answer = 42;
char* volatile message;
static volatile int ready;

__attribute__((noinline)) static void* wait_forever(void* argument) {
  __atomic_fetch_add((int*)&ready, 1, __ATOMIC_SEQ_CST);
  for (;;) pause();
  return argument;
}

__attribute__((noinline)) void descend(int depth) {
  if (depth == 0)
    *(volatile int*)0x10 = answer;
  else
    descend(depth - 1);
  asm volatile("");  // no tail call
}

static int crash(void) {
  const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  pthread_t threads[2];
  setrlimit(RLIMIT_CORE, &unlimited);
  if (chdir("/tmp") != 0) return 1;
  message = strdup("found in the heap");
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, wait_forever, NULL);
  while (ready < 2) usleep(1000);
  usleep(10000);
  descend(3);
  return 1;
}

int main(void) {
  int status = 0;
  if (fork() == 0) _exit(crash());
  wait(&status);
  fprintf(stderr, "signal %d, %s\n", WTERMSIG(status), WCOREDUMP(status) ? "dumped" : "no dump");
  const int core = open("/tmp/core", O_RDONLY);
  char buffer[65536];
  for (ssize_t size; (size = read(core, buffer, sizeof buffer)) > 0;)
    if (write(STDOUT_FILENO, buffer, (size_t)size) != size) return 1;
  return 0;
}
