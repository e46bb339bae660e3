// A program as people run it: built without sanitizers, or not at all.

#include <cstdio>

#include "tools/bazel/selftest/build_facts.h"

static_assert(!narwhal::kSanitized, "programs are built without sanitizers");

int main() {
  std::puts("plain");
}
