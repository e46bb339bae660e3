#!/usr/bin/env python3
"""Stock strace in the guest, on a pipeline: each process makes the system calls that it makes here, with their results."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from tests import guest

ENVIRONMENT = {'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'}

# strace -ff writes a file for each process. Signals come when they come, and random bytes are random.
TRACE = '''
strace -ff -e signal=none -e 'trace=!getrandom,rt_sigreturn' -o "$1/trace" \
  env - PATH=/usr/bin:/bin sh -c 'cd /; echo hello | tr a-z A-Z | cat >/dev/null; (exit 3); kill -TERM $$'
echo "ended with $?"
for file in $(ls "$1" | sort -t. -k2n); do echo "process:"; cat "$1/$file"; done
'''

OTHERS = '''
strace -c -f -o /tmp/counts sh -c 'echo hello | cat'
grep -cE ' (execve|clone|write)$' /tmp/counts; tail -n 1 /tmp/counts | grep -c total
strace -f -qq -e trace=execve -e signal=all sh -c '/bin/true & wait; kill -USR1 $$' 2>&1 | sed -E 's/0x[0-9a-f]+/ADDRESS/; s/_[us]time=[^,}]+/_time/g; s/ *[0-9]+/ N/g'
sleep 100 & sleeper=$!
until grep -q '(sleep) S' /proc/$sleeper/stat; do :; done
(sleep 1; kill $sleeper) & strace -p $sleeper 2>&1 | sed -E 's/[0-9]{2,}|[1-9]/N/g' | head -n 4
wait
strace -qq -e trace=geteuid,getuid -e inject=geteuid,getuid:retval=42 id -u 2>&1 | sort -u
strace -qq -e trace=write -e inject=write:error=ENOSPC:when=1 sh -c 'echo lost' 2>&1
strace -p 999999 2>&1; echo "ended with $?"
strace -qq -y -e trace=read,close -P /etc/hostname cat /etc/hostname 2>&1 >/dev/null | sed -E 's/"[^"]*"/TEXT/; s/[0-9]+\\)? += [0-9]+/N/'
'''


def normalised(trace):
    """Without what differs from run to run, or from machine to machine: addresses, numbers of processes, sizes, and calls
    that a signal put off: Linux' clone(2), for one, begins again if SIGCHLD arrives while it begins."""
    trace = re.sub(r'.* = \? ERESTART\w+ \(To be restarted.*\)\n', '', trace)
    trace = re.sub(r'0x[0-9a-f]{4,}', 'ADDRESS', trace)
    trace = re.sub(r'((?:get|getp|gett)pid\(\) += |set_tid_address\(\w+\) += |child_tidptr=\w+\) += |, NULL\) = '
                   r'|kill\(|getpgrp\(\) += )\d+', r'\1PID', trace)
    trace = re.sub(r'(st_size=)\d+', r'\1SIZE', trace)
    cache = re.compile(r'(openat\(AT_FDCWD, "/etc/ld.so.cache".*\n.*\nmmap\(NULL, )(\d+)(.*\n(?:.*\n)*?munmap\(ADDRESS, )\2')
    trace = cache.sub(r'\1SIZE\3SIZE', trace)
    trace = re.sub(r'"[^"]*/trace"', 'FILE', trace)
    return re.sub(r' +(= )', r' \1', trace)


@unittest.skipUnless(shutil.which('strace'), 'strace is not installed')
class Strace(guest.TestCase):
    def check(self, script):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        here = subprocess.run(['/bin/bash', '-c', script, 'bash', folder.name], env=ENVIRONMENT, cwd='/', text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=60)
        run = self.run_guest('/bin/bash', '-c', f'mkdir /tmp/traces; exec /bin/env - PATH=/usr/bin:/bin LC_ALL=C '
                             '/bin/bash -c "$1" bash /tmp/traces 2>&1', 'bash', script, memory='512M',
                             options=['--package', 'strace', '--package', 'bash', '--include', '/etc/hostname'])
        self.assertGreater(here.stdout.count('\n'), 10)
        self.assertEqual(normalised(run.stdout), normalised(here.stdout))
        self.assert_no_messages(run)
        self.assertEqual(run.status, here.returncode)

    def test_every_call_of_a_pipeline(self):
        self.check(TRACE)

    def test_counting_attaching_and_injecting(self):
        self.check(OTHERS)


if __name__ == '__main__':
    guest.main()
