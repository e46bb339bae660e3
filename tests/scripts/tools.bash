# Tools that start others or use files of their own.
seq 1 20 | xargs -n 3 echo
seq 1 40 | xargs -P 4 -n 1 sh -c 'sleep 0.0$(($1 % 5)); echo "$1"' _ | sort -n | paste -sd,
printf 'a b\0c\nd\0' | xargs -0 -n 1 printf '[%s]'; echo
seq 1 5 | xargs -I{} sh -c '[ {} -lt 3 ]'; echo "xargs $?"
echo x | xargs sh -c 'exit 255' 2>/dev/null; echo "xargs $?"
echo x | xargs sh -c 'kill $$' 2>/dev/null; echo "xargs $?"
echo x | xargs /nowhere 2>/dev/null; echo "xargs $?"
seq 1 50000 | xargs echo | wc -l -w
mkdir -p tree/{a,b,c}/{1,2,3}; for d in tree/*/*; do echo "$d" >"$d/file"; ln -s file "$d/link"; done
find tree -type f | sort | head -n 3
find tree -type f -exec cat {} + | sort | tail -n 2
find tree -name file -exec sh -c 'echo "${1#tree/}"' _ {} \; | sort | paste -sd' '
find tree -type l -execdir readlink {} \; | sort | uniq -c
find tree -path '*/b/*' -delete; find tree -type f | wc -l; find tree -empty | wc -l
touch -d 2020-01-01 tree/a/1/file; find tree -type f -not -newer tree/a/1/file
grep -r c/2 tree; grep -rlc a/ tree | sort
sed -i 's/tree/TREE/' tree/a/1/file; cat tree/a/1/file; ls -a tree/a/1
sed -i.bak -e 1d tree/a/2/file; ls tree/a/2; cat tree/a/2/file.bak
seq 1 20000 | awk '{ print ($1 * 7919) % 20011, $1 }' >unsorted
sort -n -S 64k -T . unsorted | cksum; sort -n unsorted | cksum; sort -R unsorted | sort -n | cksum
sort -n -S 64k --compress-program=gzip -T . unsorted | cksum
sort --parallel=4 -n unsorted | sort -nc && echo sorted
sort -o unsorted -n unsorted && head -n 1 unsorted; ls
split -l 7000 unsorted part.; ls part.*; cat part.* | cmp - unsorted && echo same; sort -m -n part.* | cksum
tar cf - tree | tar tf - | sort | cksum
tar czf tree.tgz tree && mkdir out && tar xzf tree.tgz -C out && diff -r tree out/tree && echo 'same tree'
tar cf - tree | gzip -9 | gzip -dc | tar df - && echo 'no difference'
gzip -k unsorted && gzip -t unsorted.gz && zcat unsorted.gz | cmp - unsorted && echo same; gzip -l unsorted.gz | awk 'END { print $2 }'
cp -a tree copy && diff -r tree copy && mv copy moved && rm -r moved && ls
install -D -m 640 unsorted deep/er/file && stat -c '%a %s' deep/er/file
ln unsorted hard && stat -c %h unsorted && ln -s unsorted soft && readlink -f soft | sed 's,.*/,,'; [ hard -ef unsorted ] && echo linked
touch -d '2020-02-03 04:05:06 UTC' old; stat -c %Y old; [ old -ot unsorted ] && echo older; date -u -r old +%F
truncate -s 1M sparse; stat -c '%s %b' sparse; printf x | dd of=sparse bs=1 seek=500000 conv=notrunc 2>/dev/null; stat -c %s sparse; cksum <sparse
mktemp -d | sed 's,/tmp/tmp\..*,a folder,'; mktemp -u x.XXXX | wc -c
comm -12 <(seq 1 10) <(seq 5 15 | sort) 2>&1 | paste -sd,; join <(printf '1 a\n2 b\n') <(printf '1 x\n2 y\n')
dd if=unsorted bs=1k count=3 skip=1 status=none | cksum; md5sum unsorted; sha256sum unsorted | sha256sum -c 2>&1 | sed 's/:.*/: checked/'
head -c 100 /dev/urandom | wc -c; od -An -tx1 <<<AZ; printf '%s\n' {a..c}{1..2} | rev | tac | nl
expr 7 \* 6; echo '2^10' | awk -F^ '{ print $1 ^ $2 }'; printf '%05.1f|%-5s|%x\n' 3.14159 ab 255
date -u -d @86400 +'%F %T'; TZ=UTC date -d '2001-09-09 01:46:40' +%s
nice -n 5 nice; env -i A=1 env; env -u HOME printenv HOME || echo unset; stdbuf -o0 echo unbuffered
tail -n +19999 unsorted | cut -d' ' -f1; (sleep 0.3; echo more >>grow) & : >grow; timeout 20 tail -f grow | head -n 1; wait
(ulimit -n 20; ulimit -n; exec 30>x) 2>&1 | sed 's/.*: 30/30/'; (ulimit -f 1; dd if=/dev/zero of=big bs=1k count=10 2>/dev/null; echo "limit $?"); ls -s big | cut -d' ' -f1
(ulimit -t 1; while :; do :; done); echo "cpu $?"; (ulimit -c 0; ulimit -c; ulimit -n 100; ulimit -Sn 50; ulimit -n; ulimit -Hn; ulimit -Sn 101); (ulimit -v 50000; awk 'BEGIN { x = "0123456789"; for (;;) x = x x }' >/dev/null 2>&1; [ $? -ne 0 ] && echo 'out of memory')
