"""The frame on the map, in the dock and in the Temporal Controller: one and the same."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.core import QgsDateTimeRange, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..dock.frames_box import FramesBox
from ..store.look import show_only_at_their_time, shows_only_at_its_time
from .stepping import duration_of, frame_at, frames_of, label_of, show_frame


class Player(QObject):
    """Steps through the frames of the video that the layer at hand belongs to.

    Args:
        canvas: where the frames show.
        box: the dock's buttons.

    Signals:
        frame_changed: another frame shows; its layer.
    """

    frame_changed = pyqtSignal(object)

    def __init__(self, canvas: QgsMapCanvas, box: FramesBox, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas, self._box = canvas, box
        self._frames: list[QgsRasterLayer] = []
        self._layer: QgsRasterLayer | None = None
        box.frame_wanted.connect(self._on_wanted)
        box.only_then_toggled.connect(self._on_only_then)
        canvas.temporalRangeChanged.connect(self._on_time)

    def use(self, layer: QgsRasterLayer | None) -> None:
        """Go on with another layer; if it is a frame, the map shows it and no other of its video."""
        self._layer = layer
        self._frames = frames_of(layer)
        if layer is None or layer not in self._frames:
            self._box.show_frame(0, 0, "")
            return
        self._box.show_frame(self._frames.index(layer), len(self._frames), label_of(layer))
        objects = _layers_of_objects()
        if objects:  # as the project was saved; without any the box says what is wished for the first
            self._box.show_only_then(any(shows_only_at_its_time(one) for one in objects))
        if frame_at(self._frames, self._canvas.mapSettings().temporalRange()) is not layer:
            show_frame(layer, self._canvas)

    def step(self, by: int) -> None:
        """Go some frames on, or back; beyond the first and the last there is none."""
        if self._layer in self._frames:
            self._on_wanted(self._frames.index(self._layer) + by)

    def show_objects(self, layer: QgsVectorLayer) -> None:
        """Have a new layer of kept objects show as the user wishes."""
        if self._box.only_then.isChecked():
            show_only_at_their_time(layer, True, self._seconds())

    def forget(self, ids: Sequence[str]) -> None:
        """Let go of frames that leave the project."""
        self._frames = [layer for layer in self._frames if layer.id() not in ids]

    def close(self) -> None:
        """Let go of the canvas."""
        self._canvas.temporalRangeChanged.disconnect(self._on_time)
        self._box.frame_wanted.disconnect(self._on_wanted)
        self._box.only_then_toggled.disconnect(self._on_only_then)

    def _on_wanted(self, index: int) -> None:
        if 0 <= index < len(self._frames) and self._frames[index] is not self._layer:
            layer = self._frames[index]
            show_frame(layer, self._canvas)
            if layer is not self._layer:
                self._go_to(layer)

    def _on_time(self) -> None:
        when: QgsDateTimeRange = self._canvas.mapSettings().temporalRange()
        layer = frame_at(self._frames, when)
        if layer is not None and layer is not self._layer:
            self._go_to(layer)

    def _go_to(self, layer: QgsRasterLayer) -> None:
        self._layer = layer
        self.frame_changed.emit(layer)

    def _on_only_then(self, on: bool) -> None:
        seconds = self._seconds()
        for layer in _layers_of_objects():
            show_only_at_their_time(layer, on, seconds)

    def _seconds(self) -> float:
        """Return how long the frame at hand stays."""
        return duration_of(self._layer) if self._layer is not None and self._frames else 1.0


def _layers_of_objects() -> list[QgsVectorLayer]:
    """Return the layers of kept objects in the project, those of the user's included."""
    layers = QgsProject.instance().mapLayers().values()
    vectors = [layer for layer in layers if isinstance(layer, QgsVectorLayer)]
    return [layer for layer in vectors if layer.fields().lookupField("prompt_xy") >= 0]
