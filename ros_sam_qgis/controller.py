"""Connects the dock, the map tool, the session and the file: the only place that knows all of them."""

from __future__ import annotations

from typing import Any

from qgis.core import Qgis, QgsMapLayer, QgsPointXY, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QObject, pyqtSignal

from .background import log
from .dock.dock import SegmentDock
from .dock.look_dialog import LookDialog
from .engine.engine import Engine, Status
from .engine.errors import Failure
from .engine.frames import Frames
from .engine_news import EngineNews
from .files import Files
from .i18n import tr
from .map.ahead import Ahead
from .map.coordinates import Unreachable, box_in, transform
from .map.marks import Marks
from .map.tool import Mode, SegmentTool
from .session.at_hand import ObjectAtHand
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
        self.keeper = Keeper(self)
        self.files = Files(iface, self.keeper, dock, self)
        self.player = Player(self.canvas, dock.frames_box, self)
        self.marks, self.tool = Marks(self.canvas), SegmentTool(self.canvas)
        self.ahead = Ahead(self.canvas, self.tool, self.frames, self.session, self.marks, self)
        self.hover = self.ahead.hover
        self.news = EngineNews(iface, engine, dock, self)
        self.layer: QgsRasterLayer | None = None
        self.session.shape = settings.shape()
        self.session.class_name = settings.get("class")
        self._connect_tool()
        self._connect_dock()
        self._connect_work()
        self._connect_qgis()
        self._follow_model()
        self._on_active_layer(iface.activeLayer())

    # What is connected with what

    def _connect_tool(self) -> None:
        tool = self.tool
        tool.clicked.connect(self._on_click)
        tool.boxed.connect(self._on_box)
        tool.reopened.connect(self._on_reopen)
        tool.undone.connect(self.undo)
        tool.redone.connect(self.redo)
        tool.kept.connect(self.session.keep)
        tool.cleared.connect(self.session.clear)
        tool.class_chosen.connect(self._on_class_key)
        tool.stepped.connect(self.player.step)
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
        dock.object_box.kept.connect(self.session.keep)
        dock.object_box.cleared.connect(self.session.clear)
        dock.object_box.undone.connect(self.undo)
        dock.object_box.redone.connect(self.redo)
        dock.retry_wanted.connect(self.engine.restart)
        dock.look_wanted.connect(self._on_look)
        dock.shape_box.shape_changed.connect(self._on_shape)

    def _connect_work(self) -> None:
        self.session.changed.connect(self._show)
        self.session.kept.connect(self.keeper.keep)
        self.session.failed.connect(self._on_failure)
        self.session.stranded.connect(self._on_stranded)
        self.keeper.changed.connect(self._show_steps)
        self.keeper.written.connect(self._on_written)
        self.keeper.added.connect(self.player.show_objects)
        self.files.opened.connect(self._on_opened)
        self.player.frame_changed.connect(self._on_frame)
        self.engine.reachable.connect(self._on_reachable)
        self.engine.status_changed.connect(self._follow_model)

    def _connect_qgis(self) -> None:
        self.canvas.destinationCrsChanged.connect(self._on_map_crs)
        self.canvas.temporalRangeChanged.connect(self._on_map_time)
        self.iface.currentLayerChanged.connect(self._on_active_layer)
        QgsProject.instance().layersWillBeRemoved.connect(self._on_layers_leave)
        QgsProject.instance().cleared.connect(self._on_project_gone)

    def close(self) -> None:
        """Undo `__init__`: leave nothing on the canvas, nothing connected, nothing unwritten."""
        self.set_active(False)
        self.ahead.close()
        self.news.close()
        self.canvas.destinationCrsChanged.disconnect(self._on_map_crs)
        self.canvas.temporalRangeChanged.disconnect(self._on_map_time)
        self.iface.currentLayerChanged.disconnect(self._on_active_layer)
        QgsProject.instance().layersWillBeRemoved.disconnect(self._on_layers_leave)
        QgsProject.instance().cleared.disconnect(self._on_project_gone)
        self._watch(None)
        self.engine.reachable.disconnect(self._on_reachable)
        self.engine.status_changed.disconnect(self._follow_model)
        self.files.close(self.session.give_up())
        self.player.close()
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
        self.session.classify(name)
        settings.put("class", self.session.class_name)
        self._show()

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
        self.ahead.look()

    # What the tool says

    def _on_click(self, point: QgsPointXY, label: int) -> None:
        if self.tool.mode is Mode.QUICK and label == 1:
            self.session.move_on()
        source = self._source_at_hand()
        place = self._in_layer(point, source) if source is not None else None
        if place is not None:
            self.session.click(*place, label, self.ahead.take_preview())

    def _on_box(self, corners: list[QgsPointXY]) -> None:
        if self.tool.mode is Mode.QUICK:
            self.session.move_on()
        source = self._source_at_hand()
        if source is None:
            return
        try:
            box = box_in(corners, self._map_crs(), source.crs)
        except Unreachable as error:
            self._warn(str(error))
            return
        self.session.box(box)

    def _on_reopen(self, point: QgsPointXY) -> None:
        source = self._source()
        if source is None:
            return
        found = find_kept(point, self.canvas, source)
        if isinstance(found, str):
            self._warn(found)
            return
        self.session.reopen(found.prompts, found.shape, found.object_id, found.place, found.class_name)

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
        settings.set_model(name)
        self._follow_model()
        if self.engine.status is Status.FAILED and self.engine.client is not None:
            self.engine.restart()  # with this model, in place of one that could not be opened
        self.ahead.look()

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
            choose_look(self.layer, bands, stretch, self.refresh_source, self._warn, self)

    def _on_shape(self, shape: Any) -> None:
        self.session.reshape(shape)
        settings.set_shape(self.session.shape)

    def _on_opened(self, layer: QgsRasterLayer) -> None:
        """Go to the first frame of a video; the layer at hand may have become that just now."""
        if layer is self.layer:
            self.player.use(layer)
            self.refresh_source()
        self._on_frame(layer)

    def _on_frame(self, layer: QgsRasterLayer) -> None:
        self.set_layer(layer)
        self.iface.setActiveLayer(layer)

    # What the work says

    def _on_failure(self, failure: Failure, object_id: str) -> None:
        log(f"{object_id}: {failure.type}: {failure.message}", Qgis.MessageLevel.Warning)
        self._warn(failure.text)

    def _on_stranded(self, failure: Failure, kept: ObjectAtHand) -> None:
        log(f"{kept.id}: {failure.type}: {failure.message}", Qgis.MessageLevel.Warning)
        if QgsProject.instance().mapLayer(kept.source.layer_id) is None:  # nobody could call it back there
            self.files.rescue([self.session.abandon(kept)])
            return
        if kept in self.session.leaving:
            text = tr("A kept object on {layer} has no outline; with none at hand, undo calls it back: {why}")
        else:
            text = tr("A kept object on {layer} has no outline and is at hand again: {why}")
        self._warn(text.format(layer=kept.source.name, why=failure.text))

    def _on_written(self, layer: QgsVectorLayer, class_name: str) -> None:
        restyle_objects(layer, [class_name])
        self.dock.object_box.count(layer.featureCount(), layer.name())
        self._show()

    def _on_reachable(self) -> None:
        if self.layer is not None and self.session.current is None:
            self.refresh_source()

    def _follow_model(self, *_: Any) -> None:
        """Ask for the model that the dock shows; the engine starts anew when the settings have changed."""
        self.session.model = settings.model() or None

    # What QGIS says

    def _on_active_layer(self, layer: QgsMapLayer | None) -> None:
        if isinstance(layer, QgsRasterLayer):
            self.set_layer(layer)

    def _on_layers_leave(self, ids: list[str]) -> None:
        if self.layer is not None and self.layer.id() in ids:
            self.session.clear()
            self.set_layer(None)
        self.player.forget(ids)

    def _on_project_gone(self) -> None:
        """Undo nothing in the files of a project that is closed; what was kept there goes to no other's."""
        self.files.rescue(self.session.give_up())
        self.keeper.forget_steps()
        self.dock.frames_box.show_only_then(False)

    def _on_map_crs(self) -> None:
        self._show()
        self._on_map_time()

    def _on_map_time(self) -> None:
        """Look anew at what QGIS draws; a file's pixels are the same at any time."""
        if isinstance(self.session.source, RenderedSource):
            self.refresh_source()

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

    def _source_at_hand(self) -> Source | None:
        """Return the image that the next prompt is on: an object at hand may be on an earlier picture."""
        current = self.session.current
        return self._source() if current is None else current.source

    def _map_crs(self) -> Any:
        return self.canvas.mapSettings().destinationCrs()

    def _in_layer(self, point: QgsPointXY, source: Source) -> tuple[float, float] | None:
        try:
            return transform([point], self._map_crs(), source.crs)[0]
        except Unreachable as error:
            self._warn(str(error))
            return None

    def _show(self) -> None:
        session = self.session
        self.marks.show(session.current)
        self.marks.show_waiting(session.leaving)
        if session.current is not None:
            source = session.current.source
            self.keeper.expect(source.crs, source.name, source.provenance)
        self.dock.object_box.show_object(session.current, session.awaited)
        self.dock.show_classes(settings.classes(), session.shown_class)
        if self.dock.shape_box.shape() != session.shown_shape:
            self.dock.shape_box.show_shape(session.shown_shape)
        self._show_steps()

    def _show_steps(self) -> None:
        can_undo = self.session.can_undo or self.keeper.steps.undoable is not None
        can_redo = self.session.can_redo or self.keeper.steps.redoable is not None
        self.dock.object_box.show_steps(can_undo, can_redo)

    def _warn(self, text: str) -> None:
        self.iface.messageBar().pushMessage("ROS-SAM", text, Qgis.MessageLevel.Warning, 6)
