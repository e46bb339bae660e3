#include "compat_tests/musl/check.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct check* first;
static struct check** last = &first;
static int count;
static int failures_of_this_one;

void check_register(struct check* one) {
  *last = one;
  last = &one->next;
  count++;
}

void check_failed(const char* file, int line, const char* what, long long expected,
                  long long actual, int is_number) {
  failures_of_this_one++;
  if (is_number)
    printf("%s:%d: %s is %lld, not %lld\n", file, line, what, actual, expected);
  else
    printf("%s:%d: %s does not hold\n", file, line, what);
}

// As in GoogleTest's --gtest_filter=-A.b:C.d, which is all that run_compat uses: is this one left
// out?
static int is_left_out(const char* filter, const char* name) {
  const size_t size = strlen(name);
  for (const char* at = filter; (at = strstr(at, name)) != NULL; at++) {
    const int starts = at == filter || at[-1] == ':' || at[-1] == '-';
    if (starts && (at[size] == ':' || at[size] == '\0')) return 1;
  }
  return 0;
}

static long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char** argv) {
  const char* filter = "";
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--gtest_filter=-", 16) == 0) filter = argv[i] + 15;
    // For checks that run this program again.
    if (strcmp(argv[i], "--only-count") == 0) return printf("counted %d\n", count) < 0;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("[==========] Running %d tests.\n", count);
  int failed = 0;
  for (struct check* one = first; one != NULL; one = one->next) {
    if (is_left_out(filter, one->name)) continue;
    printf("[ RUN      ] %s\n", one->name);
    const long start = milliseconds();
    failures_of_this_one = 0;
    one->body();
    printf("[ %s ] %s (%ld ms)\n", failures_of_this_one ? " FAILED " : "      OK", one->name,
           milliseconds() - start);
    failed += failures_of_this_one != 0;
  }
  printf("[==========] %d tests ran, %d failed.\n", count, failed);
  return failed != 0;
}
