#!/usr/bin/env bash
# Each kind of program runs here, and is linked as its rule says.
set -u
cd tools/bazel/selftest || exit 1
failures=0

# check PROGRAM INTERPRETER: INTERPRETER is empty for a static program.
check() {
  local output interpreter
  output=$("./$1")
  if [ "$output" != plain ]; then
    echo "$1: prints '$output'"
    failures=1
  fi
  interpreter=$(llvm-readelf-19 --program-headers "$1" | sed -nE 's/.*Requesting program interpreter: (.*)\]/\1/p')
  if [ "$interpreter" != "$2" ]; then
    echo "$1: its interpreter is '$interpreter' instead of '$2'"
    failures=1
  fi
}

check host /lib64/ld-linux-x86-64.so.2
check guest_dynamic /lib64/ld-linux-x86-64.so.2
check guest_static ""
check guest_musl_dynamic /lib/ld-musl-x86_64.so.1
check guest_musl_static ""
exit "$failures"
