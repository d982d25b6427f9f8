"""Write files of weights, which others may read as far as the user's umask lets them."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor


def save_weights(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, with the mode of any other new file.

    Raises:
        OSError: It cannot be written.
        SafetensorError: The same.
    """
    save_file(dict(tensors), path, metadata=dict(metadata))
    give_usual_mode(path)


def give_usual_mode(path: Path) -> None:
    """Give a file of weights the mode of one that is made beside it: safetensors has its owner read it alone.

    The umask is not asked for: that means to set it, for all threads.
    """
    beside = path.with_name(f".{path.name}.mode")
    beside.touch(exist_ok=False)
    mode = stat.S_IMODE(beside.stat().st_mode)
    beside.unlink()
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)
