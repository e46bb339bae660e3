#include <stdio.h>

#ifdef __GLIBC__
#error "a musl program is compiled with musl's header files"
#endif

int main(void) {
  puts("plain");
  return 0;
}
