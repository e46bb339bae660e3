// What a C library does in an ordinary program: buffered output, the heap, the environment,
// sorting, floating point, time, atexit(3), and an exit status of its own. Linked with musl and
// with glibc, without any shared library.
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void say_goodbye(void) {
  printf("goodbye\n");
}

static int by_value(const void* a, const void* b) {
  const int left = *(const int*)a;
  const int right = *(const int*)b;
  return (left > right) - (left < right);
}

int main(int argc, char** argv) {
  atexit(say_goodbye);
  setlocale(LC_ALL, "");
  for (int i = 1; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
  printf("COLOUR is %s\n", getenv("COLOUR") != NULL ? getenv("COLOUR") : "not set");

  enum { kCount = 100000 };
  int* const numbers = malloc(kCount * sizeof *numbers);
  unsigned state = 1;
  for (int i = 0; i < kCount; i++) numbers[i] = (int)((state = state * 1103515245 + 12345) >> 8);
  qsort(numbers, kCount, sizeof *numbers, by_value);
  int sorted = 1;
  for (int i = 1; i < kCount; i++) sorted &= numbers[i - 1] <= numbers[i];
  printf("sorted: %s\n", sorted ? "yes" : "no");
  free(numbers);

  volatile double two = 2;
  printf("sqrt(2) = %.15f\n", sqrt(two));
  printf("%s\n", strerror(ENOENT));
  printf("%s\n", time(NULL) > 1700000000 ? "it is later than 2023" : "the clock is wrong");

  FILE* const file = fopen("/tmp/hello", "w+");
  if (file == NULL) return 1;
  fprintf(file, "written and read back %d", 42);
  rewind(file);
  char line[64] = "";
  if (fgets(line, sizeof line, file) != NULL) printf("%s\n", line);
  fclose(file);
  unlink("/tmp/hello");
  return argc;
}
