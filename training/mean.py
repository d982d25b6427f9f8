"""The mean of two trained models' weights: `python -m training.mean A B --share 0.5 --output MEAN`.

Of two models that started from one another the mean often keeps what either is good at (Wortsman et al.,
arXiv 2203.05482). It is one model, as large and as fast as each.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import torch

from ros_sam_core.errors import ConfigInvalid, RosSamError
from ros_sam_core.model.checkpoints import load_checkpoint, save_checkpoint
from ros_sam_core.model.zoo import resolve

log = logging.getLogger(__name__)


def mean_of(first: str, second: str, share: float, output: Path) -> None:
    """Write the mean of two models, in half precision, as `training.train` writes its result.

    Args:
        first: Name or path of a model.
        second: Another one of the same architecture; name, crop policy and head are taken from it.
        share: The second one's share, 0 to 1.
        output: The `.safetensors` to write.

    Raises:
        ConfigInvalid: The share is out of range, or the architectures differ.
        RosSamError: A model cannot be read, or the result cannot be written.
    """
    if not 0 <= share <= 1:
        raise ConfigInvalid(f"--share is {share}; it is the second model's share, 0 to 1")
    a, b = load_checkpoint(resolve(first)), load_checkpoint(resolve(second))
    own, other = b.model.state_dict(), a.model.state_dict()
    shapes = ({name: value.shape for name, value in state.items()} for state in (own, other))
    if len({frozenset(shape.items()) for shape in shapes}) > 1:
        raise ConfigInvalid(f"{first} and {second} are of different architectures; their mean is no model")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(torch.lerp(other[name], value, share))
    told = {"mean of": f"{a.sha256[:12]}, {b.sha256[:12]}", "share": str(share)}
    save_checkpoint(b.model, output, dtype=torch.float16, metadata=told)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.mean",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs=2, help="two models' names, or checkpoints")
    parser.add_argument("--share", type=float, default=0.5, help="the second one's share")
    parser.add_argument("--output", type=Path, required=True, help="the .safetensors to write")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        mean_of(*options.models, options.share, options.output)
    except RosSamError as error:
        log.error("%s", error)
        return 2
    log.info("wrote %s", options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
