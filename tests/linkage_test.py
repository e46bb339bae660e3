#!/usr/bin/env python3
"""Programs of every linkage: with musl and glibc, static and dynamic, C and C++."""

import os
import subprocess

from tests import guest

# tests/programs/hello.c says this, whatever it is linked with.
HELLO = '''argument 1: one
argument 2: two words
COLOUR is blue
sorted: yes
sqrt(2) = 1.414213562373095
No such file or directory
it is later than 2023
written and read back 42
goodbye
'''

THREADS = '''constructed before main
sum: 2001000
too deep: 50
depth 0
too deep: 50
depth 0
too deep: 50
depth 0
too deep: 50
depth 0
unwound 204 frames
a cat
out of range
the same
destroyed after main
'''


class C(guest.TestCase):
    def check(self, variable):
        program = os.environ[variable]
        native = subprocess.run([program, 'one', 'two words'], env={'COLOUR': 'blue'}, capture_output=True, text=True,
                                check=False)
        self.assertEqual((native.stdout, native.returncode), (HELLO, 3))
        self.assert_output(self.run_guest(program, 'one', 'two words', options=['-e', 'COLOUR=blue']), HELLO, 3)

    def test_static_musl(self):
        self.check('HELLO_MUSL')

    def test_dynamic_musl(self):
        self.check('HELLO_MUSL_DYNAMIC')

    def test_static_glibc(self):
        self.check('HELLO_GLIBC')


class Cpp(guest.TestCase):
    def test_dynamic_with_threads_and_exceptions(self):
        program = os.environ['THREADS']
        native = subprocess.run([program], capture_output=True, text=True, check=False)
        self.assertEqual((native.stdout, native.returncode), (THREADS, 3))
        self.assert_output(self.run_guest(program), THREADS, 3)


class Coreutils(guest.TestCase):
    def test_read_and_write_files(self):
        # Through bash, in one guest; what it prints, these very programs print here too.
        script = r'''
            set -e
            cd "$(mktemp -d)"
            seq 1 1000 >numbers
            wc numbers; head -n 2 numbers; tail -n 1 numbers
            sort -rn numbers | head -n 1
            sha256sum <numbers; md5sum numbers; cksum numbers
            mkdir -p a/b; cp numbers a/b/copy; ln -s b/copy a/link; ln a/b/copy a/hard
            cmp numbers a/link && echo same
            stat -c '%h %s %a' a/hard
            chmod 640 a/hard; stat -c %a a/b/copy
            mv a/hard a/moved; ls a; readlink a/link
            touch -d '2020-02-02 02:02:02 UTC' a/moved; stat -c %Y a/b/copy
            dd if=numbers bs=10 skip=1 count=2 status=none | od -An -tx1
            truncate -s 1M sparse; stat -c '%s %b' sparse
            tr 0-9 a-j <numbers | cut -c1-3 | uniq | sed -n 5p
            date -u -d @86400 +%F; printf '%05.2f\n' 3.14159
            comm -12 <(seq 1 5) <(seq 3 9) | paste -sd,
            base64 <<<narwhal | tee copy | base64 -d; cat copy
            expr 6 '*' 7; factor 1234567890; basename /usr/lib/x.so .so; dirname /usr/lib/x.so
            rm -r a; test -e a || echo gone; rmdir missing 2>&1 || true
            timeout 0.2 sleep 10 || echo "status $?"
            split -n 3 numbers part; cat part?? | cmp - numbers && ls part*
            env -i A=1 env; id -u; false || true'''
        tools = ('base64 basename cat chmod cksum comm cp cut cmp date dd dirname env expr factor head id ln ls md5sum '
                 'mkdir mktemp mv od paste readlink rm rmdir sed seq sha256sum sleep sort split stat tail tee timeout '
                 'touch tr truncate uniq wc').split()
        native = subprocess.run(['/bin/bash', '-c', script], capture_output=True, text=True, check=True,
                                env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'})
        run = self.run_guest('/bin/bash', '-c', script, options=[
            '-e', 'LC_ALL=C', *(option for tool in tools for option in ('--include', '/usr/bin/' + tool))])
        self.assert_output(run, native.stdout)


if __name__ == '__main__':
    guest.main()
