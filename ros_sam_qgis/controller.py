"""Connects the dock, the map tool, the session and the file: the only place that knows all of them."""

from __future__ import annotations

import time
from typing import Any

from qgis.core import Qgis, QgsMapLayer, QgsPointXY, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from .background import log
from .dock.dock import SegmentDock
from .dock.look_dialog import LookDialog
from .engine.client import Call
from .engine.engine import Engine, Status
from .engine.errors import Failure
from .engine.frames import Frames
from .files import Files
from .i18n import tr
from .map.coordinates import Unreachable, box_in, transform, view_in
from .map.marks import Marks
from .map.tool import Mode, SegmentTool
from .session.at_hand import Outline
from .session.hover import Hover, Warmer
from .session.session import Session
from .settings import store as settings
from .sources.choose import source_of
from .sources.rendered import RenderedSource
from .sources.source import LayerUnsuitable, Source
from .store.keeper import Keeper
from .store.look import restyle_objects
from .store.reopen import find_kept
from .video.look import choose_look
from .video.player import Player

WARM_MS = 250
"""How long the view must rest before what it shows is encoded."""
PATIENCE_S = 2.0
"""How long such a wish is left alone before one for another place under the cursor replaces it."""


class Controller(QObject):
    """The plugin at work.

    Args:
        iface: QGIS's interface.
        engine: that outlines.
        dock: that shows.

    Signals:
        tool_changed: whether the map tool is on.
    """

    tool_changed = pyqtSignal(bool)

    def __init__(self, iface: Any, engine: Engine, dock: SegmentDock, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.iface, self.engine, self.dock = iface, engine, dock
        self.canvas = iface.mapCanvas()
        self.frames = Frames(engine)
        self.session = Session(self.frames, self)
        self.hover, self.warmer = Hover(self.frames, self), Warmer(self.frames, self)
        self.keeper = Keeper(self)
        self.files = Files(iface, self.keeper, dock, self)
        self.player = Player(self.canvas, dock.frames_box, self)
        self.marks, self.tool = Marks(self.canvas), SegmentTool(self.canvas)
        self.layer: QgsRasterLayer | None = None
        self._mouse: QgsPointXY | None = None
        self._call: Call | None = None
        self._warmed = 0.0
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(WARM_MS)
        self._rest.timeout.connect(self._on_rest)
        self.session.shape = settings.shape()
        self.session.class_name = settings.get("class")
        self._connect_tool()
        self._connect_dock()
        self._connect_work()
        self._connect_qgis()
        self.dock.shape_box.show_shape(self.session.shape)
        self.dock.show_classes(settings.classes(), self.session.class_name)
        self.dock.show_models([], settings.get("model"))
        self._on_active_layer(iface.activeLayer())

    # What is connected with what

    def _connect_tool(self) -> None:
        tool = self.tool
        tool.clicked.connect(self._on_click)
        tool.boxed.connect(self._on_box)
        tool.hovered.connect(self._on_hover)
        tool.left.connect(self.hover.leave)
        tool.reopened.connect(self._on_reopen)
        tool.undone.connect(self.undo)
        tool.redone.connect(self.redo)
        tool.kept.connect(self.session.keep)
        tool.cleared.connect(self.session.clear)
        tool.class_chosen.connect(self._on_class_key)
        tool.mode_changed.connect(self.dock.show_mode)
        tool.activated.connect(self._on_tool_on)
        tool.deactivated.connect(self._on_tool_off)

    def _connect_dock(self) -> None:
        dock = self.dock
        dock.layer_chosen.connect(self.set_layer)
        dock.model_chosen.connect(self._on_model)
        dock.class_typed.connect(self.set_class)
        dock.mode_chosen.connect(self.tool.set_mode)
        dock.tool_toggled.connect(self.set_active)
        dock.kept.connect(self.session.keep)
        dock.cleared.connect(self.session.clear)
        dock.undone.connect(self.undo)
        dock.redone.connect(self.redo)
        dock.retry_wanted.connect(self.engine.restart)
        dock.look_wanted.connect(self._on_look)
        dock.shape_box.shape_changed.connect(self._on_shape)

    def _connect_work(self) -> None:
        self.session.changed.connect(self._show)
        self.session.kept.connect(self.keeper.keep)
        self.session.failed.connect(self._on_failure)
        self.hover.shown.connect(self._on_preview)
        self.hover.hidden.connect(lambda: self.marks.show_preview(None, None))
        self.hover.blind.connect(self._on_blind)
        self.keeper.changed.connect(self._show_steps)
        self.files.opened.connect(self._on_frame)
        self.player.frame_changed.connect(self._on_frame)
        self.engine.status_changed.connect(self._on_status)
        self.engine.reachable.connect(self._on_reachable)
        self.engine.lost.connect(self._drop_call)

    def _connect_qgis(self) -> None:
        self.canvas.extentsChanged.connect(self._on_view)
        self.canvas.destinationCrsChanged.connect(self._on_map_crs)
        self.iface.currentLayerChanged.connect(self._on_active_layer)
        QgsProject.instance().layersWillBeRemoved.connect(self._on_layers_leave)

    def close(self) -> None:
        """Undo `__init__`: leave nothing on the canvas, nothing connected, nothing unwritten."""
        self._rest.stop()
        self.set_active(False)
        self.canvas.extentsChanged.disconnect(self._on_view)
        self.canvas.destinationCrsChanged.disconnect(self._on_map_crs)
        self.iface.currentLayerChanged.disconnect(self._on_active_layer)
        QgsProject.instance().layersWillBeRemoved.disconnect(self._on_layers_leave)
        self._watch(None)
        self.engine.status_changed.disconnect(self._on_status)
        self.engine.reachable.disconnect(self._on_reachable)
        self.engine.lost.disconnect(self._drop_call)
        self._forget_call()
        self.files.close()
        self.player.close()
        self.hover.leave()
        self.warmer.stop()
        self.session.changed.disconnect(self._show)
        self.session.close()
        self.marks.remove()
        self.tool.deleteLater()

    # What the user does

    def set_active(self, active: bool) -> None:
        """Turn the map tool on or off."""
        if active:
            self.canvas.setMapTool(self.tool)
        elif self.canvas.mapTool() is self.tool:
            self.canvas.unsetMapTool(self.tool)

    def set_layer(self, layer: QgsMapLayer | None) -> None:
        """Go on to another raster layer; what is at hand waits on the one before."""
        raster = layer if isinstance(layer, QgsRasterLayer) else None
        if raster is not self.layer:
            self._watch(raster)
            self.dock.show_layer(raster)
            self.player.use(raster)
            self.refresh_source()

    def set_class(self, name: str) -> None:
        """Choose the class of what is kept next; a new one joins the list."""
        name = name.strip()
        names = settings.classes()
        if name and name not in names:
            names.append(name)
            settings.set_classes(names)
            for layer in QgsProject.instance().mapLayers().values():
                if isinstance(layer, QgsVectorLayer):
                    restyle_objects(layer, names)
        self.session.class_name = name
        settings.put("class", name)
        self.dock.show_classes(names, name)

    def undo(self) -> None:
        """Take back the last prompt; with none at hand, the last kept object."""
        if not self.session.undo() and self.keeper.steps.undoable is not None:
            self.session.clear()
            self.keeper.undo()

    def redo(self) -> None:
        """Do again what was taken back last."""
        if not self.session.redo():
            self.keeper.redo()

    def refresh_source(self) -> None:
        """Look at the layer anew: its style, its CRS or the view has changed."""
        if self.layer is None:
            self.session.use(None)
            return
        uploads = self.engine.client is not None and not self.engine.opens_rasters
        try:
            source = source_of(self.layer, self.canvas.mapSettings(), uploads)
        except LayerUnsuitable as error:
            self._warn(str(error))
            self.session.use(None)
            return
        self.session.use(source)
        self._rest.start()

    # What the tool says

    def _on_click(self, point: QgsPointXY, label: int) -> None:
        source = self._source()
        if source is None:
            return
        place = self._in_layer(point, source)
        if place is None:
            return
        if self.tool.mode is Mode.QUICK and label == 1:
            self.session.keep()
        preview = self.hover.outline
        self.hover.leave()
        self.session.click(*place, label, preview)

    def _on_box(self, corners: list[QgsPointXY]) -> None:
        source = self._source()
        if source is None:
            return
        try:
            box = box_in(corners, self._map_crs(), source.crs)
        except Unreachable as error:
            self._warn(str(error))
            return
        if self.tool.mode is Mode.QUICK:
            self.session.keep()
        self.session.box(box)

    def _on_hover(self, point: QgsPointXY) -> None:
        self._mouse = point
        source = self.session.source
        if source is None or not self._may_preview():
            return
        place = self._in_layer(point, source, silent=True)
        if place is not None:
            self.hover.move(source, *place, self.session.shape, self.session.model)

    def _may_preview(self) -> bool:
        """Say whether a click would begin a new object."""
        current = self.session.current
        return self.tool.mode is Mode.QUICK or current is None or current.prompts.is_empty

    def _on_preview(self, outline: Outline, source: Source) -> None:
        if self._may_preview():
            self.marks.show_preview(outline.geometry, source.crs)

    def _on_blind(self) -> None:
        """Have what is around the cursor encoded; a wish just heard stays, or none would ever end."""
        if time.monotonic() - self._warmed > PATIENCE_S:
            self._rest.start()

    def _on_reopen(self, point: QgsPointXY) -> None:
        source = self._source()
        if source is None:
            return
        found = find_kept(point, self.canvas, source)
        if isinstance(found, str):
            self._warn(found)
            return
        self.session.reopen(found.prompts, found.shape, found.object_id, found.place, found.class_name)
        self.dock.shape_box.show_shape(found.shape)
        self.dock.show_classes(settings.classes(), found.class_name)

    def _on_class_key(self, number: int) -> None:
        names = settings.classes()
        if number < len(names):
            self.set_class(names[number])

    def _on_tool_on(self) -> None:
        self.dock.show_tool(True)
        self.engine.start()
        self.refresh_source()
        self.tool_changed.emit(True)

    def _on_tool_off(self) -> None:
        self.dock.show_tool(False)
        self.marks.show_preview(None, None)
        self.tool_changed.emit(False)

    # What the dock says

    def _on_model(self, name: str) -> None:
        settings.put("model", name)
        self.session.model = name
        self._rest.start()

    def _on_look(self) -> None:
        if self.layer is None:
            return
        dialog = LookDialog(self.layer, self.iface.mainWindow())
        if dialog.exec():
            self.choose_look(dialog.chosen_bands(), dialog.chosen_stretch())
        dialog.deleteLater()

    def choose_look(self, bands: tuple[int, ...], stretch: str) -> None:
        """Look at other bands of the layer, or with another stretch; empty is as styled."""
        if self.layer is not None:
            choose_look(self.layer, bands, stretch, self.refresh_source, self._warn)

    def _on_shape(self, shape: Any) -> None:
        settings.set_shape(shape)
        self.session.reshape(shape)

    def _on_frame(self, layer: QgsRasterLayer) -> None:
        self.set_layer(layer)
        self.iface.setActiveLayer(layer)

    # What the work says

    def _on_failure(self, failure: Failure, object_id: str) -> None:
        log(f"{object_id}: {failure.type}: {failure.message}", Qgis.MessageLevel.Warning)
        self._warn(failure.message)

    def _on_status(self, status: Status, text: str) -> None:
        self.dock.set_status(status, text)
        if text:
            log(f"{status.value}: {text}", Qgis.MessageLevel.Info)
        if status is Status.RESTARTING:
            self._warn(tr("The engine has ended and is started again; nothing is lost."))
        elif status is Status.FAILED:
            self.iface.messageBar().pushMessage("ROS-SAM", text, Qgis.MessageLevel.Critical, 0)

    def _on_reachable(self) -> None:
        if self.layer is not None and self.session.current is None:
            self.refresh_source()
        self._forget_call()
        self._call = self.engine.client.get("/v1/models")
        self._call.answered.connect(self._on_models)
        self._call.failed.connect(lambda _: self._drop_call())

    def _on_models(self, answer: dict[str, Any]) -> None:
        self._call = None
        names = [one["name"] for one in answer["models"] if one["state"] != "absent"]
        self.dock.show_models(names, self.session.model or settings.get("model"))

    # What QGIS says

    def _on_active_layer(self, layer: QgsMapLayer | None) -> None:
        if isinstance(layer, QgsRasterLayer):
            self.set_layer(layer)

    def _on_layers_leave(self, ids: list[str]) -> None:
        if self.layer is not None and self.layer.id() in ids:
            self.session.clear()
            self.set_layer(None)

    def _on_view(self) -> None:
        self.hover.leave()
        self._rest.start()

    def _on_map_crs(self) -> None:
        self._show()
        if isinstance(self.session.source, RenderedSource):
            self.refresh_source()

    def _on_rest(self) -> None:
        """Have what is on screen encoded; of a layer that QGIS draws, take a new picture first."""
        if self.canvas.mapTool() is not self.tool or self.layer is None or self.engine.client is None:
            return
        if isinstance(self.session.source, RenderedSource):
            fresh = RenderedSource(self.layer, self.canvas.mapSettings())
            if fresh.key != self.session.source.key:
                self.session.use(fresh)
        source = self.session.source
        if source is None:
            return
        region = view_in(self.canvas.extent(), self._map_crs(), source.crs)
        point = self._in_layer(self._mouse, source, silent=True) if self._mouse is not None else None
        if region is not None:
            self._warmed = time.monotonic()
            self.warmer.warm(source, region, point, self.session.model)

    # Helpers

    def _watch(self, layer: QgsRasterLayer | None) -> None:
        """Listen to this layer and no longer to the one before."""
        for one, change in ((self.layer, "disconnect"), (layer, "connect")):
            if one is not None:
                getattr(one.styleChanged, change)(self.refresh_source)
                getattr(one.crsChanged, change)(self.refresh_source)
        self.layer = layer

    def _source(self) -> Source | None:
        if self.session.source is None:
            self._warn(tr("Choose a raster layer first."))
        return self.session.source

    def _map_crs(self) -> Any:
        return self.canvas.mapSettings().destinationCrs()

    def _in_layer(
        self, point: QgsPointXY, source: Source, silent: bool = False
    ) -> tuple[float, float] | None:
        try:
            return transform([point], self._map_crs(), source.crs)[0]
        except Unreachable as error:
            if not silent:
                self._warn(str(error))
            return None

    def _forget_call(self) -> None:
        if self._call is not None:
            self._call.abort()
            self._call = None

    def _drop_call(self) -> None:
        self._call = None

    def _show(self) -> None:
        current = self.session.current
        self.marks.show(current)
        self.dock.show_object(current, len(self.session.leaving))
        self._show_steps()

    def _show_steps(self) -> None:
        current, steps = self.session.current, self.keeper.steps
        can_undo = (current is not None and current.history.can_undo) or steps.undoable is not None
        can_redo = (current is not None and current.history.can_redo) or steps.redoable is not None
        self.dock.show_steps(can_undo, can_redo)

    def _warn(self, text: str) -> None:
        self.iface.messageBar().pushMessage("ROS-SAM", text, Qgis.MessageLevel.Warning, 6)
