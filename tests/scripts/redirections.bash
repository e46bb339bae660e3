# Where output goes: here-documents, descriptors, closed streams.
name=world
cat <<END
hello $name $((6 * 7)) $(echo sub) \$name
END
cat <<'END'
hello $name `echo` \\
END
cat <<-END
	no tabs
		here
	END
cat <<A; cat <<B
first
A
second
B
tr a-z A-Z <<<"a here string of $name"
# Longer than a pipe: bash has to use a file.
{ printf 'cat <<END | cksum\n'; seq 1 30000; printf 'END\n'; } >long; . ./long
exec 3>three; echo to three >&3; exec 3>&-; cat three
{ echo to three >&3; } 2>/dev/null || echo "closed $?"
exec 4<three; read -r line <&4; echo "read: $line"; read -r line <&4 || echo end; exec 4<&-
exec 5<>both; echo 12345 >&5; cat both; exec 5>&-
exec {fd}>named; echo "named" >&$fd; exec {fd}>&-; cat named
echo text >&- ; echo "closed output $?"
cat <&- ; echo "closed input $?"
sort >&- </dev/null; echo "sort to nothing $?"
(exec >&-; echo lost; echo "status $?" >&2)
(exec 2>&-; ls /nowhere; echo "status $?")
echo a >f; echo b >>f; echo c >|f; cat f
set -o noclobber; echo d >f; echo "noclobber $?"; echo e >|f; cat f; set +o noclobber
echo swapped 3>&1 1>&2 2>&3 | cat
(echo out; echo err >&2) >all 2>&1; cat all
(echo out; echo err >&2) &>all; cat all
(echo more) &>>all; cat all
echo full >/dev/full; echo "full $?"
cat </nowhere; echo "nowhere $?"
echo x >/nowhere/at/all; echo "nowhere $?"
echo x >/; echo "folder $?"
while read -r line <&7; do read -r other; echo "$line and $other"; done 7<<<$'a\nb\nc' <<<$'1\n2\n3'
readlink /proc/self/fd/0 </dev/null
echo stdin | cat /dev/stdin
echo through /dev/fd >/dev/fd/1
exec 8< <(echo from a process); cat <&8; exec 8<&-
(exec >exec_out; echo into the file; ls exec_out); cat exec_out
exec 9>pos; echo 123456789 >&9; (printf ab >&9); printf cd >&9; exec 9>&-; cat pos; echo
: >empty; wc -c <empty; rm empty; ls empty
umask 027; : >masked; stat -c %a masked; umask; umask -S
