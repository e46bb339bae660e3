#!/usr/bin/env bash
# stress_test.sh PROGRAM SECONDS [NARWHAL KERNEL [OPTION...]]: runs it here, or in a guest.
set -euo pipefail
program=$1 seconds=$2
shift 2
if [ $# -eq 0 ]; then
  exec timeout $((seconds * 3 + 120)) "$program" "$seconds"
fi
narwhal=$1 kernel=$2
shift 2
NARWHAL_KERNEL=$kernel NARWHAL_PROCESS_KERNEL=$kernel exec timeout $((seconds * 3 + 240)) "$narwhal" run -m 256M "$@" -- "$program" "$seconds"
