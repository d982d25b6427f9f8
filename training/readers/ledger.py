"""What was wrong with a data set: named, and skipped or stopped at, never passed over in silence."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.scenes import DatasetError

log = logging.getLogger(__name__)
TOLD = 20
"""Skipped items that are named in a summary; the rest is counted."""


@dataclass(frozen=True)
class Skipped:
    """One thing that was left out.

    Attributes:
        file: The file that it is in.
        item: The object in it; "" where it is the whole file.
        reason: What is wrong with it.
        kind: A word for the reason, by which the summary counts.
        class_name: Class of the object, if known.
    """

    file: str
    item: str
    reason: str
    kind: str
    class_name: str = ""

    def __str__(self) -> str:
        return f"{self.file}{', ' if self.item else ''}{self.item}: {self.reason}"


@dataclass
class Ledger:
    """Keeps account of what is wrong, and stops or goes on as the configuration says.

    Attributes:
        on_error: "stop": the first fault raises; "skip": it is named in the log, kept here, and left out.
        objects: The same for faults of single objects, where it is to differ.
        skipped: What was left out because of a fault, in the order in which it was found.
        left_out: How many objects of each class were left out as asked.
        clipped: How many objects were cut at the edge of their image.
        notes: How labels were read, where the data decided it.
        told: Name faults in the log as they are found.
    """

    on_error: str = "stop"
    objects: str = ""
    skipped: list[Skipped] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    clipped: int = 0
    notes: list[str] = field(default_factory=list)
    told: bool = True

    def fault(self, kind: str, file: str | Path, item: str, reason: str, class_name: str = "") -> None:
        """Take note of a fault.

        Args:
            kind: A word for it, by which the summary counts.
            file: The file that it is in.
            item: The object; "" where it is the whole image.
            reason: What is wrong, and what to do.
            class_name: Class of the object, if known.

        Raises:
            DatasetError: The configuration says to stop.
        """
        found = Skipped(str(file), item, reason, kind, class_name)
        if ((item and self.objects) or self.on_error) == "stop":
            raise DatasetError(f'{found}; mend it, or set on_error = "skip" to leave it out')
        if not self.told:
            pass
        elif len(self.skipped) < TOLD:
            log.warning("left out: %s", found)
        elif len(self.skipped) == TOLD:
            log.warning("more is left out; the summary counts it")
        self.skipped.append(found)

    def summary(self) -> str:
        """Say in a few lines how labels were read and what was left out; empty where there is nothing."""
        lines = [*self.notes]
        if self.skipped:
            counts = Counter(s.kind for s in self.skipped)
            told = ", ".join(f"{count} × {kind}" for kind, count in counts.most_common())
            lines.append(f"{len(self.skipped)} left out ({told}):")
            lines += [f"- {s}" for s in self.skipped[:TOLD]]
            if len(self.skipped) > TOLD:
                lines.append(f"- and {len(self.skipped) - TOLD} more")
        if self.left_out:
            told = ", ".join(f"{name} ({count})" for name, count in sorted(self.left_out.items()))
            lines.append(f"classes left out as asked: {told}")
        if self.clipped:
            lines.append(f"{self.clipped} objects cut at the edge of their image")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the same as plain values, for a report."""
        return {
            "skipped": [{"file": s.file, "object": s.item, "reason": s.reason} for s in self.skipped],
            "left_out": dict(sorted(self.left_out.items())),
            "clipped": self.clipped,
        }
