"""Keeps objects: writes each at once, remembers how to take it back, holds what could not be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from qgis.core import QgsCoordinateReferenceSystem, QgsFeature, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..session.session import KeptObject
from ..session.undo import Step, UndoStack
from .output import Key, add_on_top, begin_file, default_target, own_layer, reopen, role_of, table_of
from .prepared import Prepared
from .target import ObjectGone, Place, StoreError, Target

Open = Callable[[Key], Target]
"""Gives the target of a key."""


class KeepStep(Step):
    """An object was written."""

    def __init__(self, open_: Open, key: Key, place: Place) -> None:
        self._open, self.key, self.place = open_, key, place
        self._taken_out: QgsFeature | None = None

    def undo(self) -> None:
        """Take it out of the file."""
        self._taken_out = self._open(self.key).remove(self.place)

    def redo(self) -> None:
        """Put it back as it stood there."""
        assert self._taken_out is not None
        self.place = self._open(self.key).put_back(self._taken_out, self.place.object_id)


class CorrectStep(Step):
    """An object was written over what stood in the file."""

    def __init__(self, open_: Open, key: Key, place: Place, other: QgsFeature) -> None:
        self._open, self.key, self.place, self._other = open_, key, place, other

    def undo(self) -> None:
        """Write back what stood there, and remember what stands there now."""
        self._other = self._open(self.key).restore(self.place, self._other)

    def redo(self) -> None:
        """Write the correction again."""
        self.undo()


def rescue(objects: Sequence[KeptObject], path: str, prefix: str = "") -> tuple[list[KeptObject], str]:
    """Write objects, as new ones, to a GeoPackage of last resort.

    Args:
        objects: that must go somewhere.
        path: of the file, which need not be there.
        prefix: of the names of its tables.

    Returns:
        Those that not even that file takes, and why.
    """
    left, why = [], ""
    for kept in objects:
        try:
            target, _ = default_target(kept, path, prefix)
            target.write(replace(kept, corrects=None))
        except StoreError as error:
            left.append(kept)
            why = str(error)
    return left, why


class Keeper(QObject):
    """Writes kept objects.

    Signals:
        written: a layer has a new object, or has lost one; the layer, and the class of what was kept.
        failed: what could not be done, for the user; nothing is lost.
        added: a layer of the plugin's that is new in the project, to be styled.
        changed: undo, redo or what waits to be written is other than before.
    """

    written = pyqtSignal(object, str)
    failed = pyqtSignal(str)
    added = pyqtSignal(object)
    changed = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.steps = UndoStack()
        self.waiting: list[KeptObject] = []
        self.prepared = Prepared(self)
        self._layer_id = ""

    def write_to(self, layer: QgsVectorLayer | None) -> None:
        """Choose the output: a layer of the user's, or None for the plugin's own."""
        self._layer_id = "" if layer is None else layer.id()
        if self.waiting:
            self.retry()

    @property
    def layer(self) -> QgsVectorLayer | None:
        """The layer that the user has chosen, as long as it is there."""
        layer = QgsProject.instance().mapLayer(self._layer_id) if self._layer_id else None
        return layer if isinstance(layer, QgsVectorLayer) else None

    def expect(self, crs: QgsCoordinateReferenceSystem, layer_name: str, source: str) -> None:
        """Make ready to keep an object of an image, off the main thread."""
        table = table_of(crs, layer_name, source)
        if self.layer is None and own_layer(table) is None:
            self.prepared.expect(table, crs)

    def keep(self, kept: KeptObject) -> None:
        """Write an object; if that cannot be done it waits, and is written with the next one."""
        if kept.corrects is not None:  # an earlier correction that waits would be written over this one
            self.waiting = [one for one in self.waiting if one.corrects != kept.corrects]
        self.waiting.append(kept)
        self.retry()

    def retry(self) -> None:
        """Write what waits."""
        failure = ""
        for kept in list(self.waiting):
            try:
                self._write(kept)
            except StoreError as error:
                failure = str(error)
                continue
            self.waiting.remove(kept)
            self._tell(self.steps.undoable, kept.class_name)
        if failure:
            self.failed.emit(failure)
        self.changed.emit()

    def undo(self) -> bool:
        """Take the last object out of its file again; says whether there was one."""
        return self._step(self.steps.undo, self.steps.undoable)

    def redo(self) -> bool:
        """Put the object back that was taken out last; says whether there was one."""
        return self._step(self.steps.redo, self.steps.redoable)

    def forget_steps(self) -> None:
        """Undo and redo nothing of what was kept up to now."""
        self.steps = UndoStack()
        self.changed.emit()

    def _write(self, kept: KeptObject) -> None:
        if kept.corrects is not None:
            key, place = kept.corrects
            try:
                before = self._open(key).rewrite(place, kept)
            except ObjectGone:
                kept = replace(kept, corrects=None)  # deleted in the meantime: it is written as a new one
            else:
                self.steps.push(CorrectStep(self._open, key, place, before))
                return
        begun = None if self.layer is not None else begin_file(kept, self.prepared)
        if begun is not None:
            (target, place), new = begun, True
        else:
            target, new = self._target(kept)
            place = target.write(kept)
        self.steps.push(KeepStep(self._open, Key.of(target.layer), place))
        if new:
            self._add(target.layer)

    def _open(self, key: Key) -> Target:
        """Return the target of a key; a layer that has left the project comes back as it came at first."""
        target, new = reopen(key)
        if new:
            self._add(target.layer)
        return target

    def _add(self, layer: QgsVectorLayer) -> None:
        add_on_top(layer)
        if role_of(layer):
            self.added.emit(layer)

    def _target(self, kept: KeptObject) -> tuple[Target, bool]:
        layer = self.layer
        return (Target(layer), False) if layer is not None else default_target(kept)

    def _step(self, go: Callable[[], None], step: Step | None) -> bool:
        if step is None:
            return False
        try:
            go()
        except ObjectGone as error:
            self.steps.forget(step)
            self.failed.emit(str(error))
        except StoreError as error:
            self.failed.emit(str(error))
        else:
            self._tell(step)
        self.changed.emit()
        return True

    def _tell(self, step: Step | None, class_name: str = "") -> None:
        if isinstance(step, (KeepStep, CorrectStep)):
            self.written.emit(self._open(step.key).layer, class_name)
