#!/usr/bin/env python3
"""Debian's redis-server in the guest saves its data, by child processes that share its memory until it writes there.

What it saved is read by a redis-server of this machine, which must find the same.
"""

import os
import signal
import tempfile

from tests import guest
from tests.servers.resp import PROGRAM, READY, Connection, NativeServer, RedisError, WriteLoad, command
from tests.servers.shell import Shell

PORT = 6379
INIT_SCRIPT = '/etc/init.d/redis-server'
INIT_FILES = (INIT_SCRIPT, '/etc/redis', '/etc/default/redis-server', '/lib/lsb', '/var/lib/redis', '/var/log/redis')
# What the stock init script calls, and redis' own tools.
INIT_TOOLS = ('/bin/sh', '/sbin/start-stop-daemon', '/usr/bin/id', '/bin/mkdir', '/bin/touch', '/bin/chown',
              '/bin/chmod', '/bin/rm', '/bin/sleep', PROGRAM, '/usr/bin/redis-cli', '/usr/bin/redis-check-rdb')


class RedisSaving(guest.TestCase):
    LARGE_VALUES = 32
    LARGE_SIZE = 4 << 20

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start_redis(self, *options):
        self.port = guest.free_port()
        self.server = self.start_guest(
            PROGRAM, '--protected-mode', 'no', '--save', '', '--dir', '/data', '--enable-debug-command', 'yes',
            *options, options=['-p', f'{self.port}:{PORT}', '-v', f'{self.folder}:/data'], limit=280)
        self.server.wait_for_output(READY)
        return self.connect()

    def connect(self):
        connection = Connection(self.port)
        self.addCleanup(connection.close)
        return connection

    def end(self, redis, *words):
        with self.assertRaises(ConnectionResetError):
            redis('SHUTDOWN', *words)
        self.server.wait()
        self.assert_no_messages(self.server)
        self.assert_status(self.server, 0)

    def bgsave(self, redis):
        self.assertEqual(redis('BGSAVE'), 'Background saving started')
        info = redis.wait_for_info(rdb_bgsave_in_progress=0, rdb_last_bgsave_status='ok', limit=60)
        self.assertGreater(os.path.getsize(os.path.join(self.folder, 'dump.rdb')), 0)
        return info

    def test_bgsave_under_write_load(self):
        redis = self.start_redis()
        with WriteLoad(self.port, 1) as first, WriteLoad(self.port, 2) as second:
            for _ in range(3):
                first.wait_for(50)
                least = first.transactions, second.transactions
                info = self.bgsave(redis)
                most = first.transactions + 1, second.transactions + 1
                with NativeServer(self.folder) as native, native.connect() as other:
                    first.check(other, least[0], most[0])
                    second.check(other, least[1], most[1])
        self.assertGreater(int(info['rdb_last_cow_size']), 0)
        self.assertIsNone(first.failure)
        self.assertIsNone(second.failure)
        first.check(redis, first.transactions, first.transactions)
        self.bgsave(redis)
        with NativeServer(self.folder) as native, native.connect() as other:
            self.assertEqual(other.digest(), redis.digest())
            self.assertGreater(other('DBSIZE'), 100)
        self.end(redis, 'NOSAVE')

    def test_rewrites_of_the_log_under_write_load(self):
        redis = self.start_redis('--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0')
        with WriteLoad(self.port) as load:
            for _ in range(3):
                load.wait_for(50)
                self.assertEqual(redis('BGREWRITEAOF'), 'Background append only file rewriting started')
                redis.wait_for_info(aof_rewrite_in_progress=0, aof_rewrite_scheduled=0, aof_last_bgrewrite_status='ok',
                                    limit=60)
            load.wait_for(50)
        self.assertIsNone(load.failure)
        info = redis.info()
        self.assertEqual((info['aof_last_write_status'], info['aof_rewrites']), ('ok', '3'))
        digest = redis.digest()
        self.end(redis)
        with NativeServer(self.folder, '--appendonly', 'yes') as native, native.connect() as other:
            load.check(other, load.transactions, load.transactions)
            self.assertEqual(other.digest(), digest)
        # And what this machine's server left, is loaded in a guest.
        redis = self.start_redis('--appendonly', 'yes')
        self.assertEqual(redis.digest(), digest)
        self.end(redis)

    def test_the_log_has_what_was_answered_when_the_machine_dies(self):
        self.start_redis('--appendonly', 'yes', '--appendfsync', 'always')
        load = WriteLoad(self.port)
        with load:
            load.wait_for(100)
            os.kill(self.server.pid, signal.SIGKILL)
            load.join()
        self.assertIsInstance(load.failure, OSError)
        with NativeServer(self.folder, '--appendonly', 'yes') as native, native.connect() as other:
            load.check(other, load.transactions, load.transactions + 1)

    def test_shutdown_saves_and_the_next_guest_loads(self):
        redis = self.start_redis()
        with WriteLoad(self.port) as load:
            load.wait_for(200)
        digest = redis.digest()
        self.end(redis, 'SAVE')
        self.assertIn('DB saved on disk', self.server.stdout)
        with NativeServer(self.folder) as native, native.connect() as other:
            self.assertEqual(other.digest(), digest)
        redis = self.start_redis()
        load.check(redis, load.transactions, load.transactions)
        self.assertEqual(redis.digest(), digest)
        # SIGTERM saves too, where there is a rule for saving.
        redis('CONFIG', 'SET', 'save', '3600 1')
        redis('SET', 'last', 'words')
        self.server.send_signal(signal.SIGTERM)
        self.server.wait()
        self.assert_status(self.server, 0)
        with NativeServer(self.folder) as native, native.connect() as other:
            self.assertEqual(other('GET', 'last'), b'words')

    def test_a_killed_child_is_a_failed_save(self):
        redis = self.start_redis('--rdb-key-save-delay', '10000')
        with WriteLoad(self.port) as load:
            load.wait_for(100)
            redis('BGSAVE')
            self.assertEqual(redis.info()['rdb_bgsave_in_progress'], '1')
            self.assertEqual(redis('FLUSHALL'), 'OK')  # kills the child
            redis.wait_for_info(rdb_bgsave_in_progress=0)
            load.wait_for(10)
        self.assertIsNone(load.failure)
        redis('CONFIG', 'SET', 'rdb-key-save-delay', '0')
        self.bgsave(redis)
        with NativeServer(self.folder) as native, native.connect() as other:
            self.assertEqual(other.digest(), redis.digest())

    def fill_half_of_memory(self, redis):
        """32 values of 4 MiB in a machine of 256 MiB."""
        redis('DEBUG', 'POPULATE', self.LARGE_VALUES, 'large', self.LARGE_SIZE)
        # The server looks at its size ten times a second, and a fast machine fills it between two looks.
        redis.wait_until(lambda info: int(info['used_memory_rss']) > 128 << 20)

    def touch(self, redis, size):
        """Writes to so many bytes' pages, each of which the server then has for itself."""
        for key in range(size // self.LARGE_SIZE):
            offsets = range(100, self.LARGE_SIZE, 4096)
            redis.send(b''.join(command('SETRANGE', f'large:{key}', offset, 'changed') for offset in offsets))
            for _ in offsets:
                self.assertEqual(redis.receive(), self.LARGE_SIZE)

    def test_bgsave_of_half_of_the_memory(self):
        redis = self.start_redis()
        self.fill_half_of_memory(redis)
        # Slow, so that what the server writes meanwhile has to be copied.
        redis('CONFIG', 'SET', 'rdb-key-save-delay', '80000')
        redis('BGSAVE')
        self.touch(redis, 32 << 20)
        info = redis.wait_for_info(rdb_bgsave_in_progress=0, rdb_last_bgsave_status='ok', limit=60)
        self.assertGreater(int(info['rdb_last_cow_size']), 0)
        with NativeServer(self.folder) as native, native.connect() as other:
            saved = other.digest()
            other('FLUSHALL')
            self.fill_half_of_memory(other)
            self.assertEqual(saved, other.digest())

    def test_bgsave_for_which_memory_is_too_small(self):
        """The child is killed for the memory, as on Linux, where it asked for that by /proc/self/oom_score_adj."""
        redis = self.start_redis('--oom-score-adj', 'yes')
        self.fill_half_of_memory(redis)
        redis('CONFIG', 'SET', 'rdb-key-save-delay', '10000000')
        redis('BGSAVE')
        self.touch(redis, self.LARGE_VALUES * self.LARGE_SIZE)
        redis.wait_for_info(rdb_bgsave_in_progress=0, rdb_last_bgsave_status='err')
        self.assertIn('Background saving terminated by signal 9', self.server.stdout)
        # The server goes on, with its data.
        redis('CONFIG', 'SET', 'rdb-key-save-delay', '0')
        self.bgsave(redis)
        with NativeServer(self.folder) as native, native.connect() as other:
            saved = other.digest()
            other('FLUSHALL')
            self.fill_half_of_memory(other)
            self.touch(other, self.LARGE_VALUES * self.LARGE_SIZE)
            self.assertEqual(saved, other.digest())

    def test_bgsave_where_nothing_may_be_promised_twice(self):
        """With vm.overcommit_memory=2 the fork fails, and the server says so and goes on."""
        port = guest.free_port()
        server = self.start_guest(*Shell.COMMAND, stdin=None,
                                  options=['-p', f'{port}:{PORT}', f'--include={PROGRAM}'])
        shell = Shell(server)
        # Before it starts: what it mapped without a reservation would not count.
        shell.check('echo 90 >/proc/sys/vm/overcommit_ratio && echo 2 >/proc/sys/vm/overcommit_memory')
        shell.check(f"{PROGRAM} --protected-mode no --save '' --dir /tmp --enable-debug-command yes >/tmp/log &")
        shell.wait_until(f'grep -q "{READY}" /tmp/log')
        with Connection(port) as redis:
            redis('DEBUG', 'POPULATE', self.LARGE_VALUES // 2, 'large', self.LARGE_SIZE)
            with self.assertRaisesRegex(RedisError, 'MISCONF|ERR'):
                redis('BGSAVE')
            self.assertIn("Can't save in background: fork: Cannot allocate memory",
                          shell.check('echo 0 >/proc/sys/vm/overcommit_memory && cat /tmp/log'))
            self.touch(redis, self.LARGE_SIZE)
            self.assertEqual(redis('BGSAVE'), 'Background saving started')
            redis.wait_for_info(rdb_bgsave_in_progress=0, rdb_last_bgsave_status='ok', limit=60)

    def test_the_init_script_and_the_stock_configuration(self):
        """A daemon that runs as the user redis, and keeps its data where Debian wants it."""
        includes = [f'--include={path}' for path in (*INIT_FILES, *INIT_TOOLS) if os.path.lexists(path)]
        server = self.start_guest(*Shell.COMMAND, options=includes, stdin=None)
        shell = Shell(server)
        shell.check(f'{INIT_SCRIPT} start')
        shell.wait_until('[ "$(redis-cli ping)" = PONG ]')
        self.assertEqual(shell.check(f'{INIT_SCRIPT} status'), 'redis-server is running.\n')
        self.assertEqual(shell.check('stat -c %U /proc/$(cat /run/redis/redis-server.pid)'), 'redis\n')
        self.assertEqual(shell.check('redis-cli set whale narwhal'), 'OK\n')
        self.assertEqual(shell.check('redis-cli bgsave'), 'Background saving started\n')
        shell.wait_until('redis-cli info persistence | grep -q rdb_bgsave_in_progress:0')
        self.assertEqual(shell.check('stat -c "%U %a" /var/lib/redis/dump.rdb'), 'redis 660\n')
        self.assertIn('RDB looks OK', shell.check('redis-check-rdb /var/lib/redis/dump.rdb'))
        self.assertEqual(shell.check('redis-cli set whale beluga'), 'OK\n')
        shell.check(f'{INIT_SCRIPT} restart')
        shell.wait_until('[ "$(redis-cli ping)" = PONG ]')
        self.assertEqual(shell.check('redis-cli get whale'), 'beluga\n')
        shell.check(f'{INIT_SCRIPT} stop')
        self.assertEqual(shell.run(f'{INIT_SCRIPT} status'), (3, 'redis-server is not running ... failed!\n'))
        self.assertEqual(shell.check('grep -c "ready to exit, bye bye" /var/log/redis/redis-server.log'), '2\n')
        server.write(b'exit 0\n')
        server.wait()
        self.assert_no_messages(server)
        self.assert_status(server, 0)


if __name__ == '__main__':
    guest.main()
