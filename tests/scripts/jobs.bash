# Background jobs and job control without a terminal.
mkfifo go1 go2 go3; for i in 3 1 2; do (read -r _ <"go$i"; exit "$i") & done
for i in 2 1 3; do echo >"go$i"; wait -n; echo "ended $?"; done; wait -n; echo "none $?"
(exit 11) & a=$!; (exit 12) & b=$!; wait $b; echo $?; wait $a; echo $?; wait $a; echo "again $?"
wait 1 2>&1 | sed 's/.*pid/pid/'; 
sleep 0.2 & wait -n -p ended; [ "$ended" = "$!" ] && echo "the one that ended"
sleep 10 & jobs; kill %1; wait %1; echo "killed $?"
set -m
sleep 10 & sleep 20 &
jobs
kill -STOP %1; sleep 0.5; jobs
bg %1; sleep 0.5; jobs -r; jobs -s
kill %1; wait %1; kill %2; wait %2; jobs
bash -c 'kill -STOP $$; echo went on' & sleep 2; jobs; fg %1; echo "fg $?"
(exit 3) & wait $!; echo $?
sleep 10 | cat & jobs %% | sed 's/]. /] /'; kill %1; wait %1; echo $?
sleep 10 & [ "$(ps -o pgid= -p $! | tr -d ' ')" = "$!" ] && echo "a group of its own"; kill %%
wait
sleep 10 & disown; jobs; kill $!
set +m
sleep 10 & [ "$(ps -o pgid= -p $! | tr -d ' ')" = "$(ps -o pgid= -p $$ | tr -d ' ')" ] && echo "the same group"; kill $!; wait
coproc while read -r line; do echo "<$line>"; done
echo one >&"${COPROC[1]}"; read -r answer <&"${COPROC[0]}"; echo "$answer"
echo two >&"${COPROC[1]}"; read -r answer <&"${COPROC[0]}"; echo "$answer"
eval "exec ${COPROC[1]}>&-"; wait "$COPROC_PID"; echo "coproc $?"
coproc UPPER { stdbuf -oL tr a-z A-Z; }
echo loud >&"${UPPER[1]}"; read -r answer <&"${UPPER[0]}"; echo "$answer"; kill "$UPPER_PID"; wait "$UPPER_PID"; echo $?
( (sleep 0.3; echo orphan >late) & ); while [ ! -s late ]; do sleep 0.1; done; cat late
setsid bash -c '[ "$(ps -o sid= -p $$ | tr -d " ")" = $$ ] && echo "leads a session"'
setsid -w bash -c 'exit 6'; echo "setsid $?"
read -t 0.2 -r x < <(sleep 1); [ $? -gt 128 ] && echo "read timed out"
read -t 0 x < <(sleep 0.1); echo "nothing yet $?"
read -t 5 -r x < <(echo in time); echo "$x"
read -n 3 x <<<abcdef; echo "$x"; read -d : x <<<a:b; echo "$x"; read -N 2 x <<<xyz; echo "$x"
mkfifo there back
(while read -r n; do echo $((n * 2)); done <there >back) &
exec 6>there 7<back; for n in 1 2 3; do echo $n >&6; read -r answer <&7; echo "$answer"; done; exec 6>&- 7<&-; wait
(echo from a writer >there) & cat there; wait
for i in 1 2 3; do (echo "$i" >there) & done; { for i in 1 2 3; do read -r n; echo "$n"; sleep 0.1; done; } <>there | sort
wait
TIMEFORMAT='%0lU %0lS'; { time true; } 2>&1
{ time sleep 0.1; } 2>&1 >/dev/null | wc -l
TIMEFORMAT=%0R; seconds=$({ time sleep 1; } 2>&1); [ "$seconds" -ge 1 ] && echo "a second and more"
times | wc -l
flock lock -c 'flock -n lock -c "echo not here"; echo "held $?"'
(flock 9; : >locked; sleep 0.5; echo first) 9>lock2 & while [ ! -e locked ]; do sleep 0.1; done; (flock 9; echo second) 9>lock2; wait
