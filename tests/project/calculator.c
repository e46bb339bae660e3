// Reads words: numbers are pushed, + - * take two, r (root) and p (is it prime?) take one. Prints what is left.
#include <stdio.h>
#include <stdlib.h>

#include "limits.h"
#include "numbers.h"

int main(int argc, char** argv) {
  if (argc - 1 > MOST_WORDS) return 2;
  for (int i = 1; i < argc; ++i) {
    const char operation = argv[i][1] ? 0 : argv[i][0];
    if (operation == '+' || operation == '-' || operation == '*') {
      const long right = pop(), left = pop();
      push(operation == '+' ? left + right : operation == '-' ? left - right : left * right);
    } else if (operation == 'r') {
      push(square_root(pop()));
    } else if (operation == 'p') {
      push(is_prime(pop()));
    } else {
      push(strtol(argv[i], NULL, 0));
    }
  }
  while (depth() > 0) printf("%ld\n", pop());
  return 0;
}
