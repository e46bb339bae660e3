// A test harness of a few lines for programs that no C++ library exists for: it prints what
// GoogleTest prints.
//
//   CHECK(Stdio, WritesAndReads) {
//     EXPECT(1 + 1 == 2);
//     EXPECT_NUMBER(4, 2 + 2);
//   }
#pragma once

#include <stddef.h>

struct check {
  const char* name;
  void (*body)(void);
  struct check* next;
};

void check_register(struct check* one);
void check_failed(const char* file, int line, const char* what, long long expected,
                  long long actual, int is_number);

#define CHECK(suite, title)                                                      \
  static void body_##suite##_##title(void);                                      \
  __attribute__((constructor)) static void register_##suite##_##title(void) {    \
    static struct check one = {#suite "." #title, body_##suite##_##title, NULL}; \
    check_register(&one);                                                        \
  }                                                                              \
  static void body_##suite##_##title(void)

// Each goes on after a failure; a check fails when any of them did.
#define EXPECT(condition)                                                    \
  do {                                                                       \
    if (!(condition)) check_failed(__FILE__, __LINE__, #condition, 0, 0, 0); \
  } while (0)
#define EXPECT_NUMBER(expected, actual)                                                         \
  do {                                                                                          \
    const long long expected_ = (expected), actual_ = (actual);                                 \
    if (expected_ != actual_) check_failed(__FILE__, __LINE__, #actual, expected_, actual_, 1); \
  } while (0)
#define EXPECT_ERRNO(number, call)        \
  do {                                    \
    errno = 0;                            \
    EXPECT_NUMBER(-1, (long long)(call)); \
    EXPECT_NUMBER(number, errno);         \
  } while (0)
