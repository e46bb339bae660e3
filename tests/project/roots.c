#include "numbers.h"

long square_root(long value) {
  long root = 0;
  while ((root + 1) * (root + 1) <= value) ++root;
  return root;
}
