#!/usr/bin/env python3
"""Debian's nginx with its stock configuration, as a master with workers, and the signals that administrators send it.

No request may fail while nginx reloads, opens its logs anew, replaces itself by another binary, or loses a worker.
"""

import os
import random
import re
import signal
import socket
import tempfile
import time

from tests import guest
from tests.servers.page_load import ROOT, STALL, Load, page, split_answer
from tests.servers.shell import Shell

NGINX = '/usr/sbin/nginx'
CONFIGURATION = '/etc/nginx/nginx.conf'
INIT_SCRIPT = '/etc/init.d/nginx'
FILES = (NGINX, '/etc/nginx', '/usr/lib/nginx', '/usr/share/nginx', '/var/lib/nginx', ROOT)
# What the stock init script calls.
INIT_TOOLS = (INIT_SCRIPT, '/lib/init/vars.sh', '/lib/lsb', '/sbin/start-stop-daemon', '/bin/sh', '/bin/cat',
              '/bin/grep', '/usr/bin/awk', '/usr/bin/head', '/usr/bin/expr', '/bin/sleep')
PID_FILE = '/run/nginx.pid'
LOG = '/var/log/nginx/access.log'
WORKERS = 4


class NginxMaster(guest.TestCase):
    def start_shell(self, *files, options=()):
        """A guest with a shell and nginx's files, and a port for nginx."""
        self.port = guest.free_port()
        includes = [f'--include={path}' for path in (*FILES, *files) if os.path.lexists(path)]
        self.server = self.start_guest(*Shell.COMMAND, stdin=None,
                                       options=['-p', f'{self.port}:80', *options, *includes])
        self.shell = Shell(self.server)
        self.shell.check(f'mkdir -p {os.path.dirname(LOG)}')  # this machine's own may hold much

    def use_four_workers(self):
        """`auto` means one worker on one processor; this is the only line that differs from the stock file."""
        self.shell.check(f"sed -i 's/^worker_processes auto;$/worker_processes {WORKERS};/' {CONFIGURATION}")

    def wait_for_answer(self):
        while not self.answers():
            self.assertFalse(self.server.has_ended(), 'nginx has ended')
            self.assertLess(time.monotonic() - self.server.started_at, self.server.limit, 'nginx does not answer')
            time.sleep(0.05)

    def answers(self, port=None):
        try:
            with socket.create_connection((guest.LOOPBACK, port or self.port), timeout=STALL) as connection:
                connection.sendall(b'GET / HTTP/1.0\r\n\r\n')
                data = connection.makefile('rb').read()
            return split_answer(data) is not None
        except OSError:
            return False  # QEMU takes connections for ports where nobody listens yet, and resets them

    def titles(self, title):
        """The pids of nginx's processes whose title begins like this."""
        return {pid for pid, line in self.shell.processes().items() if line.startswith(f'nginx: {title}')}

    def workers(self):
        return self.titles('worker process') - self.titles('worker process is')

    def wait_for_workers(self, without=frozenset()):
        """Until there are four workers, none of these among them, and no old one is left."""
        while True:
            everyone = self.titles('worker process')
            if len(everyone) == WORKERS and not everyone & set(without):
                return everyone
            self.assertLess(time.monotonic() - self.server.started_at, self.server.limit, f'workers: {everyone}')

    def master(self):
        return int(self.shell.check(f'cat {PID_FILE}'))

    def check_load(self, load):
        self.assertEqual(load.failures, [])
        self.assertGreater(len(load.finished), 100)

    def quit(self):
        self.quit_nginx()
        self.end_shell()

    def quit_nginx(self):
        self.shell.check(f'kill -QUIT {self.master()}')
        self.shell.wait_until(f'[ ! -e {PID_FILE} ]')

    def end_shell(self):
        self.server.write(b'exit 0\n')
        self.server.wait()
        self.assert_no_messages(self.server)
        self.assert_status(self.server, 0)

    def test_the_stock_file_as_the_first_process(self):
        self.port = guest.free_port()
        self.server = self.start_guest(NGINX, '-g', 'daemon off;', options=['-p', f'{self.port}:80'])
        self.wait_for_answer()
        with Load(self.port, page()) as load:
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP):
                load.wait_for(50)
                self.server.send_signal(number)
            load.wait_for(50)
        self.check_load(load)
        self.server.send_signal(signal.SIGQUIT)
        self.server.wait()
        self.assert_output(self.server, '')

    def test_reloads_under_load(self):
        self.start_shell()
        self.use_four_workers()
        self.shell.check(NGINX)
        self.wait_for_answer()
        master = self.master()
        workers = self.wait_for_workers()
        with Load(self.port, page()) as load:
            for _ in range(10):
                load.wait_for(20)
                self.shell.check(f'kill -HUP {master}')
                workers = self.wait_for_workers(without=workers)
            # And many at once.
            for _ in range(10):
                self.shell.check(f'kill -HUP {master}')
            workers = self.wait_for_workers(without=workers)
            load.wait_for(50)
        self.check_load(load)
        self.assertEqual(self.master(), master)
        self.quit()

    def logged(self, pattern):
        """The numbers of the load's requests in these logs, sorted."""
        lines = self.shell.check(f'cat {pattern}').splitlines()
        found = (re.search(r'"GET /\?(\d+) HTTP/1.1" 200 ', line) for line in lines)
        return sorted(int(match.group(1)) for match in found if match)

    def test_log_rotation_under_load(self):
        self.start_shell()
        self.use_four_workers()
        self.shell.check(NGINX)
        self.wait_for_answer()
        self.wait_for_workers()
        rotations = 5
        with Load(self.port, page()) as load:
            for number in range(rotations):
                load.wait_for(50)
                self.shell.check(f'mv {LOG} {LOG}.{number} && kill -USR1 $(cat {PID_FILE})')
                self.shell.wait_until(f'[ -s {LOG} ]')
            load.wait_for(50)
        self.check_load(load)
        self.assertEqual(load.retries, 0)
        # The workers write what is left when they end.
        self.quit_nginx()
        self.assertEqual(self.logged(f'{LOG} {LOG}.*'), sorted(load.finished))
        for name in (LOG, *(f'{LOG}.{number}' for number in range(rotations))):
            self.assertNotEqual(self.logged(name), [], name)
        self.assertEqual(self.shell.check(f'stat -c "%U %a" {LOG}'), 'www-data 644\n')
        self.end_shell()

    def test_another_binary_under_load(self):
        self.start_shell()
        self.use_four_workers()
        self.shell.check(NGINX)
        self.wait_for_answer()
        first = self.master()
        workers = self.wait_for_workers()
        with Load(self.port, page()) as load:
            load.wait_for(50)
            # As a package's upgrade does it: another file takes the name of the one that runs, which can't be written.
            self.shell.check(f'cp {NGINX} {NGINX}.new')
            status, output = self.shell.run(f'cat {NGINX}.new >{NGINX}')
            self.assertNotEqual(status, 0)
            self.assertIn('Text file busy', output)
            self.shell.check(f'mv {NGINX}.new {NGINX}')
            second = self.upgrade(first)
            self.assertEqual(self.shell.check(f'readlink /proc/{first}/exe'), f'{NGINX} (deleted)\n')
            self.assertEqual(self.shell.check(f'readlink /proc/{second}/exe'), f'{NGINX}\n')
            load.wait_for(50)
            # Back: the old master starts workers again, the new one goes. (Were that gone before the old one looks, it
            # would start workers for both reasons.)
            self.shell.check(f'kill -WINCH {first}')
            while self.workers() & workers:
                pass
            load.wait_for(50)
            self.shell.check(f'kill -HUP {first}')
            self.wait_for_both()
            self.shell.check(f'kill -QUIT {second}')
            self.shell.wait_until(f'[ ! -e /proc/{second} ]')
            self.assertEqual(self.master(), first)
            workers = self.wait_for_workers(without=workers)
            load.wait_for(50)
            # And forward.
            second = self.upgrade(first)
            self.shell.check(f'kill -WINCH {first}')
            workers = self.wait_for_workers(without=workers)
            self.shell.check(f'kill -QUIT {first}')
            self.shell.wait_until(f'[ ! -e /proc/{first} ]')
            load.wait_for(50)
        self.check_load(load)
        self.assertEqual(self.master(), second)
        self.assertEqual(self.shell.check(f'ls {PID_FILE}*'), f'{PID_FILE}\n')
        self.quit()

    def upgrade(self, old):
        """Has the old master start another one; returns its pid when both and eight workers run."""
        self.shell.check(f'kill -USR2 {old}')
        self.shell.wait_until(f'[ -s {PID_FILE}.oldbin -a -s {PID_FILE} ]')
        new = self.master()
        self.assertNotEqual(new, old)
        self.wait_for_both()
        return new

    def wait_for_both(self):
        """Until two masters have their workers."""
        while len(self.workers()) != 2 * WORKERS:
            self.assertLess(time.monotonic() - self.server.started_at, self.server.limit, 'no workers')

    def test_a_killed_worker_is_replaced(self):
        self.start_shell()
        self.use_four_workers()
        self.shell.check(NGINX)
        self.wait_for_answer()
        workers = self.wait_for_workers()
        for name in ('KILL', 'SEGV', 'ABRT', 'BUS'):
            victim = max(workers)
            self.shell.check(f'kill -{name} {victim}')
            workers = self.wait_for_workers(without={victim})
            self.assertTrue(self.answers())
        log = self.shell.check('cat /var/log/nginx/error.log')
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            self.assertRegex(log, rf'worker process \d+ exited on signal {int(number)}\b')
        self.quit()

    def test_a_slow_download_survives_reload_and_end(self):
        content = random.Random(3).randbytes(24 << 20)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'large')
            with open(path, 'wb') as file:
                file.write(content)
            self.start_shell(options=['-v', f'{path}:{ROOT}/large:ro'])
            self.use_four_workers()
            self.shell.check(NGINX)
        self.wait_for_answer()
        workers = self.wait_for_workers()
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            connection.settimeout(STALL)
            connection.connect((guest.LOOPBACK, self.port))
            connection.sendall(b'GET /large HTTP/1.0\r\n\r\n')
            stream = connection.makefile('rb')
            self.assertEqual(stream.readline(), b'HTTP/1.1 200 OK\r\n')
            for _ in iter(stream.readline, b'\r\n'):
                pass
            received = stream.read(100000)
            self.shell.check(f'kill -HUP {self.master()}')
            while len(self.titles('worker process is shutting down')) != 1 or len(self.workers() - workers) != WORKERS:
                self.assertFalse(self.server.has_ended())
            self.assertTrue(self.answers())
            received += stream.read(100000)
            self.shell.check(f'kill -QUIT {self.master()}')
            while len(self.titles('')) != 2:
                self.assertFalse(self.server.has_ended())
            self.assertFalse(self.answers())
            received += stream.read()
        self.assertTrue(received == content)
        self.shell.wait_until(f'[ ! -e {PID_FILE} ]')
        self.end_shell()

    def test_the_init_script(self):
        """Debian's own, which starts a daemon, and finds it again by its pid file."""
        second_port = guest.free_port()
        self.start_shell(*INIT_TOOLS, options=['-p', f'{second_port}:8080'])
        self.shell.check(f'{INIT_SCRIPT} start')
        self.wait_for_answer()
        first = self.master()
        self.assertEqual(self.shell.check(f'{INIT_SCRIPT} status'), 'nginx is running.\n')
        with Load(self.port, page()) as load:
            # A configuration that listens on another port too.
            self.assertFalse(self.answers(second_port))
            self.shell.check(f'echo "server {{ listen 8080; root {ROOT}; }}" >/etc/nginx/conf.d/second.conf')
            self.shell.check(f'{INIT_SCRIPT} reload')
            while not self.answers(second_port):
                self.assertFalse(self.server.has_ended(), 'nginx has ended')
            load.wait_for(50)
            self.shell.check(f'mv {LOG} {LOG}.1; {INIT_SCRIPT} rotate')
            self.shell.wait_until(f'[ -s {LOG} ]')
            self.assertEqual(self.master(), first)
            load.wait_for(50)
            self.shell.check(f'{INIT_SCRIPT} upgrade')
            self.assertNotEqual(self.master(), first)
            self.shell.wait_until(f'[ ! -e /proc/{first} ]')
            self.assertTrue(self.answers(second_port))
            load.wait_for(50)
        self.check_load(load)
        self.shell.check(f'{INIT_SCRIPT} stop')
        self.assertEqual(self.titles(''), set())
        self.assertEqual(self.shell.run(f'{INIT_SCRIPT} status'), (3, 'nginx is not running ... failed!\n'))
        self.end_shell()


if __name__ == '__main__':
    guest.main()
