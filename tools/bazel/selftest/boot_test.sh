#!/usr/bin/env bash
# boot_test.sh IMAGE: the image boots through PVH on both of QEMU's machines and ends with its own status.
set -u
image=$1
failures=0
for machine in microvm q35; do
  output=$(timeout 60 qemu-system-x86_64 -M "$machine" -accel tcg -m 32 -display none -nodefaults -serial stdio \
    -no-reboot -device isa-debug-exit,iobase=0x501,iosize=2 -kernel "$image" </dev/null 2>&1)
  status=$?
  # The image writes 0x10 to isa-debug-exit, which makes (0x10 << 1) | 1 of it.
  if [ "$status" -ne 33 ] || [ "$output" != "narwhal: the build works" ]; then
    echo "$machine: status $status instead of 33, output: $output"
    failures=1
  fi
done
exit "$failures"
