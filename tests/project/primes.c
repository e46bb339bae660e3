#include "numbers.h"

int is_prime(long number) {
  if (number < 2) return 0;
  for (long factor = 2; factor <= square_root(number); ++factor) {
    if (number % factor == 0) return 0;
  }
  return 1;
}
