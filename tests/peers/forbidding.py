"""Runs a program to which the system refuses one call: forbidding.py CALL ERROR PROGRAM ARGUMENTS."""
import ctypes
import errno
import os
import platform
import struct
import sys

call, error, *program = sys.argv[1:]
numbers = {
    "x86_64": {"bind": 49, "sched_setaffinity": 203, "eventfd2": 290, "ptrace": 101, "seccomp": 317},
    "aarch64": {"bind": 200, "sched_setaffinity": 122, "eventfd2": 19, "ptrace": 117, "seccomp": 277},
}
number = numbers[platform.machine()][call]
# seccomp(2): the number of the call is the first word that a filter sees.
lines = [
    (0x20, 0, 0, 0),  # BPF_LD | BPF_W | BPF_ABS
    (0x15, 0, 1, number),  # BPF_JMP | BPF_JEQ | BPF_K
    (0x06, 0, 0, 0x00050000 | getattr(errno, error)),  # BPF_RET: SECCOMP_RET_ERRNO
    (0x06, 0, 0, 0x7FFF0000),  # BPF_RET: SECCOMP_RET_ALLOW
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


prctl = ctypes.CDLL(None, use_errno=True).prctl
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
given = Filter(len(lines), ctypes.addressof(code))
if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0):
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execv(program[0], program)
