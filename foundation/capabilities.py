"""Become an unprivileged user and still reach one's own files below a private home (Linux).

As root, the engines must run as somebody else, but the data folder and the virtual environment may lie below a 0700
folder such as /root. Opening that folder to everybody would be the wrong cure: the child keeps the one capability to
pass through folders, and nobody's permissions are changed.
"""

import ctypes
import os
import struct
from collections.abc import Sequence
from pathlib import Path

_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_DAC_OVERRIDE = 1
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}


def become(uid: int, gid: int, *, traverse: Sequence[Path]) -> None:
    """Change this process's user for good; keep the right to pass through folders only if it is needed.

    Call it between fork and exec.
    """
    blocked = not all(_reachable(path, uid, gid) for path in traverse)
    libc = ctypes.CDLL(None, use_errno=True)
    if blocked:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if blocked:
        _keep(libc, _DAC_OVERRIDE)


def _keep(libc: ctypes.CDLL, capability: int) -> None:
    bit = 1 << capability
    header = ctypes.create_string_buffer(struct.pack("II", _CAPABILITY_VERSION_3, 0))
    sets = ctypes.create_string_buffer(struct.pack("IIIIII", bit, bit, bit, 0, 0, 0))
    number = _SYS_CAPSET[os.uname().machine]
    if libc.syscall(number, header, sets) != 0 or libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot keep the right to pass through private folders")


def _reachable(path: Path, uid: int, gid: int) -> bool:
    """Whether every folder above a path, and the path itself, lets this user through."""
    for folder in [path, *path.parents]:
        status = folder.stat()
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
        if not status.st_mode >> shift & 1:
            return False
    return True
