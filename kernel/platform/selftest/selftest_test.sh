#!/usr/bin/env bash
# selftest_test.sh IMAGE: the self-test passes on both of QEMU's machines and on CPUs with more and with fewer features.
set -u
image=$1
. kernel/platform/selftest/expect.sh

# boot MACHINE CPU COMMAND-LINE [MIB]: prints what the image writes; returns QEMU's status.
boot() {
  timeout 120 qemu-system-x86_64 -M "$1" -cpu "$2" -accel tcg -m "${4:-64}" -display none -nodefaults -serial stdio -no-reboot \
    -device isa-debug-exit,iobase=0x501,iosize=2 -kernel "$image" -append "$3" </dev/null 2>&1
}

# isa-debug-exit makes (status << 1) | 1 of the status.
for machine in microvm,acpi=off q35; do
  for cpu in max qemu64 qemu64,-xsave,-fsgsbase,-pdpe1gb,-x2apic; do
    expect "$machine, $cpu" 1 "checks passed" boot "$machine" "$cpu" ""
    grep "an empty call takes" <<<"$output" | sort -u | head -1 | sed "s/^/$machine, $cpu: /"
  done
  # Pages of 1 GiB are in the first of these CPUs, not in the second: 2 GiB of RAM need them or must do without.
  for cpu in max qemu64; do
    expect "$machine, $cpu, 2 GiB" 1 "checks passed" boot "$machine" "$cpu" "" 2048
  done
done
expect nokaslr 1 "checks passed" boot q35 max nokaslr

# The ends that are no success.
expect panic 255 "panic: asked for on the command line" boot microvm,acpi=off max "selftest=panic"
judge "panic's backtrace" 255 255 "$output" "selftest.*finish"
judge "panic's last words" 255 255 "$output" "on_panic was called"
expect fault 255 "page fault in the kernel at .* address 0x1234" boot microvm,acpi=off max "selftest=fault"
judge "fault's registers" 255 255 "$output" "  rip "
expect overflow 255 "page fault .* a kernel stack overflowed" boot microvm,acpi=off max "selftest=overflow"
# With no room for the exception's own frame it is a double fault, on a stack of its own.
expect recursion 255 "double fault .* a kernel stack overflowed" boot microvm,acpi=off max "selftest=recursion"
judge "recursion's backtrace" 255 255 "$output" "selftest::recurse"
# What the kernel must not do to the program's pages, where the CPU can tell; and to its own, everywhere. Bits of the
# error code: 1 present, 2 write, 16 fetch.
for case in smap:0x1 smep:0x11 nx:0x11 wp:0x3; do
  expect "${case%:*}" 255 "page fault in the kernel .* error code ${case#*:}," boot microvm,acpi=off max "selftest=${case%:*}"
done
for case in nx:0x11 wp:0x3; do
  expect "q35, qemu64, ${case%:*}" 255 "page fault in the kernel .* error code ${case#*:}," boot q35 qemu64 "selftest=${case%:*}"
done
exit "$failures"
