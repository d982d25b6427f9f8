"""The session: objects at hand, one a layer, and those to be kept that wait for their outline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry
from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..engine.errors import Failure
from ..engine.frames import Frames
from ..sources.source import Source
from .at_hand import ObjectAtHand, Outline
from .prompts import Box, Prompts
from .shape import Shape, options_text


@dataclass(frozen=True)
class KeptObject:
    """An object as it goes to the file.

    Attributes:
        geometry: in `crs`.
        crs: of the layer that it was outlined on; invalid without georeference.
        attributes: of the core.
        class_name: chosen by the user.
        options: of the outline, as text.
        corrects: where it stands in a file already, if it was corrected.
        layer_name: of the layer that it was outlined on.
    """

    geometry: QgsGeometry
    crs: QgsCoordinateReferenceSystem
    attributes: dict[str, Any]
    class_name: str = ""
    options: str = ""
    corrects: Any = None
    layer_name: str = field(default="", compare=False)


class Session(QObject):
    """What the user has begun and not finished.

    Args:
        frames: by which the engine is asked.

    Signals:
        changed: the object at hand is another, or looks other.
        kept: a `KeptObject` is ready for the file.
        failed: a `Failure` that the user should read, and the object's id.
        stranded: a `Failure`, and the object that was kept before its outline came and now gets none.
    """

    changed = pyqtSignal()
    kept = pyqtSignal(object)
    failed = pyqtSignal(object, str)
    stranded = pyqtSignal(object, object)

    def __init__(self, frames: Frames, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._frames = frames
        self._source: Source | None = None
        self._objects: dict[str, ObjectAtHand] = {}
        self._leaving: list[ObjectAtHand] = []
        self.shape = Shape()
        self.class_name = ""
        self.model: str | None = None

    @property
    def source(self) -> Source | None:
        """The image that new objects are on."""
        return self._source

    @property
    def current(self) -> ObjectAtHand | None:
        """The object at hand on that image."""
        return self._objects.get(self._source.layer_id) if self._source is not None else None

    @property
    def leaving(self) -> tuple[ObjectAtHand, ...]:
        """Objects that will be kept as soon as their outline comes, and those of them that got none."""
        return tuple(self._leaving)

    @property
    def awaited(self) -> int:
        """How many of them have their outline on its way."""
        return sum(one.is_pending for one in self._leaving)

    def use(self, source: Source | None) -> None:
        """Go on to another image. What was at hand on the one before waits there.

        Where a file was only given another CRS, what is at hand goes with it.
        """
        self._source = source
        current = self.current
        if current is not None and source.replaces(current.source):
            current.move_to(source)
            current.ask()
        self.changed.emit()

    def click(self, x: float, y: float, label: int, preview: Outline | None = None) -> None:
        """Add a click, in coordinates of the layer.

        Args:
            x: where, east.
            y: where, north.
            label: 1 on the object, 0 beside it.
            preview: what was shown under the cursor; it stays on screen until the outline comes.
        """
        current = self._object()
        if current is not None:
            if current.shown is None and label == 1:
                current.shown = preview
            self._put(current, current.prompts.with_point(x, y, label))

    def box(self, box: Box) -> None:
        """Add a box, in coordinates of the layer; it replaces another."""
        current = self._object()
        if current is not None:
            self._put(current, current.prompts.with_box(box))

    def undo(self) -> bool:
        """Take back what came last: a prompt, a correction begun, or keeping what has no outline yet.

        Returns:
            Whether there was any of them.
        """
        current = self.current
        if current is not None and current.undo():
            return True
        if current is not None and current.corrects is not None:
            self._drop(current)
            return True
        return self._call_back()

    def redo(self) -> bool:
        """Do again the prompt that was taken back last; says whether there was one."""
        return self.current is not None and self.current.redo()

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would find something."""
        current = self.current
        mine = current is not None and (current.history.can_undo or current.corrects is not None)
        return mine or bool(self._leaving_here())

    @property
    def can_redo(self) -> bool:
        """Whether `redo` would find something."""
        return self.current is not None and self.current.history.can_redo

    def clear(self) -> None:
        """Drop the object at hand. One that was being corrected stays in the file as it is."""
        if self.current is not None:
            self._drop(self.current)

    def keep(self) -> bool:
        """Keep the object at hand, now or as soon as its outline comes; says whether there is one."""
        current = self.current
        if current is None or not current.prompts.is_askable:
            return False
        if current.outline is None and not current.is_pending:
            return False
        if current.class_name is None:
            current.class_name = self.class_name
        del self._objects[current.source.layer_id]
        self._leaving.append(current)
        if not current.is_pending:
            self._leave(current)
        self.changed.emit()
        return True

    def move_on(self) -> None:
        """Keep the object at hand, or drop it where nothing was found: the next prompt begins another."""
        current = self.current
        if not self.keep() and current is not None and current.prompts.is_askable and not self.is_correcting:
            self.clear()

    def reopen(self, prompts: Prompts, shape: Shape, object_id: str, corrects: Any, class_name: str) -> None:
        """Take a kept object to hand again, with its prompts, its class and the shape of its outline."""
        assert self._source is not None
        self.clear()
        reopened = self._new(self._source, prompts, object_id)
        reopened.shape, reopened.class_name, reopened.corrects = shape, class_name, corrects
        reopened.ask()

    @property
    def is_correcting(self) -> bool:
        """Whether a kept object is at hand: class and shape that are chosen are for it alone."""
        return self.current is not None and self.current.corrects is not None

    @property
    def shown_shape(self) -> Shape:
        """The shape of the outline at hand, else of the next one."""
        return self.current.shape if self.current is not None else self.shape

    @property
    def shown_class(self) -> str:
        """The class of the object at hand, else of the next one."""
        own = self.current.class_name if self.current is not None else None
        return self.class_name if own is None else own

    def classify(self, name: str) -> None:
        """Choose the class of the kept object that is corrected, else of what is kept next."""
        if self.current is not None and self.is_correcting:
            self.current.class_name = name
        else:
            self.class_name = name

    def reshape(self, shape: Shape) -> None:
        """Draw outlines in another way, the one at hand included."""
        if not self.is_correcting:
            self.shape = shape
        if self.current is not None:
            self.current.reshape(shape)

    def give_up(self) -> list[KeptObject]:
        """Wait for no outline any more; returns what was kept and has none, as marks."""
        return [self.abandon(one) for one in list(self._leaving)]

    def abandon(self, kept: ObjectAtHand) -> KeptObject:
        """Wait no more for the outline of an object that was kept; returns it as marks."""
        marks = _kept(kept, kept.mark(), kept.marked())
        if kept in self._leaving:
            self._leaving.remove(kept)
        if self._objects.get(kept.source.layer_id) is kept:
            del self._objects[kept.source.layer_id]
        kept.drop_call()
        kept.deleteLater()
        self.changed.emit()
        return marks

    def close(self) -> None:
        """Give up every question under way."""
        self.give_up()
        for one in self._objects.values():
            one.drop_call()
            one.deleteLater()
        self._objects.clear()

    def _object(self) -> ObjectAtHand | None:
        if self._source is None:
            return None
        return self.current or self._new(self._source)

    def _new(
        self, source: Source, prompts: Prompts | None = None, object_id: str | None = None
    ) -> ObjectAtHand:
        new = ObjectAtHand(self._frames, source, self.shape, prompts, object_id, self)
        new.model = self.model
        new.changed.connect(self.changed)
        new.settled.connect(lambda: self._on_settled(new))
        new.failed.connect(lambda failure: self._on_failed(new, failure))
        self._objects[source.layer_id] = new
        return new

    def _put(self, current: ObjectAtHand, prompts: Prompts) -> None:
        current.model = self.model
        current.move_to(current.source.covering(prompts.bounds()))
        current.put(prompts)

    def _on_settled(self, settled: ObjectAtHand) -> None:
        if settled in self._leaving:
            self._leave(settled)

    def _call_back(self) -> bool:
        """Take the object to hand again that was kept last here and has no outline yet."""
        here = self._leaving_here()
        if not here:
            return False
        self.clear()
        self._leaving.remove(here[-1])
        self._hold(here[-1])
        return True

    def _leaving_here(self) -> list[ObjectAtHand]:
        layer_id = self._source.layer_id if self._source is not None else None
        return [one for one in self._leaving if one.source.layer_id == layer_id]

    def _hold(self, held: ObjectAtHand) -> None:
        if held.corrects is None:
            held.class_name = None
        self._objects[held.source.layer_id] = held
        self.changed.emit()

    def _on_failed(self, failed: ObjectAtHand, failure: Failure) -> None:
        if failed not in self._leaving:
            self.failed.emit(failure, failed.id)
            return
        if failed.source.layer_id in self._objects:  # `undo` calls it back
            self.changed.emit()
        else:
            self._leaving.remove(failed)
            self._hold(failed)  # another click may help
        self.stranded.emit(failure, failed)

    def _leave(self, leaving: ObjectAtHand) -> None:
        self._leaving.remove(leaving)
        outline = leaving.outline
        assert outline is not None
        kept = _kept(leaving, QgsGeometry(outline.geometry), outline.attributes)
        leaving.deleteLater()
        self.kept.emit(kept)
        self.changed.emit()

    def _drop(self, dropped: ObjectAtHand) -> None:
        dropped.drop_call()
        self._objects.pop(dropped.source.layer_id, None)
        dropped.deleteLater()
        self.changed.emit()


def _kept(leaving: ObjectAtHand, geometry: QgsGeometry, attributes: dict[str, Any]) -> KeptObject:
    """Return an object as it goes to a file."""
    return KeptObject(
        geometry,
        leaving.source.crs,
        attributes,
        leaving.class_name or "",
        options_text(leaving.shape, leaving.source.prompts_crs),
        leaving.corrects,
        leaving.source.name,
    )
