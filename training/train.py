"""Train ROS-SAM at any size: `python -m training.train --config training/configs/tiny.toml`.

A run that was stopped or killed goes on when the same command is given again. With `--processes N` it runs in
N processes, one a GPU where there are GPUs; `accelerate launch -m training.train …` does the same.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType

import torch
from torch.utils.data import DataLoader, Subset

from ros_sam_core.errors import RosSamError
from training.board import Board, LogAboveBar
from training.configfile import load_config
from training.datasets import Batch, collate
from training.export import export
from training.optimise import learning_rates
from training.run import Run, micro_batch
from training.scenes import DatasetError
from training.sources import TrainingData, open_data
from training.validate import View, fixed_views, overlay_sheet, validate

log = logging.getLogger(__name__)
INTERRUPTED = 130


def _outlive_group(worker: int) -> None:
    """Ignore, in a data loader's process, what stops the whole group: the run needs it to its step's end."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)


def batches(run: Run, data: TrainingData) -> Generator[list[Batch]]:
    """Yield this process's share of each step that is left, in its accumulated parts."""
    workers = run.config.data.workers
    loader = DataLoader(
        Subset(data.samples, run.indices()),
        batch_size=run.micro_batch,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=collate,
        worker_init_fn=_outlive_group,
        pin_memory=run.accelerator.device.type == "cuda",
    )
    parts: list[Batch] = []
    try:
        for part in loader:
            parts.append(part)
            if len(parts) == run.config.accumulate:
                yield parts
                parts = []
    except Exception as error:
        # Its frames hold the loader's processes, which outlive what would end them: the exit would wait.
        traceback.clear_frames(error.__traceback__)
        if isinstance(error, DatasetError):  # in a process's, the process's own traceback goes before
            raise DatasetError(str(error).rpartition("DatasetError: ")[2].strip()) from None
        raise


def fit(run: Run, data: TrainingData, stop: Callable[[], bool] = lambda: False) -> bool:
    """Train to the last step, saving and validating on the way.

    Args:
        run: The run, resumed or new.
        data: What it reads.
        stop: Asked after every step whether to save and leave; True in one process stops all.

    Returns:
        Whether the last step was done.

    Raises:
        LossNotFinite: A loss or gradient is not finite.
        CheckpointNotSaved: The disk is full.
    """
    config = run.config
    save_every = config.save_every or run.epoch_steps
    validate_every = config.validate_every or run.epoch_steps
    shown = fixed_views(data.aside, config.model.crop, config.model.input_px)
    with Board(run) as board, closing(batches(run, data)) as steps:
        # Killed between its last checkpoint and the look at it, a run has no step left to do.
        if data.aside and run.step >= run.steps and not run.any_process(board.measured()):
            look(run, data, shown, board)
        for parts in steps:
            rates = learning_rates(run.step, config, run.steps, run.epoch_steps)
            board.step(run.train_step(parts), rates)
            last = run.step == run.steps
            left = run.any_process(stop())
            if last or left or run.step % save_every == 0:
                run.save()
            if data.aside and (last or run.step % validate_every == 0):
                look(run, data, shown, board)
            if left and not last:
                log.info("stopped at step %d of %d; the same command goes on", run.step, run.steps)
                return False
    return True


def look(run: Run, data: TrainingData, shown: Sequence[View], board: Board) -> None:
    """Measure the averaged weights on the images set aside; of several processes the first one does."""
    if board.main:
        with run.average.applied():
            figures = validate(run.model, data.aside)
            if shown:
                board.overlays(overlay_sheet(run.model, shown))
        board.record(figures, "aside")
        log.info("step %d, set aside: %s", run.step, figures)
    run.accelerator.wait_for_everyone()


class StopRequest:
    """Whether somebody asked to stop: by Ctrl-C, by SIGTERM, or because the time is up.

    Args:
        minutes: Minutes after which to stop; None: never.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self.asked = False
        self._owner = os.getpid()
        self._end = None if minutes is None else time.monotonic() + 60 * minutes
        self._before = {name: signal.signal(name, self._ask) for name in (signal.SIGINT, signal.SIGTERM)}

    def __enter__(self) -> StopRequest:
        return self

    def __exit__(self, *error: object) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:  # a process that was forked meanwhile: its parent ends it
            if number == signal.SIGTERM:
                os._exit(0)
            return
        if self.asked:  # a second Ctrl-C does not wait for the step's end
            raise KeyboardInterrupt
        self.asked = True
        log.info("stopping after this step; press Ctrl-C again to stop at once")

    @property
    def minutes_left(self) -> float | None:
        """How many minutes are left; None where there is no end."""
        return None if self._end is None else max(0.0, (self._end - time.monotonic()) / 60)

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.asked or (self._end is not None and time.monotonic() >= self._end)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, required=True, help="TOML file, or a run's config.json; see training/configs"
    )
    parser.add_argument("--output", help="folder of checkpoints and logs, in place of the configuration's")
    parser.add_argument("--base", help="weights to start from: a model's name, or a checkpoint")
    parser.add_argument("--steps", type=int, help="optimiser steps in all; in place of epochs too")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="replace any field, as in tune.rank=32; may be repeated",
    )
    parser.add_argument("--processes", type=int, default=1, help="processes, one a GPU")
    parser.add_argument("--threads", type=int, help="CPU threads of a process")
    parser.add_argument("--budget-minutes", type=float, help="save and stop after this time")
    parser.add_argument("--export-only", action="store_true", help="write the newest weights and stop")
    return parser.parse_args(arguments)


def in_processes(count: int, arguments: list[str]) -> int:
    """Start this command in several processes that train together, with torch's own launcher."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    threads = max(1, (os.cpu_count() or 1) // count)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        torchrun(["--standalone", f"--nproc-per-node={count}", "-m", "training.train", *arguments])
    except ChildFailedError as error:  # the process has told why
        return max(error.get_first_failure()[1].exitcode, 1)
    except SignalException:  # Ctrl-C or SIGTERM; the processes had it too
        log.info("stopped; the same command goes on from the last checkpoint")
        return INTERRUPTED
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = parse(arguments)
    first = os.environ.get("RANK", "0") == "0"
    level = logging.INFO if first else logging.WARNING
    logging.basicConfig(
        level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=[LogAboveBar()]
    )
    # Attention's gradients are full of numbers next to zero, which processors multiply many times slower.
    # Threads of a pool take this over from the one that starts it: it has to be said before the first step.
    torch.set_flush_denormal(True)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        config = load_config(
            options.config,
            options.set,
            output=options.output,
            base=options.base,
            steps=options.steps,
            epochs=None if options.steps is None else 0.0,
        )
        micro_batch(config, options.processes)  # before the data are opened, which may take long
        if options.processes > 1 and "LOCAL_RANK" not in os.environ:
            return in_processes(options.processes, sys.argv[1:] if arguments is None else arguments)
        data = open_data(config)
        run = Run(config, data.images)
        run.resume()
        with StopRequest(options.budget_minutes) as stop:
            finished = options.export_only or fit(run, data, stop)
        if finished and run.accelerator.is_main_process:
            log.info("wrote %s", ", ".join(map(str, export(run))))
        run.end()
    except RosSamError as error:
        log.error("%s", error)
        return 2
    except KeyboardInterrupt:
        log.error("stopped; the same command goes on from the last checkpoint")
        return INTERRUPTED
    return 0 if finished else INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
