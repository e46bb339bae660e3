# Pipelines, their statuses, and what a closed end does.
seq 1 5000 | grep -v 7 | sed 's/^/x/' | tr x y | sort -r | uniq | awk '{ n += length($0) } END { print NR, n }' | cat | cat | cat | tee copy | wc -c
cat copy
true | false | (exit 3) | true
echo "${PIPESTATUS[@]}"
set -o pipefail
true | (exit 4) | true
echo "pipefail $?"
set +o pipefail
yes | head -n 2
echo "${PIPESTATUS[@]}"
yes | (read -r line; echo "$line"; kill -0 $$ && echo alive)
echo "${PIPESTATUS[@]}"
seq 1 100000 | { read -r a; read -r b; echo "$a $b"; }
echo "${PIPESTATUS[@]}"
(trap '' PIPE; seq 1 100000 2>ignored; echo "seq $?" >&2) 2>&1 >/dev/full | cat
cat ignored
(trap '' PIPE; sleep 0.5; echo lost) 2>message | true
grep -c 'write error' message
! false; echo "negated $?"
! true | true; echo "negated $?"
for i in 1 2 3; do echo "$i"; done | while read -r n; do echo $((n * n)); done | paste -sd+ | bc_less=1 sed 's/+/ + /g'
x=1; echo 5 | read -r x; echo "x is $x"
shopt -s lastpipe; echo 5 | read -r x; echo "x is $x"
echo out | tee /dev/stderr 2>&1 >/dev/null | sed 's/^/seen: /'
{ echo one; echo two >&2; } 2>&1 | sort
{ echo one; echo two >&2; } 2>&1 >/dev/null | sort
{ echo one; echo two >&2; } |& sort
# A hundred commands in a row, all alive at the same time.
line='echo start'; for i in {1..40}; do line+=' | cat'; done; eval "$line"
cat <(echo a) <(echo b) <(cat <(echo c) <(echo d))
diff <(seq 1 5) <(seq 1 6); echo "diff $?"
tee >(wc -l >lines) >(wc -c >bytes) <copy >/dev/null; while [ ! -s lines ] || [ ! -s bytes ]; do sleep 0.1; done; cat lines bytes
: | cat | wc -c
dd if=/dev/zero bs=1000 count=1000 2>/dev/null | dd bs=333 2>/dev/null | wc -c
dd if=/dev/zero bs=64k count=64 2>/dev/null | (dd bs=64k count=1 iflag=fullblock 2>/dev/null; cat) | cksum
