#!/usr/bin/env bash
# process_selftest_test.sh IMAGE: the self-test passes as a Linux process, wherever its window is, and every way to break
# the kernel's rules ends in a panic that says why.
set -u
image=$1
. kernel/platform/selftest/expect.sh

run() {
  timeout 60 "$image" "$@" </dev/null 2>&1
}

for settings in "" nokaslr; do
  expect "settings '$settings'" 0 "checks passed" run --settings="$settings"
done
expect "16 MiB" 0 "checks passed" run --memory=16777216
expect "idling" 0 "checks passed" run --settings=selftest=idle
expect "panic" 127 "panic: asked for on the command line" run --settings=selftest=panic
expect "a wild pointer" 127 "panic: page fault in the kernel" run --settings=selftest=fault
expect "data executed" 127 "panic: page fault in the kernel" run --settings=selftest=nx
expect "code written" 127 "panic: page fault in the kernel" run --settings=selftest=wp
expect "a full stack" 127 "a kernel stack overflowed into its guard page" run --settings=selftest=overflow
expect "endless recursion" 127 "a kernel stack overflowed into its guard page" run --settings=selftest=recursion
# Address spaces that take turns in fewer host processes than there are.
for count in 1 2 3; do
  expect "$count host processes" 0 "checks passed" run --settings=hostprocesses=$count
done
# Several CPUs, each with a thread in each host process.
for cpus in 2 5; do
  expect "$cpus CPUs" 0 "checks passed" run --cpus=$cpus
  expect "$cpus CPUs, confined" 0 "checks passed" run --cpus=$cpus --settings=selftest=confined
  expect "$cpus CPUs, few host processes" 0 "checks passed" run --cpus=$cpus --settings=hostprocesses=1
  expect "$cpus CPUs, panic" 127 "panic: asked for on the command line" run --cpus=$cpus --settings=selftest=panic
  expect "$cpus CPUs, lost" 126 "was killed" run --cpus=$cpus --settings=selftest=lost
done
expect "2 CPUs, a crime" 159 "an empty call takes" run --cpus=2 --settings=selftest=open
expect "too many CPUs" 125 "--cpus: 1 to 16" run --cpus=17
# A host whose time-stamp counter is no clock.
expect "the host's clock" 0 "checks passed" run --clock=host --settings=selftest=hostclock
expect "memory that the host does not have" 125 "the host has no memory left" run --settings=selftest=memory
# A pipe with both ends ours.
mkfifo "$TEST_TMPDIR/pipe"
expect "input" 0 "checks passed" run --settings=selftest=input --stdin=3 3<>"$TEST_TMPDIR/pipe"
# The filter: what is allowed goes on, the rest ends by SIGSYS. The programs' calls come from host processes that were
# made after it; without those, from the first.
expect "confined" 0 "checks passed" run --settings=selftest=confined
for call in open anonymous foreign descriptor protect; do
  expect "$call in the first" 159 "an empty call takes" run --settings="selftest=$call hostprocesses=1"
  expect "$call" 159 "an empty call takes" run --settings=selftest=$call
done
# If one ends, all end, and somebody says so.
expect "one that ends" 126 "one of the kernel's host processes was killed" run --settings=selftest=lost

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
  judge "the $which killed" $status "$wanted" "$(cat "$log")" waiting
  [ "$wanted" -ne 126 ] || judge "the $which killed" $status 126 "$(cat "$log")" "one of the kernel's host processes"
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
expect "an unknown argument" 125 "unknown argument" run --what
exit $failures
