"""Runs a program that may lock 64 KiB of memory, and has no right to lock more: without_locking.py PROGRAM ARGUMENTS."""
import ctypes
import os
import resource
import sys

PR_CAPBSET_DROP, CAP_IPC_LOCK = 24, 14
# Who has no such right to give up cannot give it up.
ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (64 * 1024, 64 * 1024))
os.execv(sys.argv[1], sys.argv[1:])
