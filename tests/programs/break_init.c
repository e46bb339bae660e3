// Overwrites process 1's stack with zeros, so that it crashes at its next return: the end of a
// machine, or of a name space, from the inside.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
  FILE* maps = fopen("/proc/1/maps", "r");
  if (!maps) return 1;
  unsigned long start = 0, end = 0;
  char line[512];
  while (fgets(line, sizeof line, maps)) {
    if (strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &start, &end) == 2) break;
  }
  const size_t size = end - start;
  char* zeros = calloc(1, size + 1);
  if (!zeros) return 1;
  struct iovec local = {zeros, size};
  struct iovec remote = {(void*)start, size};
  if (process_vm_writev(1, &local, 1, &remote, 1, 0) != (ssize_t)size) {
    perror("process_vm_writev");
    return 1;
  }
  pause();
  return 1;
}
