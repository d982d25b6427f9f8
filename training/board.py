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


def measured_at(folder: Path, step: int) -> dict[str, float] | None:
    """Return what a run's log says of the images set aside at a step, the last time; None: nothing.

    A line that is cut off, as a run that was killed may leave it, is passed over.
    """
    path = folder / "log.jsonl"
    found = None
    for text in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line["step"] == step and "box" in line:
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
        self._full = False

    def __enter__(self) -> Board:
        if self.main:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self.run.folder / "tensorboard", purge_step=self.run.step + 1)
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._progress.stop()
        if self._writer is not None:
            with self._if_there_is_room():
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
        with self._if_there_is_room() as there_is:
            if there_is:
                with (self.run.folder / "log.jsonl").open("a") as file:
                    file.write(json.dumps({"step": self.run.step, **values}) + "\n")
                if self._writer is not None:
                    for name, value in values.items():
                        self._writer.add_scalar(f"{group}/{name}", value, self.run.step)

    def overlays(self, sheet: NDArray[np.uint8]) -> None:
        """Show outlines, in TensorBoard and as a PNG file."""
        with self._if_there_is_room() as there_is:
            if there_is:
                folder = self.run.folder / "overlays"
                folder.mkdir(exist_ok=True)
                Image.fromarray(sheet).save(folder / f"{self.run.step:07d}.png")
                if self._writer is not None:
                    self._writer.add_image("outlines", sheet, self.run.step, dataformats="HWC")

    @contextmanager
    def _if_there_is_room(self) -> Iterator[bool]:
        """Go on without logs when they cannot be written, and say so once; checkpoints stop the run."""
        try:
            yield self.main and not self._full
        except OSError as error:
            self._full = True
            log.warning("cannot write logs to %s any more (%s); the run goes on", self.run.folder, error)
