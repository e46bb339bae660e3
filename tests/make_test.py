#!/usr/bin/env python3
"""Stock make and gcc build a project (project/) in a guest, again after changes, and test what they have built."""

import pathlib
import re
import shutil
import unittest

from tests import guest

PROJECT = pathlib.Path(__file__).resolve().parent / 'project'

# Each round prints what make has made anew. Time stamps decide, so a change must be later than what was built from it.
SCRIPT = r'''
set -e
cp -r /project /tmp/project; cd /tmp/project
make() { command make -j4 "$@" >/tmp/log 2>/tmp/errors || { cat /tmp/log /tmp/errors; return 1; }; }
round() { echo "$1:" $(grep -oE -e '(-o|rcs|>)\s*build/\S+' /tmp/log | grep -oE '[^/]+$' | LC_ALL=C sort); }
make; round everything
make; round nothing; cat /tmp/log
make check; cat /tmp/log
touch primes.c; make; round source
touch include/numbers.h; make; round header
sed -i 's/^MOST_WORDS .*/MOST_WORDS 40/' limits.txt; make; round generated
touch -d '2001-01-01' roots.c; make; round old
rm build/libstack.a; make; round removed
./build/calculator 6 7 '*'
echo 'int broken(' >>roots.c
if command make -j4 -k >/tmp/log 2>/tmp/errors; then echo 'it was built'; else echo "make ended with $?"; fi
grep -c 'roots.c:.*error: ' /tmp/errors
readelf -d build/calculator | grep -oE '(NEEDED|RUNPATH).*\[.*\]' | tr -s ' '
ar t build/libstack.a; nm -D --defined-only build/libnumbers.so | cut -d' ' -f3
'''

ALL = 'calculator calculator.o libnumbers.so libstack.a limits.h primes.o roots.o stack.o'
OBJECTS = 'calculator calculator.o libnumbers.so libstack.a primes.o roots.o stack.o'
EXPECTED = f'''everything: {ALL}
nothing:
make: Nothing to be done for 'all'.
./check.sh build/calculator
passed
source: calculator libnumbers.so primes.o
header: {OBJECTS}
generated: {ALL}
old:
removed: calculator libstack.a
42
make ended with 2
1
NEEDED) Shared library: [libnumbers.so]
NEEDED) Shared library: [libc.so.6]
RUNPATH) Library runpath: [$ORIGIN]
stack.o
is_prime
square_root
'''


@unittest.skipUnless(shutil.which('gcc') and shutil.which('make'), 'gcc or make is not installed')
class Make(guest.TestCase):
    def test_builds_a_project_and_what_has_changed(self):
        options = ['--include', f'{PROJECT}:/project', '--package', 'gcc', '--package', 'make', '--package', 'libc6-dev']
        run = self.run_guest('/bin/bash', '-c', SCRIPT, memory='1G', options=options)
        self.assertEqual(re.sub(r'make(\[\d\])?: ', 'make: ', run.stdout), EXPECTED)
        self.assert_no_messages(run)
        self.assert_status(run, 0)


if __name__ == '__main__':
    guest.main()
