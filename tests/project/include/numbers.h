// What the parts of the calculator know of each other.
#pragma once

void push(long value);
long pop(void);  // 0 when the stack is empty
int depth(void);

int is_prime(long number);     // in libnumbers.so
long square_root(long value);  // rounded down
