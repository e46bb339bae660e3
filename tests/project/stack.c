#include "limits.h"
#include "numbers.h"

static long values[STACK_SIZE];
static int used;

void push(long value) {
  if (used < STACK_SIZE) values[used++] = value;
}

long pop(void) {
  return used > 0 ? values[--used] : 0;
}

int depth(void) {
  return used;
}
