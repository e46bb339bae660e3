#!/usr/bin/env bash
# selftest_test.sh IMAGE: the self-test passes on both of QEMU's machines and on CPUs with more and with fewer features.
set -u
image=$1
failures=0

# boot MACHINE CPU COMMAND-LINE [MIB]: prints what the image writes; returns QEMU's status.
boot() {
  timeout 120 qemu-system-x86_64 -M "$1" -cpu "$2" -accel tcg -m "${4:-64}" -display none -nodefaults -serial stdio -no-reboot \
    -device isa-debug-exit,iobase=0x501,iosize=2 -kernel "$image" -append "$3" </dev/null 2>&1
}

expect() {
  local what=$1 status=$2 wanted_status=$3 output=$4 wanted=$5
  if [ "$status" -ne "$wanted_status" ] || ! grep -q -- "$wanted" <<<"$output"; then
    echo "$what: status $status instead of $wanted_status, or no \"$wanted\" in the output:"
    echo "$output"
    failures=1
  fi
}

# isa-debug-exit makes (status << 1) | 1 of the status.
for machine in microvm,acpi=off q35; do
  for cpu in max qemu64 qemu64,-xsave,-fsgsbase,-pdpe1gb,-x2apic; do
    output=$(boot "$machine" "$cpu" "")
    expect "$machine, $cpu" $? 1 "$output" "checks passed"
    grep "an empty call takes" <<<"$output" | sort -u | head -1 | sed "s/^/$machine, $cpu: /"
  done
  # Pages of 1 GiB are in the first of these CPUs, not in the second: 2 GiB of RAM need them or must do without.
  for cpu in max qemu64; do
    output=$(boot "$machine" "$cpu" "" 2048)
    expect "$machine, $cpu, 2 GiB" $? 1 "$output" "checks passed"
  done
done
output=$(boot q35 max nokaslr)
expect nokaslr $? 1 "$output" "checks passed"

# The ends that are no success.
output=$(boot microvm,acpi=off max "selftest=panic")
expect panic $? 255 "$output" "panic: asked for on the command line"
expect "panic's backtrace" 255 255 "$output" "selftest.*finish"
expect "panic's last words" 255 255 "$output" "on_panic was called"
output=$(boot microvm,acpi=off max "selftest=fault")
expect fault $? 255 "$output" "page fault in the kernel at .* address 0x1234"
expect "fault's registers" 255 255 "$output" "  rip "
output=$(boot microvm,acpi=off max "selftest=overflow")
expect overflow $? 255 "$output" "page fault .* a kernel stack overflowed"
# With no room for the exception's own frame it is a double fault, on a stack of its own.
output=$(boot microvm,acpi=off max "selftest=recursion")
expect recursion $? 255 "$output" "double fault .* a kernel stack overflowed"
expect "recursion's backtrace" 255 255 "$output" "selftest::recurse"
# What the kernel must not do to the program's pages, where the CPU can tell; and to its own, everywhere. Bits of the
# error code: 1 present, 2 write, 16 fetch.
for case in smap:0x1 smep:0x11 nx:0x11 wp:0x3; do
  output=$(boot microvm,acpi=off max "selftest=${case%:*}")
  expect "${case%:*}" $? 255 "$output" "page fault in the kernel .* error code ${case#*:},"
done
for case in nx:0x11 wp:0x3; do
  output=$(boot q35 qemu64 "selftest=${case%:*}")
  expect "q35, qemu64, ${case%:*}" $? 255 "$output" "page fault in the kernel .* error code ${case#*:},"
done
exit "$failures"
