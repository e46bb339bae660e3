#!/usr/bin/env bash
# process_selftest_test.sh IMAGE: the self-test passes as a Linux process, wherever its window is, and every way to break
# the kernel's rules ends in a panic that says why.
set -u
image=$1
failures=0

expect() {
  local what=$1 status=$2 wanted_status=$3 output=$4 wanted=$5
  if [ "$status" -ne "$wanted_status" ] || ! grep -q -- "$wanted" <<<"$output"; then
    echo "$what: status $status instead of $wanted_status, or no \"$wanted\" in the output:"
    echo "$output"
    failures=1
  fi
}

run() {
  timeout 60 "$image" "$@" </dev/null 2>&1
}

for settings in "" nokaslr; do
  output=$(run --settings="$settings")
  expect "settings '$settings'" $? 0 "$output" "checks passed"
done
output=$(run --memory=16777216)
expect "16 MiB" $? 0 "$output" "checks passed"
output=$(run --settings=selftest=panic)
expect "panic" $? 127 "$output" "panic: asked for on the command line"
output=$(run --settings=selftest=fault)
expect "a wild pointer" $? 127 "$output" "panic: page fault in the kernel"
output=$(run --settings=selftest=nx)
expect "data executed" $? 127 "$output" "panic: page fault in the kernel"
output=$(run --settings=selftest=wp)
expect "code written" $? 127 "$output" "panic: page fault in the kernel"
output=$(run --settings=selftest=overflow)
expect "a full stack" $? 127 "$output" "a kernel stack overflowed into its guard page"
output=$(run --settings=selftest=recursion)
expect "endless recursion" $? 127 "$output" "a kernel stack overflowed into its guard page"
# The filter: what is allowed goes on, the rest ends by SIGSYS.
output=$(run --settings=selftest=confined)
expect "confined" $? 0 "$output" "checks passed"
for call in open anonymous foreign descriptor protect; do
  output=$(run --settings=selftest=$call)
  expect "$call" $? 159 "$output" "an empty call takes"
done
output=$(run --what)
expect "an unknown argument" $? 125 "$output" "unknown argument"
exit $failures
