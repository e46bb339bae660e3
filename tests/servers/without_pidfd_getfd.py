#!/usr/bin/env python3
"""Becomes $NARWHAL_WRAPPED, with its arguments, and lets nobody from there on call pidfd_getfd(2): EPERM, which is
what containers' filters of system calls say."""

import ctypes
import os
import struct
import sys

PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7fff0000
SECCOMP_RET_ERRNO = 0x00050000
EPERM = 1
PIDFD_GETFD = 438
# linux/filter.h: code, jumps if true and false, operand.
FILTER = (
    (0x20, 0, 0, 0),  # load the system call's number
    (0x15, 0, 1, PIDFD_GETFD),  # equal?
    (0x06, 0, 0, SECCOMP_RET_ERRNO | EPERM),
    (0x06, 0, 0, SECCOMP_RET_ALLOW),
)


class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('instructions', ctypes.c_void_p)]


def main():
    instructions = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *one) for one in FILTER))
    program = Program(len(FILTER), ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0):
        sys.exit('prctl: ' + os.strerror(ctypes.get_errno()))
    os.execv(os.environ['NARWHAL_WRAPPED'], [os.environ['NARWHAL_WRAPPED'], *sys.argv[1:]])


main()
