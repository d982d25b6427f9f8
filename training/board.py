"""What a run shows while it goes: a progress bar, a log, TensorBoard and overlays of fixed objects."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.run import Run, StepFigures

log = logging.getLogger(__name__)
LOG, TENSORBOARD, OVERLAYS = "log.jsonl", "tensorboard", "overlays"
"""What a run writes into its folder beside its checkpoints."""


def measured_at(folder: Path, step: int) -> dict[str, float] | None:
    """Return what a run's log says of the images set aside at a step, the last time; None: nothing.

    A line that is cut off, as a run that was killed may leave it, is passed over.
    """
    path = folder / LOG
    found = None
    for text in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and line.get("step") == step and "box" in line:
            found = line
    return found


class LogAboveBar(logging.StreamHandler):
    """Writes to the standard error of the moment: while a bar is shown, rich puts lines above it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.stream = sys.stderr
        super().emit(record)


class Board:
    """Shows a run's figures; in a process that is not the first one it does nothing.

    Args:
        run: The run, at the step from which it goes on.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.main = run.accelerator.is_main_process
        self.means: dict[str, float] = {}
        self.rate = math.nan
        self._started, self._first = time.monotonic(), run.step
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        self._progress = Progress(
            *columns,
            console=console,
            disable=not (self.main and console.is_terminal),
            speed_estimate_period=1800,  # seconds; a step of a large model may take a minute
        )
        self._task = self._progress.add_task("training", total=run.steps, completed=run.step)
        self._writer = None
        self._without: set[str] = set()

    def __enter__(self) -> Board:
        if self.main:
            from torch.utils.tensorboard import SummaryWriter

            with self._unless_refused(TENSORBOARD):
                self._writer = SummaryWriter(self.run.folder / TENSORBOARD, purge_step=self.run.step + 1)
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._writer is not None:
            with self._unless_refused(TENSORBOARD):
                self._writer.close()

    def step(self, figures: StepFigures, rates: tuple[float, float]) -> None:
        """Take up a step that was done, and tell of it now and then."""
        run = self.run
        told = {name: getattr(figures, name) for name in ("loss", "iou_box", "iou_click", "grad_norm")}
        for name, value in told.items():
            if math.isfinite(value):
                self.means[name] = 0.98 * self.means.get(name, value) + 0.02 * value
        self.rate = (run.step - self._first) * run.config.batch / (time.monotonic() - self._started)
        text = self.text()
        self._progress.update(self._task, completed=run.step, description=text)
        if self.main and (run.step % run.config.log_every == 0 or run.step == run.steps):
            values = {
                **self.means,
                "lr": rates[0],
                "lr_encoder": rates[1],
                "images_per_second": self.rate,
            }
            self.record(values)
            left = (run.steps - run.step) * run.config.batch / self.rate
            log.info("step %d of %d: %s, %.0f min left", run.step, run.steps, text, left / 60)

    def text(self) -> str:
        """Return the newest figures in one line."""
        parts = [f"loss {self.means.get('loss', math.nan):.3f}"]
        for name in ("box", "click"):
            if f"iou_{name}" in self.means:
                parts.append(f"IoU {name} {self.means[f'iou_{name}']:.3f}")
        return ", ".join([*parts, f"{self.rate:.1f} images/s"])

    def measured(self) -> bool:
        """Say whether the log tells what this step reaches on the images set aside."""
        return self.main and measured_at(self.run.folder, self.run.step) is not None

    def record(self, values: dict[str, float], group: str = "train") -> None:
        """Append figures to the run's log and to TensorBoard."""
        with self._unless_refused(LOG) as goes:
            if goes:
                with (self.run.folder / LOG).open("a") as file:
                    file.write(json.dumps({"step": self.run.step, **values}) + "\n")
        with self._unless_refused(TENSORBOARD) as goes:
            if goes and self._writer is not None:
                for name, value in values.items():
                    self._writer.add_scalar(f"{group}/{name}", value, self.run.step)

    def overlays(self, sheet: NDArray[np.uint8]) -> None:
        """Show outlines, in TensorBoard and as a PNG file."""
        with self._unless_refused(OVERLAYS) as goes:
            if goes:
                folder = self.run.folder / OVERLAYS
                folder.mkdir(exist_ok=True)
                Image.fromarray(sheet).save(folder / f"{self.run.step:07d}.png")
        with self._unless_refused(TENSORBOARD) as goes:
            if goes and self._writer is not None:
                self._writer.add_image("outlines", sheet, self.run.step, dataformats="HWC")

    @contextmanager
    def _unless_refused(self, what: str) -> Iterator[bool]:
        """Go on without a log that cannot be written, and say so once; only checkpoints stop the run."""
        try:
            yield self.main and what not in self._without
        except OSError as error:
            if what not in self._without:
                path = self.run.folder / what
                log.warning("%s cannot be written (%s); the run goes on without it", path, error)
            self._without.add(what)
