"""Draw what a model will be trained on: `python -m training.preview --config run.toml -o preview`.

One sheet a batch: each image as the model gets it, the outline of each prompted mask, its box, its clicks
(green on the object, red beside it), and where it is from. The samples are those that the run of this
configuration draws, number by number.
"""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Subset

from ros_sam_core.errors import RosSamError
from training.config import TrainConfig
from training.configfile import load_config
from training.datasets import Batch, collate
from training.drawing import Marked, draw_marks, sheet
from training.release_writer import write_bytes
from training.sources import open_data

log = logging.getLogger(__name__)
TILE_PX = 384
"""Side of an image on a sheet, about."""


def marks_of(batch: Batch) -> Iterator[tuple[NDArray[np.uint8], list[Marked], str]]:
    """Yield each image of a batch, uint8 [S, S, 3], with its prompts; those of one mask are put together."""
    start = 0
    for image, count, name in zip(batch.images, batch.counts, batch.names, strict=True):
        marks: list[Marked] = []
        for i in range(start, start + count):
            mask = (batch.targets[i] > 127).numpy()
            box = None if torch.isnan(batch.boxes[i]).any() else tuple(batch.boxes[i].tolist())
            clicked = [(p, int(v)) for p, v in zip(batch.points[i], batch.labels[i], strict=True) if v >= 0]
            points = tuple((float(x), float(y)) for (x, y), _ in clicked)
            mark = Marked(mask, box, points, tuple(v for _, v in clicked))
            same = [j for j, other in enumerate(marks) if np.array_equal(other.mask, mask)]
            if same:
                old = marks[same[0]]
                marks[same[0]] = Marked(mask, old.box or box, old.points + points, old.labels + mark.labels)
            else:
                marks.append(mark)
        start += count
        yield image.permute(1, 2, 0).numpy(), marks, name


def draw_batch(batch: Batch) -> Image.Image:
    """Draw a batch on one sheet."""
    tiles, captions = [], []
    for rgb, marks, name in marks_of(batch):
        zoom = max(1, round(TILE_PX / len(rgb)))
        tile = draw_marks(rgb, marks, zoom)
        if len(tile) > 1.5 * TILE_PX:
            tile = np.array(Image.fromarray(tile).resize((TILE_PX, TILE_PX), Image.Resampling.BOX))
        tiles.append(tile)
        captions.append(f"{name}: {len(marks) or 'no'} object{'s' * (len(marks) != 1)}")
    return sheet(tiles, captions)


def preview(config: TrainConfig, output: Path, batches: int = 1, start: int = 0) -> list[Path]:
    """Draw the batches that a run begins with.

    Args:
        config: The run's configuration.
        output: Folder of the sheets.
        batches: How many are drawn.
        start: Number of the first one.

    Returns:
        The sheets' files.

    Raises:
        DatasetError: The data cannot be read.
    """
    data = open_data(config)
    indices = range(start * config.batch, (start + batches) * config.batch)
    loader = DataLoader(
        Subset(data.samples, indices),
        batch_size=config.batch,
        num_workers=config.data.workers,
        collate_fn=collate,
    )
    output.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, batch in enumerate(loader, start=start):
        path = output / f"batch-{number:06d}.png"
        buffer = io.BytesIO()
        draw_batch(batch).save(buffer, "PNG")
        write_bytes(path, buffer.getvalue())
        paths.append(path)
    return paths


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.preview",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="TOML file; see training/configs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--batches", type=int, default=1, help="batches to draw (1)")
    parser.add_argument("--start", type=int, default=0, help="number of the first batch (0)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if given.batches < 1 or given.start < 0:
        parser.error("--batches must be 1 or more, --start 0 or more")
    try:
        for path in preview(load_config(given.config, given.set), given.output, given.batches, given.start):
            log.info("%s", path)
    except RosSamError as error:
        log.error("%s", error)
        return 2
    except OSError as error:
        log.error("%s cannot be written: %s", given.output, error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
