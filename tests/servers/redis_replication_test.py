#!/usr/bin/env python3
"""Replication of Debian's redis-server, between two guests and between a guest and a server of this machine.

Two guests meet through ports of this machine, as every guest on QEMU's user network does.
"""

import shlex
import tempfile

from tests import guest
from tests.servers.resp import PROGRAM, READY, Connection, NativeServer, WriteLoad
from tests.servers.shell import Shell

PORT = 6379
# The delay waits for more replicas to come, of which there are none.
OPTIONS = ('--protected-mode', 'no', '--save', '', '--enable-debug-command', 'yes', '--repl-diskless-sync-delay', '0',
           '--repl-backlog-size', '32mb')


class GuestServer:
    """redis-server in a guest, with NativeServer's interface."""

    def __init__(self, test, *options, narwhal_options=()):
        self.port = guest.free_port()
        self.guest = test.start_guest(PROGRAM, *OPTIONS, *options, limit=280,
                                      options=['-p', f'{self.port}:{PORT}', *narwhal_options])
        self.guest.wait_for_output(READY)

    def connect(self):
        return Connection(self.port)


class RedisReplication(guest.TestCase):
    def setUp(self):
        super().setUp()
        self.clients = []
        self.addCleanup(lambda: [client.close() for client in self.clients])

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def guest_server(self, *options, **settings):
        server = GuestServer(self, *options, **settings)
        self.clients.append(server.connect())
        return server, self.clients[-1]

    def native_server(self, *options):
        server = NativeServer(self.folder(), *OPTIONS, *options)
        self.addCleanup(server.stop)
        self.clients.append(server.connect())
        return server, self.clients[-1]

    def wait_for_equal(self, master, replica):
        """Once nobody else writes to the master."""
        master('INCR', 'writes')  # WAIT waits for what its own connection wrote
        self.assertEqual(master('WAIT', 1, 30000), 1)
        self.assertEqual(master.digest(), replica.digest())

    def replicate(self, master_port, master, replica_host, replica):
        """Full and partial synchronisations of an empty replica, while clients write to the master."""
        before = master.info()
        # Not as fast as a native server can: a guest under software emulation may not keep up with it.
        with WriteLoad(master_port, pause=0.01) as load:
            load.wait_for(100)
            replica('REPLICAOF', replica_host, master_port)
            replica.wait_for_info(master_link_status='up', master_sync_in_progress=0, limit=60)
            load.wait_for(50)
            for breaks in range(3):
                # The link breaks, the master is written to, the replica comes again and gets only what it missed.
                partial = int(master.info()['sync_partial_ok'])
                if breaks != 1:
                    self.assertEqual(master('CLIENT', 'KILL', 'TYPE', 'replica'), 1)
                else:
                    self.assertEqual(replica('CLIENT', 'KILL', 'TYPE', 'master'), 1)
                load.wait_for(20)
                master.wait_until(lambda info, partial=partial: int(info['sync_partial_ok']) > partial, limit=60)
                replica.wait_for_info(master_link_status='up', limit=60)
        self.assertIsNone(load.failure)
        self.wait_for_equal(master, replica)
        load.check(replica, load.transactions, load.transactions)
        info = master.info()
        self.assertEqual(int(info['sync_full']) - int(before['sync_full']), 1)
        self.assertEqual(int(info['sync_partial_err']) - int(before['sync_partial_err']), 1)  # the first PSYNC ? -1

    def test_between_two_guests(self):
        first, one = self.guest_server()
        second, two = self.guest_server()
        self.replicate(first.port, one, guest.HOST, two)
        one('SET', 'last', 'word')
        self.assertEqual(one('WAIT', 1, 30000), 1)
        self.assertEqual(two('GET', 'last'), b'word')
        # The replica becomes the master, and its former master its replica, by a partial synchronisation.
        two('REPLICAOF', 'NO', 'ONE')
        one.wait_for_info(connected_slaves=0)
        one('REPLICAOF', guest.HOST, second.port)
        one.wait_for_info(master_link_status='up', limit=60)
        self.assertEqual(two.info()['sync_partial_ok'], '1')
        self.assertEqual(two.info()['sync_full'], '0')
        two('SET', 'last', 'words')
        self.wait_for_equal(two, one)
        self.assertEqual(one('GET', 'last'), b'words')

    def test_a_guest_follows_a_native_server(self):
        master, one = self.native_server()
        _, two = self.guest_server('--repl-diskless-load', 'swapdb')
        self.replicate(master.port, one, guest.HOST, two)

    def test_a_native_server_follows_a_guest(self):
        master, one = self.guest_server('--repl-diskless-sync', 'no')
        _, two = self.native_server()
        self.replicate(master.port, one, guest.LOOPBACK, two)

    def test_a_replica_that_was_stopped_gets_what_it_missed(self):
        timeouts = ('--repl-timeout', '4', '--repl-ping-replica-period', '1')
        master, one = self.native_server(*timeouts)
        port = guest.free_port()
        server = self.start_guest(*Shell.COMMAND, stdin=None,
                                  options=['-p', f'{port}:{PORT}', f'--include={PROGRAM}'])
        shell = Shell(server)
        shell.check(f'{PROGRAM} {shlex.join([*OPTIONS, *timeouts])} >/tmp/log & pid=$!')
        shell.wait_until(f'grep -q "{READY}" /tmp/log')
        with Connection(port) as two, WriteLoad(master.port, pause=0.01) as load:
            two('REPLICAOF', guest.HOST, master.port)
            two.wait_for_info(master_link_status='up', limit=60)
            one.wait_for_info(connected_slaves=1)
            for _ in range(2):
                shell.check('kill -STOP $pid')
                one.wait_for_info(connected_slaves=0)
                load.wait_for(20)
                before = int(one.info()['sync_partial_ok'])
                shell.check('kill -CONT $pid')
                one.wait_until(lambda info, before=before: int(info['sync_partial_ok']) > before, limit=60)
            load.is_ending = True
            load.join()
            self.assertIsNone(load.failure)
            self.wait_for_equal(one, two)
            load.check(two, load.transactions, load.transactions)
        self.assertEqual(one.info()['sync_full'], '1')

    def test_a_replica_that_was_away_gets_what_it_missed(self):
        master, one = self.native_server()
        folder = self.folder()
        settings = {'narwhal_options': ['-v', f'{folder}:/data']}
        options = ('--dir', '/data', '--replicaof', f'{guest.HOST} {master.port}')
        replica, two = self.guest_server(*options, **settings)
        with WriteLoad(master.port, pause=0.01) as load:
            load.wait_for(50)
            two.wait_for_info(master_link_status='up', limit=60)
            # It saves where it stands, with the data.
            with self.assertRaises(ConnectionResetError):
                two('SHUTDOWN', 'SAVE')
            replica.guest.wait()
            self.assert_status(replica.guest, 0)
            load.wait_for(50)
            _, two = self.guest_server(*options, **settings)
            two.wait_for_info(master_link_status='up', limit=60)
        self.assertIsNone(load.failure)
        self.wait_for_equal(one, two)
        load.check(two, load.transactions, load.transactions)
        info = one.info()
        self.assertEqual((info['sync_full'], info['sync_partial_ok']), ('1', '1'))


if __name__ == '__main__':
    guest.main()
