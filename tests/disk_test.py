#!/usr/bin/env python3
"""Files of this machine as disks of the guest (--disk): what stock programs write there is on this side afterwards."""

import hashlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile

from tests import guest

BUSYBOX = '/bin/busybox'
PYTHON = '/usr/bin/python3'
MIB = 1 << 20
FILE_SYSTEM_TOOLS = ['/usr/sbin/mke2fs', '/usr/sbin/e2fsck', '/usr/sbin/debugfs']

# Writes of all kinds at random places, held against a copy in memory; then everything is read again, past the cache too.
RANDOM_WRITES = '''
import fcntl, hashlib, mmap, os, random, sys
seed, size = 7, os.lseek(os.open('/dev/vda', os.O_RDONLY), 0, os.SEEK_END)
chance = random.Random(seed)
copy = bytearray(size)
cached = os.open('/dev/vda', os.O_RDWR)
direct = os.open('/dev/vda', os.O_RDWR | os.O_DIRECT)
pages = mmap.mmap(cached, size)
block = mmap.mmap(-1, 65536)
for step in range(400):
    kind = chance.choice(['write', 'map', 'direct', 'sync'])
    length = chance.randrange(1, 30000)
    at = chance.randrange(0, size - length)
    data = chance.randbytes(length)
    if kind == 'write':
        assert os.pwrite(cached, data, at) == length
    elif kind == 'map':
        pages[at:at + length] = data
    elif kind == 'direct':
        at, length = at // 512 * 512, (length + 511) // 512 * 512
        length = min(length, size - at)
        data = chance.randbytes(length)
        block[:length] = data
        assert os.pwritev(direct, [memoryview(block)[:length]], at) == length
    else:
        os.fdatasync(cached)
        continue
    copy[at:at + length] = data
    # Each way of reading sees it at once.
    if step % 3 == 0:
        assert os.pread(cached, length, at) == data
    elif step % 3 == 1:
        assert pages[at:at + length] == data
    else:
        start = at // 512 * 512
        got = os.preadv(direct, [memoryview(block)[:(at + length - start + 511) // 512 * 512]], start)
        assert block[at - start:at - start + length] == data, (kind, got)
pages.flush()
fcntl.ioctl(cached, 0x1261)
assert os.pread(cached, size, 0) == copy
print(hashlib.sha256(copy).hexdigest(), flush=True)
'''

# More than the guest's memory, through the cache and through a mapping.
MORE_THAN_MEMORY = '''
import mmap, os, struct
fd = os.open('/dev/vda', os.O_RDWR)
size = os.lseek(fd, 0, os.SEEK_END)
chunk = 1 << 20
def content(at):
    return struct.pack('<Q', at) * (chunk // 8)
for at in range(0, size, chunk):
    assert os.pwrite(fd, content(at), at) == chunk
pages = mmap.mmap(fd, size)
for at in range(0, size, chunk):
    assert pages[at:at + chunk] == content(at), at
for at in range(0, size, 4096):
    pages[at:at + 8] = struct.pack('<Q', at + 1)
os.fsync(fd)
for at in range(0, size, 4096):
    assert struct.unpack('<Q', os.pread(fd, 8, at))[0] == at + 1
print('all', flush=True)
'''


