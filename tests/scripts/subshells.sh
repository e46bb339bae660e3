# What every POSIX shell has: run by bash, dash and busybox.
(exit 3); echo $?; (false); echo $?; x=1; (x=2); echo $x; { x=3; }; echo $x
x=$(exit 5); echo $?; x=$(echo a; echo b); echo "$x"; echo "$(echo "$(echo "$(echo nested)")")"; echo `echo \`echo old\``
sh -c 'exit 256'; echo $?; sh -c 'exit 255'; echo $?; sh -c '/nowhere' 2>/dev/null; echo $?; sh -c '. /' 2>/dev/null; [ $? -ne 0 ] && echo failed
: >plain; ./plain 2>/dev/null; echo $?; mkdir dir; ./dir 2>/dev/null; echo $?; printf 'echo no interpreter line, $1\n' >plain; chmod +x plain; ./plain arg; echo $?
printf '#!/nowhere/at/all\n' >bad; chmod +x bad; (./bad) 2>/dev/null; echo $?
printf '#!/bin/sh -e\nfalse\necho not here\n' >strict; chmod +x strict; ./strict; echo $?; printf '#!./strict\n' >twice; chmod +x twice; ./twice; echo $?
set -e; (set +e; false; echo on); (false || true; echo on); if (false); then :; fi; ! true || echo; set +e
(set -e; false; echo not here); echo $?; (set -u; echo $unset_name) 2>/dev/null; [ $? -ne 0 ] && echo unset
trap 'echo leaving' EXIT; (trap 'echo sub leaving' EXIT); sh -c 'trap "echo child leaving" 0; kill -TERM $$'; echo $?; trap - EXIT
trap 'echo usr1' USR1; kill -USR1 $$; (kill -USR1 $$); sleep 0.1; trap - USR1
sh -c 'trap "echo term; exit 7" TERM; sleep 5 & wait' & sleep 1; kill $!; wait $!; echo $?
(sleep 0.1; exit 9) & wait $!; echo $?; { sleep 5 & kill -9 $!; wait $!; echo $?; wait; echo $?; } 2>/dev/null; wait 99999; echo $?
a=1 b=2 sh -c 'echo $a $b'; export c=3; sh -c 'echo $c'; unset c; sh -c 'echo [$c]'
exec 3>&1; (echo three >&3) >/dev/null; exec 3>&-; exec 4<<END; cat <&4; exec 4<&-
through four
END
cat <<END | (read -r a; read -r b; echo "$b $a")
one
$(echo two)
END
while :; do echo y; done | { read -r y; echo $y; }; yes | sed 1q; seq 1 100000 | tail -n 1
f() { local v=$1; [ "$v" -gt 0 ] && f $((v - 1)); echo "$v $#"; return $v; }; f 5 | tail -n 2; f 2; echo $?
g() ( exit 4 ); g; echo $?; eval 'echo evaluated; (exit 6)'; echo $?; . ./plain sourced; command -v cd; type nowhere 2>/dev/null || echo no type
for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done; i=0; until [ $i -ge 3 ]; do i=$((i + 1)); done; echo $i
case abc in a?c) echo glob;; esac; for f in *; do printf '%s ' "$f"; done; echo; echo "${x%b}" "${#x}" "${nope:-default}"; set -- a 'b c'; echo $# "$2"; shift; echo "$*"
IFS=:; for p in $(echo a:b:c); do echo $p; done; unset IFS; getopts ab: opt -b val && echo $opt $OPTARG
cd dir; pwd | sed 's,.*/,,'; cd - >/dev/null; ls -d dir; (cd dir && rmdir ../dir && ls && pwd >/dev/null; echo $?); umask 77; : >private; stat -c %a private; test -r private -a -w private; echo $?
read -r line <strict; echo "$line"; printf 'no newline' | { read -r l; echo $? "$l"; }; echo 'a\tb' | { read l; echo "$l"; }; ulimit -n 64; ulimit -n; times >/dev/null; echo done
kill -s TERM $$; echo not here
