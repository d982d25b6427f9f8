"""What a command tells its user, and with which exit code it ends."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import typer

from ros_sam_core.errors import RosSamError, RosSamWarning

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger(__name__)


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    OUR_FAULT = 1
    BAD_INPUT = 2
    SOME_FAILED = 3
    INTERRUPTED = 130


class Report:
    """Speaks to people, or with `--json` to machines.

    Results go to stdout; warnings, errors and the progress bar to stderr. A machine gets exactly one JSON
    object on stdout, whatever happens.

    Args:
        as_json: Whether stdout is for a machine.
        verbose: Whether the log is shown.
    """

    def __init__(self, *, as_json: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self.exit_code = ExitCode.DONE
        self._fields: dict[str, Any] = {}
        self._live: Console | None = None

    def put(self, **fields: Any) -> None:
        """Add fields to what the machine will read."""
        self._fields.update(fields)

    def say(self, line: str) -> None:
        """Print a line of the result for people."""
        if not self.as_json:
            typer.echo(line)

    def done(self, line: str) -> None:
        """Print a closing remark, unless nobody watches: a pipe gets results alone."""
        if sys.stdout.isatty() or self.verbose:
            self.say(line)

    def note(self, message: str) -> None:
        """Print what is worth knowing beside the result."""
        self._remark("note", "cyan", message)

    def warn(self, message: str) -> None:
        """Print what went wrong with a part of the work."""
        self._remark("warning", "yellow", message)

    def error(self, error: RosSamError) -> None:
        """Print why the work ended, and keep it for the machine."""
        message = "; ".join([str(error), *getattr(error, "__notes__", [])])
        self.put(error={"type": type(error).__name__, "message": message})
        self._remark("error", "red", message)

    def _remark(self, kind: str, colour: str, message: str) -> None:
        if self._live is None:
            typer.echo(f"{typer.style(f'{kind}:', fg=colour, bold=True)} {message}", err=True)
            return
        from rich.text import Text

        self._live.print(Text.assemble((f"{kind}:", f"bold {colour}"), " ", message))

    @contextmanager
    def progress(
        self, what: str, *, as_bytes: bool = False, unit: str | None = None
    ) -> Iterator[Callable[[int, int], None]]:
        """Show a bar on a terminal, nothing in a pipe; yield the callback `(done, total)` that moves it.

        Args:
            what: What is being done.
            as_bytes: Whether it counts bytes.
            unit: What it counts, to show how many of them are done in a second.
        """
        if not sys.stderr.isatty() or self.as_json:
            yield lambda done, total: None
            return
        from rich import progress as bars
        from rich.console import Console

        class _Rate(bars.ProgressColumn):
            def __init__(self, unit: str) -> None:
                super().__init__()
                self.unit = unit

            def render(self, task: bars.Task) -> str:
                speed = task.finished_speed or task.speed
                return "" if speed is None else f"{speed:.1f} {self.unit}/s"

        console = Console(stderr=True)
        amount = bars.DownloadColumn() if as_bytes else bars.MofNCompleteColumn()
        rate = [_Rate(unit)] if unit else []
        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            amount,
            *rate,
            bars.TextColumn("[dim]left"),
            bars.TimeRemainingColumn(),
        )
        with bars.Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            self._live = console
            try:
                yield lambda done, total: bar.update(task, completed=done, total=total or None)
            finally:
                self._live = None

    def close(self) -> None:
        """Print what the machine reads."""
        if self.as_json:
            typer.echo(json.dumps({**self._fields, "exit_code": int(self.exit_code)}, ensure_ascii=False))


@contextmanager
def reporting(*, as_json: bool = False, verbose: bool = False) -> Iterator[Report]:
    """Be a command's outermost edge: whatever ends its block becomes a message and an exit code.

    Raises:
        typer.Exit: Always, unless the work was done in full.
    """
    report = Report(as_json=as_json, verbose=verbose)
    logging.basicConfig(
        level=logging.INFO if verbose else logging.CRITICAL,
        format="%(levelname)s %(name)s: %(message)s",
        force=True,
    )
    try:
        with _warnings_to(report):
            yield report
    except RosSamError as error:
        if report.exit_code is ExitCode.DONE:
            report.exit_code = ExitCode.BAD_INPUT
        report.error(error)
        log.info("where it happened", exc_info=error)
    except KeyboardInterrupt as error:
        report.exit_code = ExitCode.INTERRUPTED
        report.put(interrupted=True)
        for note in getattr(error, "__notes__", []):
            report.warn(note)
    except (BrokenPipeError, typer.Exit):
        raise  # the reader of our output has gone, or the command has settled its exit itself
    except Exception as error:  # the outermost edge
        report.exit_code = ExitCode.OUR_FAULT
        report.put(error={"type": type(error).__name__, "message": str(error)})
        log.critical("this is a fault of ros-sam, please report it with these lines", exc_info=error)
    report.close()
    if report.exit_code is not ExitCode.DONE:
        raise typer.Exit(report.exit_code)


@contextmanager
def _warnings_to(report: Report) -> Iterator[None]:
    """Show this project's warnings as remarks, and other libraries' only to those who ask for more."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        report.warn(str(message))

    with warnings.catch_warnings():
        if not report.verbose:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", RosSamWarning)
        warnings.showwarning = show
        yield