# What block devices answer. A Linux guest (narwhal run --linux, 6.1) answers the same of the same disk of 4 MiB, but for
# the file system that it knows.
QUESTIONS = '''
import ctypes, errno, fcntl, mmap, os, struct
libc = ctypes.CDLL(None, use_errno=True)
def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
fd, reader = os.open('/dev/vda', os.O_RDWR), os.open('/dev/vda', os.O_RDONLY)
direct = os.open('/dev/vda', os.O_RDWR | os.O_DIRECT)
def ask(command, form, *values, of=fd):
    data = bytearray(struct.pack(form, *values) if values else struct.calcsize(form))
    fcntl.ioctl(of, command, data)
    return struct.unpack(form, data)
def allocate(mode, at, size):
    failed = libc.fallocate(fd, mode, ctypes.c_long(at), ctypes.c_long(size))
    return errno.errorcode[ctypes.get_errno()] if failed else 0
size = 4 << 20
for command, form in ((0x125e, 'i'), (0x1260, 'Q'), (0x80081272, 'Q'), (0x1268, 'i'), (0x127b, 'I'), (0x80081270, 'i'),
                      (0x1278, 'I'), (0x1279, 'I'), (0x127a, 'i'), (0x127e, 'H'), (0x127c, 'I')):
    print(*ask(command, form), end=' ')
print(*(outcome(fcntl.ioctl, fd, command, 0) for command in (0x1261, 0x125f)))
for command in (0x1277, 0x127f):
    print(*(outcome(ask, command, 'QQ', at, length) for at, length in
            ((512, 512), (100, 512), (0, 0), (size, 512), (size - 512, 1024), (2**64 - 512, 1024))),
          outcome(lambda: ask(command, 'QQ', 0, 4096, of=reader)))
print(*(outcome(os.lseek, fd, at, whence) for whence in (0, 2, 3) for at in (0, -1, 5, size, size + 1)))
for mode in (0, 1, 2, 3, 8, 16, 17):
    print(*(allocate(mode, at, length) for at, length in ((4096, 4096), (100, 4096), (size, 4096), (size - 4096, 8192))))
print(outcome(os.ftruncate, fd, 100), outcome(os.truncate, '/dev/vda', 100))
memory = memoryview(mmap.mmap(-1, 16384))
for at, start, length in ((0, 0, 512), (100, 0, 512), (0, 0, 100), (0, 100, 512), (size, 0, 100), (size - 512, 0, 1024),
                          (100, 0, 0)):
    print(outcome(os.preadv, direct, [memory[start:start + length]], at),
          outcome(os.pwritev, direct, [memory[start:start + length]], at), end=' ')
print(outcome(os.pwrite, fd, b'', size), outcome(os.pwrite, fd, b'xxxx', size - 2))
exclusive = os.open('/dev/vda', os.O_RDWR | os.O_EXCL)
print(outcome(os.open, '/dev/vda', os.O_RDONLY | os.O_EXCL), outcome(os.open, '/dev/vda', os.O_CREAT | os.O_EXCL),
      outcome(fcntl.fcntl, fd, fcntl.F_SETFL, os.O_DIRECT), outcome(fcntl.fcntl, fd, fcntl.F_SETFL, 0))
ask(0x125d, 'i', 1)
print(outcome(os.pwrite, fd, b'x', 0), outcome(os.pwrite, fd, b'', 0), outcome(mmap.mmap, fd, 4096),
      outcome(ask, 0x1277, 'QQ', 0, 4096), allocate(3, 0, 4096), len(mmap.mmap(reader, 4096, prot=mmap.PROT_READ)))
ask(0x125d, 'i', 0)
if os.fork() == 0:
    os.setuid(1234)
    print(*(outcome(fcntl.ioctl, fd, command, 64) for command in (0x1261, 0x125f, 0x1262)),
          outcome(ask, 0x125d, 'i', 0), flush=True)
    os._exit(0)
os.wait()
for kind in (b'ext4', b'nosuch'):
    libc.mount(b'/dev/vda', b'/tmp', kind, 0, None)
    print(errno.errorcode[ctypes.get_errno()])
'''
ANSWERS = '''0 8192 4194304 512 512 4096 512 0 0 1 0 0 0
(512, 512) EINVAL EINVAL EINVAL EINVAL EINVAL EBADF
(512, 512) EINVAL EINVAL EINVAL EINVAL EINVAL EBADF
0 EINVAL 5 4194304 EINVAL 4194304 4194303 EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL
ENOTSUP EINVAL EINVAL EINVAL
ENOTSUP EINVAL EINVAL ENOTSUP
ENOTSUP ENOTSUP ENOTSUP ENOTSUP
0 EINVAL EINVAL 0
ENOTSUP ENOTSUP ENOTSUP ENOTSUP
0 EINVAL EINVAL EINVAL
0 EINVAL EINVAL 0
EINVAL EINVAL
512 512 EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL 0 ENOSPC 512 512 0 0 0 2
EBUSY EEXIST 0 0
EPERM EPERM EINVAL EPERM EPERM 4096
EACCES EACCES EACCES EACCES
ENODEV
ENODEV
'''

