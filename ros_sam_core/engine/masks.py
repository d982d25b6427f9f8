"""Masks kept after they were outlined, so that an object can be reshaped without inference."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ros_sam_core.errors import MaskUnknown
from ros_sam_core.geo.prompts import Prompt
from ros_sam_core.geo.windows import digest_of
from ros_sam_core.predict.ground import Origin

if TYPE_CHECKING:
    from ros_sam_core.predict.predictor import Look


@dataclass(frozen=True)
class KeptMask:
    """What a model saw of a prompt, and all that provenance needs.

    Attributes:
        look: The logits in their crop.
        prompt: What was asked.
        origin: Of the mask.
    """

    look: Look
    prompt: Prompt
    origin: Origin

    def handle(self, frame_id: str) -> str:
        """Return a name that is the same for the same prompt, frame and weights."""
        prompt, crs = self.prompt, self.prompt.crs
        asked = (prompt.id, prompt.points, prompt.labels, prompt.box, crs.to_wkt() if crs else None)
        return f"m-{digest_of(frame_id, asked, self.origin.weights)[:32]}"


class MaskStore:
    """The masks used last; safe for any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._masks: OrderedDict[str, KeptMask] = OrderedDict()

    def put(self, frame_id: str, mask: KeptMask) -> str:
        """Keep a mask and return its handle."""
        handle = mask.handle(frame_id)
        with self._lock:
            self._masks[handle] = mask
            self._masks.move_to_end(handle)
            while len(self._masks) > self._most:
                self._masks.popitem(last=False)
        return handle

    def get(self, handle: str) -> KeptMask:
        """Return a mask by its handle.

        Raises:
            MaskUnknown: It is no longer kept.
        """
        with self._lock:
            if handle not in self._masks:
                raise MaskUnknown(f"mask {handle} is no longer kept; segment the prompt again")
            self._masks.move_to_end(handle)
            return self._masks[handle]
