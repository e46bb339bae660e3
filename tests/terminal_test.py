#!/usr/bin/env python3
"""Interactive programs, on a terminal of their own as a user has one: `narwhal run -it`."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unittest

from tests import guest

BUSYBOX = '/bin/busybox'
BASH = '/bin/bash'
LIMIT = 60  # seconds for one answer
INTERRUPT, SUSPEND, END, ERASE, KILL_LINE = '\x03', '\x1a', '\x04', '\x7f', '\x15'


class Terminal:
    """A terminal, and `narwhal run` in its foreground."""

    def __init__(self, *command, options=(), rows=24, columns=80):
        arguments = [os.path.abspath(os.environ['NARWHAL']), 'run', '-it', '-m', guest.MEMORY]
        arguments += guest.platform_options(options)
        arguments += [*options, '--', *command]
        self.shown = ''
        self._seen = 0
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            # As a shell does before it starts a program; then the program waits until the size is set.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('4H', rows, columns, 0, 0))
            os.environ['TERM'] = 'xterm'
            os.execv(arguments[0], arguments)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('4H', rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.master, keys.encode())

    def _read(self, deadline):
        """True when something came; False at the end; an error when the time is over."""
        ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise guest.GuestError(f'nothing came; the terminal showed {self.shown!r}')
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the last program has closed the terminal
            return False
        # Without readline's switching of bracketed paste, which may have been read in part the last time.
        self.shown = re.sub('\x1b\\[\\?2004[hl]\r?', '', self.shown + data.decode('utf-8', 'replace'))
        return bool(data)

    def wait_for(self, text, limit=LIMIT):
        """Waits until the terminal shows this after what was waited for before; returns what came in between."""
        deadline = time.monotonic() + limit
        while True:
            found = re.compile(text).search(self.shown, self._seen)
            if found:
                between = self.shown[self._seen:found.start()]
                self._seen = found.end()
                return between
            if not self._read(deadline):
                raise guest.GuestError(f'ended without showing {text!r}; the terminal showed {self.shown!r}')

    def settings(self):
        return termios.tcgetattr(self.master)

    def finish(self, limit=LIMIT):
        """The exit status, or a negative signal number."""
        deadline = time.monotonic() + limit
        while self._read(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


class TerminalTest(guest.TestCase):
    def start(self, *command, **settings):
        terminal = Terminal(*command, **settings)
        self.addCleanup(terminal.close)
        return terminal


class BusyboxShell(TerminalTest):
    def start_shell(self, **settings):
        shell = self.start(BUSYBOX, 'sh', options=['-e', 'PS1=READY> '], **settings)
        shell.wait_for('READY> ')
        return shell

    def test_lines_are_edited_and_run(self):
        shell = self.start_shell()
        shell.type('echo hallo' + ERASE * 4 + 'ello\r')
        shell.wait_for('\r\nhello\r\n.*READY> ')
        shell.type('nonsense' + KILL_LINE + 'tty; echo $((6 * 7))\r')
        shell.wait_for('\r\n/dev/console\r\n42\r\n.*READY> ')
        shell.type('\x1b[A\r')  # the line before, from the history
        shell.wait_for('\r\n42\r\n.*READY> ')
        shell.type('exit 7\r')
        self.assertEqual(shell.finish(), 7)

    def test_an_interrupt_ends_the_program_and_not_the_shell(self):
        shell = self.start_shell()
        shell.type('sleep 1000\r')
        time.sleep(0.5)
        shell.type(INTERRUPT)
        shell.wait_for(r'\^C\r\n.*READY> ')
        shell.type('echo "status $?"\r')
        shell.wait_for('\r\nstatus 130\r\n.*READY> ')
        shell.type('half a line' + INTERRUPT)
        shell.wait_for('READY> ')
        shell.type(END)
        self.assertEqual(shell.finish(), 130)

    def test_jobs_stop_and_go_on(self):
        shell = self.start_shell()
        shell.type('echo running; cat\r')
        shell.wait_for('\r\nrunning\r\n')
        shell.type('once\r')
        shell.wait_for('once\r\nonce\r\n')
        shell.type(SUSPEND)
        shell.wait_for('Stopped[^>]*READY> ')
        shell.type('jobs\r')
        shell.wait_for('Stopped[^>]*cat[^>]*READY> ')
        shell.type('fg\r')
        shell.wait_for('cat\r\n')
        time.sleep(0.5)  # until it has the terminal
        shell.type('again\r')
        shell.wait_for('again\r\nagain\r\n')
        shell.type(END)
        shell.wait_for('READY> ')
        shell.type('sleep 1 & wait; echo waited\r')
        shell.wait_for('waited\r\n')
        shell.type('exit\r')
        self.assertEqual(shell.finish(), 0)

    def test_the_window_has_a_size_that_changes(self):
        shell = self.start_shell(rows=33, columns=101)
        shell.type('stty size\r')
        shell.wait_for('\r\n33 101\r\n.*READY> ')
        shell.type("trap 'echo resized' WINCH\r")
        shell.wait_for('READY> ')
        shell.resize(40, 120)
        time.sleep(0.5)
        shell.type('stty size\r')
        shell.wait_for('\r\n40 120\r\n')
        shell.type('exit\r')
        self.assertEqual(shell.finish(), 0)

    def test_the_terminal_is_as_it_was_afterwards(self):
        shell = self.start(BUSYBOX, 'sh', '-c', 'stty raw -echo; echo up; read x; kill -9 $$')
        before = shell.settings()
        shell.wait_for('up')
        self.assertNotEqual(shell.settings(), before)
        shell.type('x\n')
        self.assertEqual(shell.finish(), 137)
        self.assertEqual(shell.settings(), before)

    def test_the_terminal_is_as_it_was_when_the_machine_dies(self):
        shell = self.start(BUSYBOX, 'sh', '-c', 'echo up; sleep 1000')
        before = shell.settings()
        shell.wait_for('up')
        self.assertNotEqual(shell.settings()[3], before[3])
        with open(f'/proc/{shell.pid}/task/{shell.pid}/children', encoding='ascii') as children:
            machines = [int(pid) for pid in children.read().split()]
        self.assertTrue(machines)
        for machine in machines:
            os.kill(machine, signal.SIGKILL)
        self.assertEqual(shell.finish(), 125)
        self.assertEqual(shell.settings(), before)


class Bash(TerminalTest):
    def start_shell(self):
        shell = self.start(BASH, '--norc', '-i', options=['-e', 'PS1=READY> ', '--include', '/bin/sleep',
                                                          '--include', '/bin/cat', '--include', '/bin/stty'])
        shell.wait_for('READY> ')
        return shell

    def test_lines_are_edited(self):
        shell = self.start_shell()
        self.assertNotIn('no job control', shell.shown)
        shell.type('echo wrld\x1b[D\x1b[D\x1b[Do\r')
        shell.wait_for('\r\nworld\r\n.*READY> ')
        shell.type('echo one two\x17three\r')
        shell.wait_for('\r\none three\r\n.*READY> ')
        shell.type('ech\t ok\r')
        shell.wait_for('\r\nok\r\n.*READY> ')
        shell.type('exit 3\r')
        self.assertEqual(shell.finish(), 3)

    def test_jobs_stop_and_go_on(self):
        shell = self.start_shell()
        shell.type('sleep 1000\r')
        time.sleep(0.5)
        shell.type(SUSPEND)
        shell.wait_for(r'\^Z[^>]*Stopped[^>]*sleep 1000[^>]*READY> ')
        shell.type('bg\r')
        shell.wait_for(r'sleep 1000 &[^>]*READY> ')
        shell.type('jobs\r')
        shell.wait_for(r'Running[^>]*sleep 1000[^>]*READY> ')
        shell.type('cat & sleep 0.3\r')  # a job in the background that wants to read
        shell.wait_for('READY> ')
        shell.type('jobs\r')
        shell.wait_for(r'Stopped[^>]*cat[^>]*READY> ')
        shell.type('fg\r')
        shell.wait_for('cat\r\n')
        time.sleep(0.5)
        shell.type('read by cat\r')
        shell.wait_for('read by cat\r\nread by cat\r\n')
        shell.type(INTERRUPT)
        shell.wait_for('READY> ')
        shell.type('kill %1; wait %1; echo "status $?"\r')
        shell.wait_for('\r\nstatus 143\r\n')
        shell.type('exit\r')
        self.assertEqual(shell.finish(), 0)

    def test_follows_the_window(self):
        shell = self.start_shell()
        shell.type('echo $LINES $COLUMNS\r')
        shell.wait_for('\r\n24 80\r\n.*READY> ')
        shell.resize(50, 132)
        time.sleep(0.5)
        shell.type('stty size\r')
        shell.wait_for('\r\n50 132\r\n.*READY> ')
        shell.type('echo $LINES $COLUMNS\r')
        shell.wait_for('\r\n50 132\r\n.*READY> ')
        shell.type(END)
        self.assertEqual(shell.finish(), 0)


class Options(guest.TestCase):
    def test_a_terminal_is_asked_for_where_there_is_none(self):
        self.assert_refused(self.run_guest(BUSYBOX, 'true', options=['-t']), 125, 'no terminal')

    def test_an_open_input_is_always_there(self):
        self.assert_output(self.run_guest(BUSYBOX, 'cat', options=['-i'], stdin=b'through\n'), 'through\n')


if __name__ == '__main__':
    guest.main()
