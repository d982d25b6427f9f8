"""The engine as a process: how it starts, how it is told to end, and how it ends whatever happens."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import psutil

from ros_sam_core import __version__
from ros_sam_core.engine import API_VERSION
from ros_sam_core.engine.settings import EngineSettings
from ros_sam_core.errors import EngineStartFailed, RosSamError

log = logging.getLogger(__name__)

STDIN, STDOUT, STDERR = 0, 1, 2
SHORTEST_TOKEN = 32
LONGEST_LINE = 8192
GRACE_S = 5.0
"""What runs has this long to stop before the process ends all the same."""
LAST_WORDS_S = 1.0
LOG_BYTES, OLD_LOGS = 1_000_000, 3


def run_engine(settings: EngineSettings) -> int:
    """Serve until told to end, then end the process with code 0.

    Returns:
        The exit code of a bad start, 2.
    """
    stdout = _take_stdout()
    try:
        _set_up_log(settings.log)
        parent = _parent(settings.parent_pid)
        token = _token_from_file(settings.token_file) if settings.token_file else _token_from_stdin()
        bound = _bind(settings)
    except EngineStartFailed as error:
        announce_failure(error, stdout)
        return 2
    from ros_sam_core.engine.server import serve

    ready = {
        "event": "ready",
        "api": API_VERSION,
        "version": __version__,
        "host": settings.host,
        "port": bound.getsockname()[1],
        "pid": os.getpid(),
    }

    def watch(end: Callable[[str], None]) -> None:
        _announce(ready, stdout)
        log.info("ready on %s:%d, process %d", settings.host, ready["port"], os.getpid())
        if not settings.is_shared:
            _in_background("stdin", _wait_for_end_of_stdin, end)
        if parent is not None:
            _in_background("parent", _wait_for_end_of_process, end, parent)

    serve(settings, token, bound, watch, end_within)
    log.info("ended")
    logging.shutdown()
    # Nothing is left to be saved, and taking torch down in good order takes seconds.
    os._exit(0)


def announce_failure(error: RosSamError, stdout: int = STDOUT) -> None:
    """Tell the caller, on stdout, why the engine cannot start."""
    _announce({"event": "failed", "error": {"type": type(error).__name__, "message": str(error)}}, stdout)


def end_within(seconds: float = GRACE_S) -> None:
    """End the process after some seconds, whatever still runs in it."""

    def tell() -> None:
        log.warning("work did not stop within %g s; the process ends now", seconds)
        logging.shutdown()

    def end() -> None:
        # What hangs may be the log itself, on a disk that does not answer.
        telling = threading.Thread(target=tell, daemon=True)
        telling.start()
        telling.join(LAST_WORDS_S)
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _take_stdout() -> int:
    """Keep stdout for announcements: whatever else writes to it reaches stderr. Returns a descriptor."""
    kept = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    return kept


def _announce(message: dict[str, Any], stdout: int) -> None:
    try:
        os.write(stdout, (json.dumps(message) + "\n").encode())
    except OSError as error:
        log.warning("nobody reads stdout: %s", error)


def _set_up_log(path: Path | None) -> None:
    """Log to a file that is rotated, or warnings to stderr."""
    handler = logging.StreamHandler(sys.stderr) if path is None else _log_file(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    if path is not None:
        logging.getLogger("ros_sam_core").setLevel(logging.INFO)
    logging.captureWarnings(True)


def _log_file(path: Path) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=OLD_LOGS, encoding="utf-8")
        # Where the interpreter itself crashes, a file of its own says in which function: an open descriptor
        # of the log would keep Windows from rotating it.
        crash = path.with_name(f"{path.name}.crash")
        faulthandler.enable(os.open(crash, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600))
    except OSError as error:
        raise EngineStartFailed(f"--log {path}: the file cannot be written ({error})") from error
    return handler


def _token_from_stdin() -> str:
    """Read the line that hands the token over, byte by byte: what follows it stays unread."""
    line = b""
    while not line.endswith(b"\n") and len(line) < LONGEST_LINE:
        byte = os.read(STDIN, 1)
        if not byte:
            break
        line += byte
    try:
        token = json.loads(line)["token"]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineStartFailed(
            'the first line of stdin must be {"token": "…"}; or give --token-file'
        ) from error
    return _checked(token)


def _token_from_file(path: Path) -> str:
    try:
        return _checked(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise EngineStartFailed(f"--token-file {path}: cannot be read ({error})") from error


def _checked(token: Any) -> str:
    if not (
        isinstance(token, str) and len(token) >= SHORTEST_TOKEN and token.isascii() and token.isprintable()
    ):
        raise EngineStartFailed(f"the token must be text of {SHORTEST_TOKEN} ASCII characters or more")
    return token


def _bind(settings: EngineSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if settings.port and os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise EngineStartFailed(
            f"cannot listen on {settings.host}:{settings.port} ({error}); give another --port, or 0"
        ) from error
    return bound


def _parent(pid: int | None) -> psutil.Process | None:
    if pid is None:
        return None
    try:
        return psutil.Process(pid)
    except (psutil.NoSuchProcess, ValueError) as error:
        raise EngineStartFailed(f"--parent-pid {pid}: there is no such process") from error


def _in_background(name: str, target: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=target, args=args, name=name, daemon=True).start()


def _wait_for_end_of_stdin(end: Callable[[str], None]) -> None:
    try:
        while os.read(STDIN, 4096):
            pass
    except OSError as error:
        log.warning("stdin cannot be read: %s", error)
    end("stdin ended")


def _wait_for_end_of_process(end: Callable[[str], None], process: psutil.Process) -> None:
    pause = threading.Event()
    while _lives(process):
        pause.wait(1.0)
    end(f"process {process.pid} ended")


def _lives(process: psutil.Process) -> bool:
    """Say whether a process still runs; one whose number was given to another does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
