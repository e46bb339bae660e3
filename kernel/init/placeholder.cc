// Stands where the kernel's start will be: proves that C++ links into the image.

namespace narwhal {

struct Row {
  const char* name;
  void (*handler)();
};

[[gnu::used]] void placeholder_handler() {}

// A table of pointers, so that the image has relocations.
[[gnu::used, gnu::retain]] constinit const Row placeholder_table[] = {
    {"placeholder", placeholder_handler},
};

}  // namespace narwhal
