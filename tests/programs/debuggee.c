// What a debugger looks at (debugger_test.py): nested calls, a variable that changes, a thread, a signal, a child, and,
// when asked to "wait", a loop that only a debugger ends.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int counter;
volatile int done;
static volatile int caught;

static void on_signal(int number) {
  caught = number;
}

__attribute__((noinline)) static int descend(int depth) {
  if (depth == 0) {
    counter += 10;
    return counter;
  }
  const int below = descend(depth - 1);
  return below + depth;
}

static void* run_thread(void* argument) {
  counter += *(int*)argument;
  return NULL;
}

__attribute__((noinline)) static void wait_for_debugger(void) {
  while (!done) usleep(10000);
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "wait") == 0) {
    puts("waiting");
    fflush(stdout);
    wait_for_debugger();
    printf("done %d\n", done);
    return 0;
  }
  printf("sum %d\n", descend(3));
  int amount = 5;
  pthread_t thread;
  if (pthread_create(&thread, NULL, run_thread, &amount) != 0) return 1;
  pthread_join(thread, NULL);
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  printf("counter %d, caught %d\n", counter, caught == SIGUSR1);
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) _exit(counter);
  int status = 0;
  waitpid(child, &status, 0);
  printf("child %d\n", WEXITSTATUS(status));
  return 3;
}