TOGETHER = '''
import os
size = 3 << 20
def write(letter, at):
    fd = os.open('/dev/vda', os.O_RDWR)
    for start in range(at, size, 4096):
        assert os.pwrite(fd, letter * 2048, start) == 2048
    os._exit(0)
def sync():
    fd = os.open('/dev/vda', os.O_RDWR)
    for i in range(50):
        os.fsync(fd)
    os._exit(0)
for child in (lambda: write(b'a', 0), lambda: write(b'b', 2048), sync):
    if os.fork() == 0:
        child()
for i in range(3):
    assert os.wait()[1] == 0
content = os.pread(os.open('/dev/vda', os.O_RDONLY), size, 0)
print('same' if content == (b'a' * 2048 + b'b' * 2048) * 768 else 'different', flush=True)
'''

FAILING_WRITES = '''
import errno, os
def outcome(call, *arguments):
    try:
        call(*arguments)
        return 'done'
    except OSError as error:
        return errno.errorcode[error.errno]
first, second = (os.open('/dev/vda', os.O_RDWR) for i in range(2))
bad, good = 350 << 20, 100 << 20
print(outcome(os.pwrite, first, b'x' * 4096, bad), outcome(os.pwrite, first, b'y' * 4096, good))
print(*(outcome(os.fsync, fd) for fd in (first, first, second, second)))
late = os.open('/dev/vda', os.O_RDWR)
print(outcome(os.fsync, late), os.pread(late, 1, bad), os.pread(late, 1, good))
print(outcome(os.pwrite, os.open('/dev/vda', os.O_RDWR | os.O_SYNC), b'z', bad))
print(outcome(os.pwritev, os.open('/dev/vda', os.O_RDWR | os.O_DIRECT), [__import__('mmap').mmap(-1, 4096)], bad))
print(outcome(os.fsync, late), outcome(os.fsync, late))
'''
# The last but two is of the write before it, which failed when it was written back.
WRITES_FAILED = '''done done
EIO done EIO done
done b'x' b'y'
EIO
EIO
EIO done
'''


def limit_files(most):
    """A wrapper for commands whose files, and their children's, cannot grow beyond `most` bytes."""
    script = ('import os, resource, signal, sys\n'
              'signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n'
              f'resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))\n'
              'os.execvp(sys.argv[1], sys.argv[1:])')
    return lambda command: [PYTHON, '-c', script, *command]


