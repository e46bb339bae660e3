#!/usr/bin/env python3
"""Stock gdb in the guest, on a program of ours: it must say what it says here. And gdbserver, with gdb at this end."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from tests import guest

PROGRAM = os.path.abspath(os.environ['DEBUGGEE'])
ENVIRONMENT = {'PATH': '/usr/bin:/bin', 'LC_ALL': 'C', 'HOME': '/nonexistent', 'TERM': 'dumb'}
GDB = ('gdb --nx --quiet --batch -iex "set auto-load off" -iex "set debuginfod enabled off" -iex "set width 0" '
       '-iex "set confirm off" -iex "set print frame-arguments all"')

SCRIPT = '''
debug() { GDB "$@" 2>&1; echo "gdb ended with $?"; }
cd /
cat >"$1/life" <<'END'
break descend if depth == 1
run
backtrace
finish
print counter
delete
watch counter
continue
bt 1
continue
delete
rwatch caught
handle SIGUSR1 nostop noprint pass
continue
delete
catch fork
catch syscall exit_group
continue
continue
info inferiors
continue
print $_exitcode
END
echo "a program's life"; debug -x "$1/life" "$2"
echo "steps and changes"
debug -ex 'tbreak descend' -ex run -ex 'p $_siginfo.si_signo' -ex stepi -ex 'p $pc > 0' -ex 'set var counter = 100' -ex 'call descend(2)' \
  -ex 'p/x *(char*)descend@1 != 0' -ex 'hbreak run_thread' -ex c -ex 'thread apply all -q bt 1' -ex 'info threads' -ex 'p *(int*)argument' \
  -ex delete -ex 'set follow-fork-mode child' -ex 'set detach-on-fork on' -ex c "$2"
echo "attached"
"$2" wait >"$1/said" & child=$!
while [ "$(cut -d' ' -f3 /proc/$child/stat)" != S ]; do sleep 0.1; done; sleep 0.5
debug -p $child -ex 'up-silently 10' -ex 'frame function wait_for_debugger' -ex 'print done' -ex 'set var done = 7' -ex detach
wait $child; echo "it ended with $?"; cat "$1/said"
echo "a core file"
debug -ex 'tbreak descend if depth == 0' -ex run -ex "generate-core-file $1/core" -ex kill "$2"
debug -ex bt "$2" "$1/core"
'''.replace('GDB', GDB)

# The process home has no debug registers: what needs them is left out of what is compared.
HAS_WATCHPOINTS = guest.PLATFORM == 'vm'
if not HAS_WATCHPOINTS:
    SCRIPT = re.sub('watch counter.*?rwatch caught\n(.*?\n)continue\n', r'\1', SCRIPT, flags=re.DOTALL).replace('hbreak', 'tbreak')


def normalised(text):
    """Without numbers of processes, addresses, and the place of the program."""
    text = re.sub(r'0x[0-9a-f]+', 'ADDRESS', text)
    text = re.sub(r'((?:LWP|process|pid|Process) |lwp \d+\.)\d+', r'\1PID', text)
    text = re.sub(r'(Id +Target Id|process PID) +', r'\1 ', text)
    # Whether a thread's end or what the program says next comes first is open.
    ended = re.findall(r'^\[Thread ADDRESS \(LWP PID\) exited\]\n', text, re.MULTILINE)
    text = re.sub(r'^\[Thread ADDRESS \(LWP PID\) exited\]\n', '', text, flags=re.MULTILINE) + '\n' + ''.join(ended)
    # Nor source lines, which are only here, nor places in libraries, whose debugging symbols may be here, too.
    return '\n'.join(line.rstrip() for line in text.splitlines()
                     if not re.search(r'No such file or directory\.$|^(ADDRESS\t)?\d+\t|/nptl/|/sysdeps/|[Ll]ibthread_db|'
                                      r'\(\) from /lib|^warning: Memory read failed for corefile|^Core was generated', line))


@unittest.skipUnless(shutil.which('gdb'), 'gdb is not installed')
class Debugger(guest.TestCase):
    def test_says_what_it_says_here(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = os.path.join(folder.name, 'debuggee')
        shutil.copy(PROGRAM, program)
        here = subprocess.run(['/bin/bash', '-c', SCRIPT, 'bash', folder.name, program], env=ENVIRONMENT, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=100)
        run = self.run_guest('/bin/env', '-', *(f'{name}={value}' for name, value in ENVIRONMENT.items()),
                             '/bin/bash', '-c', SCRIPT + 'exit 0', 'bash', '/tmp', '/tmp/debuggee', memory='768M', limit=250,
                             options=['--package', 'gdb', '--package', 'bash', '--include', f'{PROGRAM}:/tmp/debuggee'])
        if HAS_WATCHPOINTS:
            self.assertIn('Hardware watchpoint', here.stdout)
        self.assertEqual(normalised(run.stdout), normalised(here.stdout.replace(folder.name, '/tmp')))
        self.assert_status(run, 0)

    @unittest.skipUnless(shutil.which('gdbserver'), 'gdbserver is not installed')
    def test_from_this_end(self):
        port = guest.free_port()
        run = self.start_guest('/usr/bin/gdbserver', '0.0.0.0:2345', '/debuggee', memory='256M', limit=200,
                               options=['-p', f'{port}:2345', '--package', 'dash', '--include', f'{PROGRAM}:/debuggee'])
        run.wait_for_output('Listening on port 2345', stream='stderr')
        # gdbserver 13 gets conditions wrong, natively too.
        commands = ['set breakpoint condition-evaluation host', f'target remote 127.0.0.1:{port}', 'break descend if depth == 0', 'continue', 'bt', 'delete',
                    *(['watch counter', 'continue'] if HAS_WATCHPOINTS else ['break run_thread']),
                    'continue', 'info threads', 'delete', 'handle SIGUSR1 nostop noprint pass', 'continue']
        arguments = [argument for command in commands for argument in ('-ex', command)]
        said = subprocess.run(['gdb', '--nx', '--quiet', '--batch', '-iex', 'set auto-load off', '-iex',
                               'set debuginfod enabled off', '-iex', 'set sysroot /', *arguments, PROGRAM],
                              env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, timeout=150).stdout
        self.assertRegex(said, r'#0 .*descend \(depth=0\)')
        self.assertRegex(said, r'#3 .*descend \(depth=3\)')
        if HAS_WATCHPOINTS:
            self.assertIn('Old value = 0\nNew value = 10\n', said)
            self.assertIn('Old value = 10\nNew value = 15\n', said)
        self.assertRegex(said, r'\* \d .*Thread .* run_thread ')
        self.assertIn('exited with code 03]', said)
        run.wait()
        self.assertEqual(run.stdout, 'sum 16\ncounter 15, caught 1\nchild 15\n')
        self.assertIn('Child exited with status 3', run.stderr)
        self.assertEqual(run.status, 0)


if __name__ == '__main__':
    guest.main()
