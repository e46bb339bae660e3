# Signals and traps.
(trap 'echo bye' EXIT; echo hi); echo "status $?"
(trap 'echo bye $?' EXIT; exit 3); echo "status $?"
(trap 'exit 4' EXIT; exit 3); echo "status $?"
bash -c 'trap "echo int; exit 5" INT; kill -INT $$; echo not here'; echo "status $?"
bash -c 'trap "echo term" TERM; kill -TERM $$; echo went on'; echo "status $?"
bash -c 'trap "echo exit" EXIT; kill -TERM $$'; echo "status $?"
bash -c 'kill -KILL $$'; echo "status $?"
bash -c 'kill -SEGV $$' 2>/dev/null; echo "status $?"
bash -c 'trap "" TERM; kill -TERM $$; echo ignored; bash -c "kill -TERM \$\$; echo inherited"'; echo "status $?"
bash -c 'trap "" TERM; trap - TERM; kill -TERM $$; echo not here'; echo "status $?"
set -E; trap 'echo "err $? line $LINENO"' ERR
false
f() { false; true; }; f
if false; then :; fi
false || true
trap - ERR
bash -ec 'trap "echo failed" ERR; false; echo not here'; echo "status $?"
bash -c 'trap "echo child" CHLD; (exit 0); /bin/true; sleep 0.1 & wait; trap - CHLD' | sort -u
bash -c 'trap "echo usr1" USR1; (sleep 0.3; kill -USR1 $$) & wait; echo "wait $?"; wait; echo "wait $?"'
bash -c 'trap "echo usr1" USR1; (sleep 0.3; kill -USR1 $$) & sleep 1.5; echo after'
bash -c 'trap "echo debug \$BASH_COMMAND" DEBUG; x=1; y=2; :'
bash -c 'f() { trap "echo returning" RETURN; :; }; f; echo done'
bash -c 'trap "echo got it" USR1 USR2 HUP; kill -USR1 $$; kill -USR2 $$; kill -HUP $$; trap' 
bash -c 'sleep 100 & pid=$!; kill $pid; wait $pid; echo "killed $?"'
bash -c 'sleep 100 & pid=$!; kill -9 $pid; wait $pid; echo "killed $?"' 2>/dev/null
bash -c 'sleep 100 & pid=$!; sleep 0.5; kill -STOP $pid; kill -CONT $pid; kill -INT $pid; sleep 0.2; kill -0 $pid && echo "background jobs ignore INT"; kill $pid; wait $pid; echo $?'
bash -c '(trap "echo sub; exit 9" TERM; while :; do sleep 0.1; done) & sleep 1; kill $!; wait $!; echo "wait $?"'
timeout 0.3 sleep 10; echo "timeout $?"
timeout -s KILL 0.3 sleep 10; echo "timeout $?"
timeout -k 0.3 1.5 bash -c 'trap "" TERM; while :; do sleep 0.1; done'; echo "timeout $?"
timeout 20 bash -c 'exit 7'; echo "timeout $?"
timeout --preserve-status 1.5 bash -c 'trap "exit 8" TERM; sleep 10 & wait'; echo "timeout $?"
nohup bash -c 'kill -HUP $$; echo still here' 2>/dev/null; echo "nohup $?"
nohup /nowhere 2>/dev/null; echo "nohup $?"
kill -l 9 15 SIGCHLD; kill -l | head -n 3; kill -l 137
kill -0 999999 2>/dev/null; echo "nobody $?"
env --ignore-signal=TERM bash -c 'kill -TERM $$; echo alive'
env --default-signal --list-signal-handling true