class Disk(guest.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def make_disk(self, size, name='disk.img'):
        path = self.folder / name
        with open(path, 'wb') as file:
            file.truncate(size)
        return path

    def run_with(self, disks, *command, options=(), **more):
        words = [word for disk in disks for word in ('--disk', str(disk))]
        return self.run_guest(*command, options=[*words, *options], **more)

    def shell(self, script, *disks, options=(), **more):
        return self.run_with(disks, BUSYBOX, 'sh', '-c', script, options=options, **more)

    def test_what_is_written_is_in_the_file(self):
        disk = self.make_disk(4 * MIB)
        run = self.shell('seq 100000 | dd of=/dev/vda bs=4k conv=fsync 2>/dev/null; head -c 6 /dev/vda', disk)
        self.assert_output(run, '1\n2\n3\n')
        text = ''.join(f'{n}\n' for n in range(1, 100001)).encode()
        self.assertEqual(disk.read_bytes()[:len(text)], text)
        self.assertEqual(disk.stat().st_size, 4 * MIB)

    def test_the_end_of_the_guest_writes_what_nobody_synced(self):
        disk = self.make_disk(MIB)
        self.assert_output(self.run_with([disk], PYTHON, '-c', '''
import mmap, os
fd = os.open('/dev/vda', os.O_RDWR)
os.pwrite(fd, b'written', 100000)
mmap.mmap(fd, 1 << 20)[200000:200006] = b'mapped'
os._exit(0)
'''), '')
        content = disk.read_bytes()
        self.assertEqual((content[100000:100007], content[200000:200006]), (b'written', b'mapped'))

    def test_several_disks_in_order(self):
        disks = [self.make_disk((i + 1) * MIB, f'{i}.img') for i in range(3)]
        for i, disk in enumerate(disks):
            with open(disk, 'r+b') as file:
                file.write(f'disk {i}\n'.encode())
        self.assert_output(self.shell('for d in a b c; do head -c 7 /dev/vd$d; blockdev --getsize64 /dev/vd$d; done; '
                                      'cp /dev/vda /dev/vdb 2>/dev/null; stat -c "%t %T" /dev/vdc', *disks),
                           'disk 0\n1048576\ndisk 1\n2097152\ndisk 2\n3145728\nfe 20\n')
        self.assertEqual(disks[1].read_bytes()[:MIB], disks[0].read_bytes())

    def test_many_disks_and_folders(self):
        disks = [self.make_disk(MIB, f'{i}.img') for i in range(9)]
        self.assert_output(self.shell('ls /dev/vd* | wc -l; echo last >/dev/vdi; cat /data/0.img | wc -c', *disks,
                                      options=['-v', f'{self.folder}:/data']), f'9\n{MIB}\n')
        self.assertEqual(disks[8].read_bytes()[:5], b'last\n')

    def test_a_disk_that_may_not_be_written(self):
        disk = self.make_disk(MIB)
        disk.chmod(0o444)
        run = self.shell('echo x >/dev/vda || echo refused; blockdev --getro /dev/vda; '
                         'dd if=/dev/zero of=/dev/vda bs=512 count=1 oflag=direct 2>&1 | head -n1', f'{disk}:ro')
        self.assertEqual(run.status, 0, run.stderr)
        self.assertIn('refused\n1\n', run.stdout)
        self.assertIn('Operation not permitted', run.stdout + run.stderr)
        self.assertEqual(disk.read_bytes(), bytes(MIB))

    def test_a_disk_that_is_full(self):
        disk = self.make_disk(MIB + 512)
        run = self.run_with([disk], PYTHON, '-c', '''
import errno, os
for flags in (0, os.O_SYNC):
    fd = os.open('/dev/vda', os.O_RDWR | flags)
    print(os.pwrite(fd, b'x' * 4096, (1 << 20) - 100))
    try:
        os.pwrite(fd, b'x', (1 << 20) + 512)
    except OSError as error:
        print(errno.errorcode[error.errno])
    print(os.pread(fd, 10, (1 << 20) + 510), os.pread(fd, 10, (1 << 20) + 512))
''')
        self.assert_output(run, "612\nENOSPC\nb'xx' b''\n" * 2)
        self.assertEqual(disk.read_bytes()[MIB - 100:], b'x' * 612)

    def test_random_writes_of_all_kinds(self):
        disk = self.make_disk(3 * MIB + 1536)
        run = self.run_with([disk], PYTHON, '-c', RANDOM_WRITES)
        self.assert_output(run, hashlib.sha256(disk.read_bytes()).hexdigest() + '\n')

    def test_several_processors(self):
        disk = self.make_disk(3 * MIB)
        # Two writers of halves of each page, and one who syncs.
        run = self.run_with([disk], PYTHON, '-c', TOGETHER, options=['--cpus', '2'])
        self.assert_output(run, 'same\n')
        self.assertEqual(disk.read_bytes(), (b'a' * 2048 + b'b' * 2048) * 768)

    def test_a_guest_that_is_killed_loses_what_was_not_synced_at_most(self):
        disk = self.make_disk(MIB)
        run = self.start_guest(PYTHON, '-c', '''
import os, sys
fd = os.open('/dev/vda', os.O_RDWR)
os.pwrite(fd, b'synced', 4096)
os.fsync(fd)
os.pwrite(os.open('/dev/vda', os.O_RDWR | os.O_DSYNC), b'waited', 8192)
os.pwrite(fd, b'later', 12288)
print('up', flush=True)
sys.stdin.read()
''', options=['--disk', str(disk)], stdin=None)
        run.wait_for_output('up')
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        content = disk.read_bytes()
        self.assertEqual((content[4096:4102], content[8192:8198]), (b'synced', b'waited'))
        self.assertIn(content[12288:12293], (bytes(5), b'later'))

    def test_a_disk_larger_than_memory(self):
        disk = self.make_disk(160 * MIB)
        self.assert_output(self.run_with([disk], PYTHON, '-c', MORE_THAN_MEMORY, memory='96M'), 'all\n')
        content = disk.read_bytes()
        for at in random.Random(1).sample(range(0, len(content), 4096), 200):
            self.assertEqual(int.from_bytes(content[at:at + 8], 'little'), at + 1)

    def test_a_file_system_that_the_guest_makes(self):
        if not all(map(os.path.exists, FILE_SYSTEM_TOOLS)):
            self.skipTest('e2fsprogs is not installed')
        disk = self.make_disk(16 * MIB)
        included = [word for tool in [*FILE_SYSTEM_TOOLS, '/etc/mke2fs.conf'] for word in ('--include', tool)]
        run = self.shell('/usr/sbin/mke2fs -q -t ext4 /dev/vda && seq 20000 >/numbers && '
                         '/usr/sbin/debugfs -w -R "write /numbers numbers" /dev/vda >/dev/null 2>&1; '
                         '/usr/sbin/e2fsck -fn /dev/vda >/dev/null 2>&1 && echo clean; '
                         'mkdir /mnt; mount -t ext4 /dev/vda /mnt 2>/dev/null || echo no file system',
                         disk, options=included)
        self.assert_output(run, 'clean\nno file system\n')
        subprocess.run([shutil.which('e2fsck') or FILE_SYSTEM_TOOLS[1], '-fn', disk], check=True, capture_output=True)
        content = subprocess.run([shutil.which('debugfs') or FILE_SYSTEM_TOOLS[2], '-R', 'cat numbers', disk], check=True,
                                 capture_output=True).stdout
        self.assertEqual(content, ''.join(f'{n}\n' for n in range(1, 20001)).encode())

    def test_what_a_disk_answers(self):
        self.assert_output(self.run_with([self.make_disk(4 * MIB)], PYTHON, '-u', '-c', QUESTIONS), ANSWERS)

    def test_what_the_kernel_says_of_disks(self):
        disk, other = self.make_disk(4 * MIB, 'data.img'), self.make_disk(2 * MIB, 'b c.img')
        run = self.shell('cd /sys/block/vda; cat dev size ro queue/logical_block_size queue/rotational serial; echo; '
                         'cat /sys/class/block/vdb/size /sys/dev/block/254:16/ro; grep vd /proc/partitions; '
                         'dd if=/dev/vda of=/dev/null bs=1M count=1 2>/dev/null; '
                         'read reads merged sectors rest <stat; echo $sectors; grep -c " vd[ab] " /proc/diskstats; '
                         'grep virtblk /proc/devices; ls /dev/disk/by-id; readlink -f /dev/disk/by-id/virtio-data.img',
                         disk, f'{other}:ro')
        self.assert_output(run, '254:0\n8192\n0\n512\n1\ndata.img\n4096\n1\n 254        0       4096 vda\n'
                                ' 254       16       2048 vdb\n2048\n2\n254 virtblk\nvirtio-b_c.img\n'
                                'virtio-data.img\n/dev/vda\n')

    def test_one_writer_at_a_time(self):
        disk = self.make_disk(MIB)
        holder = self.start_guest(BUSYBOX, 'sh', '-c', 'echo up; cat', options=['--disk', str(disk)], stdin=None)
        holder.wait_for_output('up')
        for how in ('', ':ro'):
            run = self.run_with([f'{disk}{how}'], BUSYBOX, 'true')
            self.assertEqual(run.status, 125)
            self.assertIn('in use', run.stderr)
        holder.close_stdin()
        holder.wait()
        reader = self.start_guest(BUSYBOX, 'sh', '-c', 'echo up; cat', options=['--disk', f'{disk}:ro'], stdin=None)
        reader.wait_for_output('up')
        self.assert_output(self.run_with([f'{disk}:ro'], BUSYBOX, 'echo', 'too'), 'too\n')
        reader.close_stdin()
        reader.wait()

    def test_what_is_no_disk_is_said(self):
        empty, odd = self.make_disk(0, 'empty'), self.make_disk(1000, 'odd')
        for path, words in ((self.folder / 'none', 'no such file'), (self.folder, 'a folder'), (empty, 'empty'),
                            (odd, 'no multiple of 512'), ('/dev/null', 'neither a file nor a block device')):
            run = self.run_with([path], BUSYBOX, 'true')
            self.assertEqual(run.status, 125)
            self.assertIn(f'narwhal: --disk {path}: ', run.stderr)
            self.assertIn(words, run.stderr)

    def test_what_the_host_cannot_write_is_an_error_once_for_each_opener(self):
        # Beyond the limit the file on this side takes no more.
        disk = self.make_disk(400 * MIB)
        run = self.run_with([disk], PYTHON, '-c', FAILING_WRITES, memory='128M', wrapper=limit_files(300 * MIB))
        self.assertEqual(run.stdout, WRITES_FAILED)
        self.assertEqual(run.status, 0, run.stderr)


if __name__ == '__main__':
    guest.main()
