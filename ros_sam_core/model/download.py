"""Fetch one large file: resumed, checked by its hash, and put in place in one step.

pooch checks hashes and moves files into place, but begins anew after each interruption; what it downloads
with is exchanged here for a downloader that goes on where the last one stopped.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pooch
import requests
import urllib3

from ros_sam_core.errors import Cancelled, DownloadCorrupt, DownloadFailed
from ros_sam_core.file_lock import lock_now

BLOCK_BYTES = 2**18
PARTIAL_SUFFIX, LOCK_SUFFIX = ".part", ".lock"
LOOK_S = 0.2
"""Pause of one who waits for another's download, seconds."""

Progress = Callable[[int, int], None]
Cancel = Callable[[], bool]


def fetch(
    url: str,
    target: Path,
    known_hash: str,
    *,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    attempts: int = 4,
    wait_s: float = 0.5,
) -> None:
    """Fetch a file unless it is there with the right hash.

    What has been fetched lies beside the target, with ".part" at its end, until it is complete. One process
    or thread at a time fetches it; the others wait and find the file, or go on where the first one stopped.

    Args:
        url: An http or https address.
        target: Where the file is to be; its folder is made if need be.
        known_hash: "sha256:…" or "md5:…".
        progress: Called with the bytes fetched, by whomever, and their final number (0: unknown).
        cancel: Asked between blocks, and while another fetches; True stops.
        attempts: Attempts in a row that bring no new byte before this gives up.
        wait_s: Pause before the second such attempt, seconds; it doubles each time.

    Raises:
        DownloadFailed: The server cannot be reached, refuses, or breaks off each time; or the file cannot be
            stored.
        DownloadCorrupt: The file's hash is another one.
        Cancelled: `cancel` said so.
    """
    partial = target.with_name(target.name + PARTIAL_SUFFIX)
    progress, cancel = progress or _no_progress, cancel or _never
    downloader = ResumingDownloader(partial, progress, cancel, attempts, wait_s)

    def wait() -> None:
        if cancel():
            raise Cancelled(f"the wait for {url}, which another process fetches, was stopped")
        progress(_size(partial), 0)
        time.sleep(LOOK_S)

    by_hand = f"fetch {url} elsewhere and put it at {target}"
    with _quiet_pooch():
        try:
            if _is_right(target, known_hash):
                return
            with _alone(target.with_name(target.name + LOCK_SUFFIX), wait):
                _retrieve(url, target, known_hash, downloader)
        except requests.RequestException as error:
            raise DownloadFailed(
                f"cannot fetch {url} ({_reason(error)}); try again later, or {by_hand}"
            ) from error
        except OSError as error:
            told = "the disk is full" if error.errno == errno.ENOSPC else str(error)
            raise DownloadFailed(
                f"cannot store {target} ({told}); "
                "make room, or set ROS_SAM_CACHE to a folder that can hold it"
            ) from error
        except ValueError as error:
            raise DownloadCorrupt(
                f"what {url} sent is not the published file (it should have {known_hash}) and was deleted; "
                f"a proxy or a sign-in page may stand between, so try again later, or {by_hand}"
            ) from error


def _is_right(target: Path, known_hash: str) -> bool:
    kind, _, digest = known_hash.partition(":")
    return target.is_file() and bool(pooch.file_hash(str(target), alg=kind) == digest)


@contextmanager
def _alone(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file, which is made and, in the end, removed; `wait` is called until it is free.

    Where the file system has no locks nobody waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while (file := _locked(path)) is None:
        wait()
    with file:
        try:
            yield
        finally:
            if os.name == "nt":
                file.close()  # a file that anyone has open, one who waits too, is not removed there
            with suppress(OSError):
                path.unlink()


def _locked(path: Path) -> BinaryIO | None:
    """Return the file, open and locked, or None where another holds it or has removed it meanwhile."""
    file = path.open("ab")
    try:
        lock_now(file)
        if os.name == "nt" or os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        return file
    file.close()
    return None


def _retrieve(url: str, target: Path, known_hash: str, downloader: ResumingDownloader) -> None:
    """Let pooch fetch, check and place the file; a resumed file that is wrong is fetched once more, whole."""
    arguments: dict[str, Any] = {"fname": target.name, "path": target.parent, "downloader": downloader}
    try:
        pooch.retrieve(url, known_hash, **arguments)
    except requests.RequestException:
        raise
    except ValueError:
        if not downloader.began_midway:
            raise
        pooch.retrieve(url, known_hash, **arguments)


@dataclass
class ResumingDownloader:
    """What pooch downloads with: goes on with a partial file, as often as the connection breaks.

    Attributes:
        partial: The file that grows; it survives failures and is moved away when complete.
        progress: Called with the bytes fetched and their final number (0: unknown).
        cancel: Asked between blocks.
        attempts: Attempts in a row without a new byte before the last error is raised.
        wait_s: First pause between such attempts, seconds.
        began_midway: Whether the latest file goes back to a partial file of an earlier call.
    """

    partial: Path
    progress: Progress
    cancel: Cancel
    attempts: int
    wait_s: float
    began_midway: bool = False

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Fetch `url` whole and put it at `output_file`."""
        self.began_midway = _size(self.partial) > 0
        fruitless = 0
        while True:
            before = _size(self.partial)
            try:
                self._fetch_rest(url)
                break
            except (requests.ConnectionError, requests.Timeout):
                fruitless = fruitless + 1 if _size(self.partial) <= before else 0
                if fruitless >= self.attempts:
                    raise
                time.sleep(self.wait_s * 2 ** max(0, fruitless - 1) if fruitless else 0)
        self.partial.replace(output_file)

    def _fetch_rest(self, url: str) -> None:
        """Ask once for what is missing; urllib3 raises where less comes than was promised."""
        have = _size(self.partial)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable and have:
                if response.headers.get("Content-Range") == f"bytes */{have}":
                    return  # all of it is here
                self.partial.unlink()
                raise requests.ConnectionError("the partial file does not fit the server's; it starts anew")
            response.raise_for_status()
            resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if response.status_code != requests.codes.partial_content or not resumed:
                have = 0  # the server sends the whole file, asked or not
            total = have + int(response.headers.get("Content-Length", 0))
            with self.partial.open("ab" if have else "wb") as file:
                for block in _blocks(response):
                    if self.cancel():
                        raise Cancelled(
                            f"download of {url} was stopped; {have} bytes are kept for the next time"
                        )
                    file.write(block)
                    have += len(block)
                    self.progress(have, max(total, have) if total else 0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives.

    requests' own iterator waits for whole blocks and loses the last one where the connection breaks.
    """
    try:
        while block := response.raw.read1(BLOCK_BYTES):
            yield block
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(str(error)) from error


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer in time"
    if isinstance(error.__cause__, urllib3.exceptions.ProtocolError):
        return "the connection breaks off each time"
    return "the server cannot be reached; is there internet?"


def _no_progress(_done: int, _total: int) -> None:
    pass


def _never() -> bool:
    return False


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Keep pooch from writing to stderr: what is to be said goes through `progress` and errors."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)
