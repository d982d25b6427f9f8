"""Models by name: those in this package, and the public weights of SAM and HQ-SAM.

Public weights are fetched only when asked (`download`): they are large, and their terms are others'. They
are known by their hash, so where the file comes from does not matter.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ros_sam_core.errors import InvalidParameter, ModelNotDownloaded, ModelUnknown

CACHE_VARIABLE = "ROS_SAM_CACHE"
BUNDLED_FOLDER = Path(__file__).resolve().parents[1] / "weights"

_SAM = "https://dl.fbaipublicfiles.com/segment_anything"
_HQ_SAM = "https://huggingface.co/lkeab/hq-sam/resolve/main"


@dataclass(frozen=True)
class ZooEntry:
    """A model that has a name.

    Attributes:
        name: What users call it.
        summary: One line: what it is and what it is for.
        licence: SPDX identifier of the weights' terms.
        size_mb: Size of the file in 10^6 bytes, rounded.
        file: Name of the file.
        url: Where it is published; None for a model that comes with this package.
        known_hash: "sha256:…" or "md5:…" of the file as its publisher gives it; with `url`.
        optional: Whether the name exists only where the file does: the plugin's zip has no room for all.
    """

    name: str
    summary: str
    licence: str
    size_mb: int
    file: str
    url: str | None = None
    known_hash: str | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if (self.url is None) != (self.known_hash is None):
            raise InvalidParameter(f"{self.name}: an address needs a hash, and a hash an address")

    @property
    def bundled(self) -> bool:
        """Whether the model comes with this package."""
        return self.url is None

    @property
    def path(self) -> Path:
        """Where the file is, or will be once it is downloaded."""
        return (BUNDLED_FOLDER if self.bundled else cache_folder()) / self.file


def _public(name: str, summary: str, size_mb: int, url: str, known_hash: str) -> ZooEntry:
    return ZooEntry(name, summary, "Apache-2.0", size_mb, url.rpartition("/")[2], url, known_hash)


_ENTRIES = (
    ZooEntry(
        name="ros-sam-tiny",
        summary="small objects in satellite and aerial images; fast on a CPU; comes with this package",
        licence="CC-BY-NC-4.0",
        size_mb=18,
        file="ros-sam-tiny.safetensors",
    ),
    ZooEntry(
        name="ros-sam-tiny-open",
        summary="the same, trained on made-up scenes alone; less exact",
        licence="GPL-3.0-or-later",
        size_mb=18,
        file="ros-sam-tiny-open.safetensors",
        optional=True,
    ),
    _public(
        "sam_vit_b",
        "Segment Anything, ViT-B",
        375,
        f"{_SAM}/sam_vit_b_01ec64.pth",
        "sha256:ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    _public(
        "sam_vit_l",
        "Segment Anything, ViT-L",
        1250,
        f"{_SAM}/sam_vit_l_0b3195.pth",
        "sha256:3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    _public(
        "sam_vit_h",
        "Segment Anything, ViT-H",
        2565,
        f"{_SAM}/sam_vit_h_4b8939.pth",
        "sha256:a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    _public(
        "sam_hq_vit_b",
        "HQ-SAM, ViT-B",
        379,
        f"{_HQ_SAM}/sam_hq_vit_b.pth",
        "md5:c6b8953247bcfdc8bb8ef91e36a6cacc",
    ),
    _public(
        "sam_hq_vit_l",
        "HQ-SAM, ViT-L",
        1255,
        f"{_HQ_SAM}/sam_hq_vit_l.pth",
        "md5:08947267966e4264fb39523eccc33f86",
    ),
    _public(
        "sam_hq_vit_h",
        "HQ-SAM, ViT-H",
        2571,
        f"{_HQ_SAM}/sam_hq_vit_h.pth",
        "sha256:a7ac14a085326d9fa6199c8c698c4f0e7280afdbb974d2c4660ec60877b45e35",
    ),
    _public(
        "sam_hq_vit_tiny",
        "HQ-SAM, TinyViT (can be fetched, but its encoder is not built here yet)",
        43,
        f"{_HQ_SAM}/sam_hq_vit_tiny.pth",
        "sha256:0f32c075ccdd870ae54db2f7630e7a0878ede5a2b06d05d6fe02c65a82fb7196",
    ),
)

ZOO: dict[str, ZooEntry] = {
    entry.name: entry for entry in _ENTRIES if not entry.optional or entry.path.is_file()
}
"""All models that have a name, those that come with this package first."""


def cache_folder() -> Path:
    """Return where downloaded weights are kept: ``$ROS_SAM_CACHE/models``, or the user's cache folder."""
    from platformdirs import user_cache_path

    root = os.environ.get(CACHE_VARIABLE)
    return (Path(root) if root else user_cache_path("ros-sam", appauthor=False)) / "models"


def entry_of(name: str) -> ZooEntry:
    """Return the entry of a name.

    Raises:
        ModelUnknown: No model has this name; the message lists those that exist.
        ModelNotDownloaded: It comes with ros-sam, but not with this installation of it.
    """
    if name in ZOO:
        return ZOO[name]
    if (left_out := next((entry for entry in _ENTRIES if entry.name == name), None)) is not None:
        raise ModelNotDownloaded(
            f"{name} is not part of this installation (the QGIS plugin has no room for it); take "
            f"{left_out.file} from ros_sam_core/weights/ of ros-sam's repository, and give that file's path"
        )
    close = difflib.get_close_matches(name, ZOO, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ModelUnknown(f"there is no model and no file named {name!r}; {hint}known models: {', '.join(ZOO)}")


def path_of(name: str) -> Path:
    """Return where a model's file is.

    Raises:
        ModelUnknown: No model has this name.
        ModelNotDownloaded: The file is not on this machine.
    """
    entry = entry_of(name)
    if entry.path.is_file():
        return entry.path
    if entry.bundled:
        raise ModelNotDownloaded(
            f"{entry.path} is not there, though it belongs to ros-sam; install ros-sam anew"
        )
    raise ModelNotDownloaded(
        f"{name} is not on this machine; fetch its {entry.size_mb} MB with `ros-sam models download {name}`, "
        f"or put the file of {entry.url} at {entry.path}"
    )


def resolve(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file or folder that a model's name or path means; nothing is downloaded.

    Raises:
        ModelUnknown: It is no name and no path.
        ModelNotDownloaded: It is the name of a model that is not on this machine.
    """
    if isinstance(name_or_path, str) and name_or_path in ZOO:
        return path_of(name_or_path)
    path = Path(name_or_path)
    if path.exists():
        return path
    return path_of(os.fspath(name_or_path))


def download(
    name: str,
    progress: Callable[[int, int], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Path:
    """Fetch a model's file if it is not here yet; a download that broke off goes on where it stopped.

    A file that is here already is checked against its hash, and fetched anew if it differs.

    Args:
        name: A name of `ZOO`.
        progress: Called with the bytes that are here and their final number (0: unknown).
        cancel: Asked between blocks; True stops, and what was fetched is kept for the next time.

    Returns:
        The file's path.

    Raises:
        ModelUnknown: No model has this name.
        ModelNotDownloaded: It is a bundled model whose file is missing.
        DownloadFailed: The file cannot be fetched or stored.
        DownloadCorrupt: What came is not what was published.
        Cancelled: `cancel` said so.
    """
    entry = entry_of(name)
    if entry.url is None or entry.known_hash is None:
        return path_of(name)
    from ros_sam_core.model.download import fetch

    fetch(entry.url, entry.path, entry.known_hash, progress=progress, cancel=cancel)
    return entry.path
