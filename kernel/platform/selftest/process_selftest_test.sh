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
output=$(run --settings=selftest=idle)
expect "idling" $? 0 "$output" "checks passed"
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
# Address spaces that take turns in fewer host processes than there are.
for count in 1 2 3; do
  output=$(run --settings=hostprocesses=$count)
  expect "$count host processes" $? 0 "$output" "checks passed"
done
# A host whose time-stamp counter is no clock.
output=$(run --clock=host --settings=selftest=hostclock)
expect "the host's clock" $? 0 "$output" "checks passed"
output=$(run --settings=selftest=memory)
expect "memory that the host does not have" $? 125 "$output" "the host has no memory left"
# A pipe with both ends ours.
mkfifo "$TEST_TMPDIR/pipe"
output=$(run --settings=selftest=input --stdin=3 3<>"$TEST_TMPDIR/pipe")
expect "input" $? 0 "$output" "checks passed"
# The filter: what is allowed goes on, the rest ends by SIGSYS. The programs' calls come from host processes that were
# made after it; without those, from the first.
output=$(run --settings=selftest=confined)
expect "confined" $? 0 "$output" "checks passed"
for call in open anonymous foreign descriptor protect; do
  output=$(run --settings="selftest=$call hostprocesses=1")
  expect "$call in the first" $? 159 "$output" "an empty call takes"
  output=$(run --settings=selftest=$call)
  expect "$call" $? 159 "$output" "an empty call takes"
done
# If one ends, all end, and somebody says so.
output=$(run --settings=selftest=lost)
expect "one that ends" $? 126 "$output" "one of the kernel's host processes was killed"

# gone PID: waits until it is; what init has not taken notice of yet is gone, too.
gone() {
  for _ in $(seq 200); do
    case $(ps -o stat= -p "$1") in "" | Z*) return 0 ;; esac
    sleep 0.05
  done
  return 1
}
# after_kill WHICH SIGNAL STATUS: kills one of them from outside.
after_kill() {
  local which=$1 signal=$2 wanted=$3 log status first maker spaces
  log=$(mktemp)
  "$image" --settings=selftest=waiting </dev/null >"$log" 2>&1 &
  first=$!
  for _ in $(seq 200); do
    grep -q waiting "$log" && break
    sleep 0.05
  done
  maker=$(pgrep -P "$first")
  spaces=$(pgrep -P "$maker")
  local victim
  case $which in
    first) victim=$first ;;
    maker) victim=$maker ;;
    space) victim=$(head -n 1 <<<"$spaces") ;;
  esac
  kill -"$signal" "$victim"
  wait "$first"
  status=$?
  expect "the $which killed" $status "$wanted" "$(cat "$log")" waiting
  [ "$wanted" -ne 126 ] || expect "the $which killed" $status 126 "$(cat "$log")" "one of the kernel's host processes"
  for pid in $maker $spaces; do
    gone "$pid" || {
      echo "host process $pid outlives the first, after a signal $signal to the $which"
      failures=1
    }
  done
  rm -f "$log"
}
after_kill first KILL 137
after_kill maker KILL 126
after_kill space KILL 126
after_kill space TERM 126
output=$(run --what)
expect "an unknown argument" $? 125 "$output" "unknown argument"
exit $failures
