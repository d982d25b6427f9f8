"""An exclusive lock on an open file, which the system takes back however its holder ends."""

from __future__ import annotations

from typing import BinaryIO

_FAR = 2**40
"""Windows keeps others from what is locked, so a byte is that no file reaches."""


def lock_now(file: BinaryIO) -> None:
    """Keep all others that ask for the lock off, until the file is closed or the process ends in any way.

    Raises:
        BlockingIOError: Another holds the lock.
        OSError: There are no locks where the file is.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        before = file.tell()
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
        finally:
            file.seek(before)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
