// Something to profile: a second of computing in compute(), and of system calls.
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

__attribute__((noinline)) static long compute(long n) {
  long sum = 0;
  for (long i = 0; i < n; i++) {
    sum += i * i ^ (sum >> 3);
    __asm__ volatile("" : "+r"(sum));  // each time anew
  }
  return sum;
}

int main(void) {
  const double end = now() + 1;
  volatile long sum = 0;
  int fd[2];
  char bytes[4096] = {0};
  if (pipe(fd) != 0) return 1;
  while (now() < end) {
    sum += compute(300000);
    for (int i = 0; i < 100; i++) {
      if (write(fd[1], bytes, sizeof bytes) != sizeof bytes || read(fd[0], bytes, sizeof bytes) <= 0) return 1;
    }
  }
  puts("done");
  return 0;
}
