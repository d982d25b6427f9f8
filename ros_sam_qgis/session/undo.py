"""The plugin's own undo stack of kept objects, whose every step is on disk.

QGIS's edit buffer has nothing on disk before it is committed, and no undo afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class Step(ABC):
    """Something that was done to a file, and how it is taken back."""

    @abstractmethod
    def undo(self) -> None:
        """Take it back in the file."""

    @abstractmethod
    def redo(self) -> None:
        """Do it again in the file."""


class UndoStack:
    """Steps that were done, in their order. A step that fails to be undone stays where it was."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._done = 0

    @property
    def undoable(self) -> Step | None:
        """The step that would be taken back next."""
        return self._steps[self._done - 1] if self._done else None

    @property
    def redoable(self) -> Step | None:
        """The step that would be done again next."""
        return self._steps[self._done] if self._done < len(self._steps) else None

    def push(self, step: Step) -> None:
        """Remember a step that has just been done; what was taken back is forgotten."""
        self._steps[self._done :] = [step]
        self._done += 1

    def undo(self) -> None:
        """Take the last step back, if there is one."""
        step = self.undoable
        if step is not None:
            step.undo()
            self._done -= 1

    def redo(self) -> None:
        """Do the next step again, if there is one."""
        step = self.redoable
        if step is not None:
            step.redo()
            self._done += 1

    def forget(self, step: Step) -> None:
        """Drop a step that can be neither taken back nor done again any more."""
        index = self._steps.index(step)
        del self._steps[index]
        self._done -= index < self._done
