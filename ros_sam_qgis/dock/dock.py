"""The dock: layer, model, mode, output, and the object at hand."""

from __future__ import annotations

from qgis.core import QgsMapLayer, QgsMapLayerProxyModel
from qgis.gui import QgsDockWidget, QgsMapLayerComboBox
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..engine.engine import Status
from ..i18n import tr
from ..icons import icon, theme_icon
from ..map.tool import Mode
from .frames_box import FramesBox
from .object_box import ObjectBox
from .shape_box import ShapeBox

COLOURS = {Status.READY: "#2e9e44", Status.FAILED: "#d33a2c", Status.OFF: "#888888"}
BUSY = "#d9930d"
CHECKED = """:checked {
    background-color: transparent; border: 2px solid palette(highlight); border-radius: 3px; padding: 2px;
}"""
"""What is on looks so in every theme; Fusion in dark colours, and some of QGIS's themes, hardly show it."""


class SegmentDock(QgsDockWidget):
    """Shows what is, and signals what the user wants.

    Signals:
        layer_chosen: a raster layer, or None.
        output_chosen: a vector layer, or None for the plugin's own file.
        model_chosen: a name or a file; empty for the engine's own.
        class_typed: a name.
        mode_chosen: a `Mode`.
        tool_toggled: the map tool is wanted, or not.
        setup_wanted, retry_wanted, settings_wanted, export_wanted, video_wanted, look_wanted: buttons.
    """

    layer_chosen = pyqtSignal(object)
    output_chosen = pyqtSignal(object)
    model_chosen = pyqtSignal(str)
    class_typed = pyqtSignal(str)
    mode_chosen = pyqtSignal(object)
    tool_toggled = pyqtSignal(bool)
    setup_wanted = pyqtSignal()
    retry_wanted = pyqtSignal()
    settings_wanted = pyqtSignal()
    export_wanted = pyqtSignal()
    video_wanted = pyqtSignal()
    look_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(tr("ROS-SAM"), parent)
        self.setObjectName("RosSamDock")
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        column.addLayout(self._status_row())
        column.addLayout(self._choices())
        column.addLayout(self._mode_row())
        self.object_box = ObjectBox()
        column.addWidget(self.object_box)
        self.shape_box = ShapeBox()
        self.frames_box = FramesBox()
        column.addWidget(self.shape_box)
        column.addWidget(self.frames_box)
        column.addLayout(self._file_row())
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(body)
        bar = scroll.verticalScrollBar().sizeHint().width()
        scroll.setMinimumWidth(body.minimumSizeHint().width() + bar)  # nothing is cut off, in any language
        self.setWidget(scroll)
        self.set_status(Status.OFF, "")
        self.object_box.show_object(None)

    def set_status(self, status: Status, text: str) -> None:
        """Show how the engine is, and the one button that helps."""
        self.lamp.setStyleSheet(f"color: {COLOURS.get(status, BUSY)};")
        self.status.setText(name_of(status))
        self.status.setToolTip(text)
        self.retry.setVisible(status is Status.FAILED)

    def set_needs_setup(self, needed: bool) -> None:
        """Offer to set the engine up."""
        self.setup.setVisible(needed)

    def show_layer(self, layer: QgsMapLayer | None) -> None:
        """Show which layer is looked at, without a signal."""
        _show(self.layer, layer)

    def show_output(self, layer: QgsMapLayer | None) -> None:
        """Show which layer is written to, without a signal."""
        _show(self.output, layer)

    def show_models(self, names: list[str], current: str, own: str = "") -> None:
        """List the models that can be chosen, without a signal.

        Args:
            names: what is installed.
            current: the one that is used; empty is the engine's own.
            own: what that is called, where it is no choice of ours.
        """
        current = "" if current == own else current
        others = [name for name in names if name != own]
        if current and current not in others:
            others.insert(0, current)
        self.model.blockSignals(True)
        self.model.clear()
        if own or not current:
            self.model.addItem(own, "")
        for name in others:
            self.model.addItem(name, name)
        self.model.setCurrentIndex(self.model.findData(current))
        self.model.blockSignals(False)

    def show_classes(self, names: list[str], current: str) -> None:
        """List the classes, without a signal and without touching what is being typed."""
        listed = [self.class_name.itemText(index) for index in range(self.class_name.count())]
        if listed == ["", *names] and (
            self._class_shown == current or self.class_name.currentText() == current
        ):
            return
        self._class_shown = current
        self.class_name.blockSignals(True)
        self.class_name.clear()
        self.class_name.addItems(["", *names])
        self.class_name.setCurrentText(current)
        self.class_name.blockSignals(False)

    def show_mode(self, mode: Mode) -> None:
        """Show which mode is on, without a signal."""
        self.modes[mode].setChecked(True)

    def show_tool(self, active: bool) -> None:
        """Show whether the map tool is on, without a signal."""
        self.tool.blockSignals(True)
        self.tool.setChecked(active)
        self.tool.blockSignals(False)

    def _status_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.lamp, self.status = QLabel("●"), QLabel()
        self.status.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setup = QPushButton(tr("Set up engine"))
        self.setup.clicked.connect(lambda: self.setup_wanted.emit())
        self.setup.hide()
        self.retry = QPushButton(tr("Try again"))
        self.retry.clicked.connect(lambda: self.retry_wanted.emit())
        self.settings = QToolButton()
        self.settings.setIcon(theme_icon("mActionOptions"))
        self.settings.setToolTip(tr("Settings: engine, models, diagnostics"))
        self.settings.clicked.connect(lambda: self.settings_wanted.emit())
        for widget in (self.lamp, self.status, self.setup, self.retry, self.settings):
            row.addWidget(widget)
        return row

    def _choices(self) -> QFormLayout:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.layer = QgsMapLayerComboBox()
        self.layer.setFilters(QgsMapLayerProxyModel.Filter.RasterLayer)
        self.layer.setAllowEmptyLayer(True)
        _show(self.layer, None)
        self.layer.setToolTip(tr("Image with the objects: any raster layer"))
        self.layer.layerChanged.connect(lambda layer: self.layer_chosen.emit(layer))
        self.model = QComboBox()
        self.model.activated.connect(lambda row: self.model_chosen.emit(self.model.itemData(row)))
        self.model.setToolTip(tr("Model that outlines; the settings offer more"))
        self.output = QgsMapLayerComboBox()
        self.output.setFilters(
            QgsMapLayerProxyModel.Filter.PolygonLayer | QgsMapLayerProxyModel.Filter.WritableLayer
        )
        self.output.setAllowEmptyLayer(True, tr("GeoPackage beside the project"))
        _show(self.output, None)
        self.output.setToolTip(tr("Where kept objects are written, each at once"))
        self.output.layerChanged.connect(lambda layer: self.output_chosen.emit(layer))
        self.class_name = QComboBox()
        self.class_name.setEditable(True)
        self.class_name.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._class_shown = ""
        self.class_name.setToolTip(tr("Class of what is kept next; keys 1 to 9 choose from the list"))
        self.class_name.textActivated.connect(self.class_typed)
        self.class_name.lineEdit().editingFinished.connect(
            lambda: self.class_typed.emit(self.class_name.currentText())
        )
        for label, box in (
            (tr("Layer"), self.layer),
            (tr("Model"), self.model),
            (tr("Output"), self.output),
            (tr("Class"), self.class_name),
        ):
            box.setMinimumContentsLength(8)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            form.addRow(label, box if box is not self.layer else self._beside(box))
        return form

    def _beside(self, box: QgsMapLayerComboBox) -> QHBoxLayout:
        """Put the button for bands and stretch beside the layer."""
        row = QHBoxLayout()
        self.look = QToolButton()
        self.look.setIcon(icon("bands"))
        self.look.setToolTip(tr("Bands and stretch that the model sees"))
        self.look.clicked.connect(lambda: self.look_wanted.emit())
        row.addWidget(box, 1)
        row.addWidget(self.look)
        return row

    def _mode_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.tool = QPushButton(icon("ros_sam"), tr("Outline"))
        self.tool.setCheckable(True)
        self.tool.setToolTip(tr("Turn the map tool on or off"))
        self.tool.toggled.connect(self.tool_toggled)
        self.tool.setStyleSheet(CHECKED)
        row.addWidget(self.tool)
        group = QButtonGroup(self)
        self.modes: dict[Mode, QToolButton] = {}
        texts = {
            Mode.POINTS: (tr("Points"), tr("Clicks and boxes add up to one object; Enter keeps it")),
            Mode.BOX: (tr("Box"), tr("Two clicks, or a drag, draw a box")),
            Mode.QUICK: (tr("Quick"), tr("Each click is an object; the next click keeps it")),
        }
        for mode, (text, tip) in texts.items():
            button = self.modes[mode] = QToolButton()
            button.setText(text)
            button.setIcon(icon(mode.value))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setToolTip(f"{tip} (Tab)")
            button.setCheckable(True)
            button.setStyleSheet(CHECKED)
            button.clicked.connect(lambda _=False, chosen=mode: self.mode_chosen.emit(chosen))
            group.addButton(button)
            row.addWidget(button)
        self.modes[Mode.POINTS].setChecked(True)
        buttons = (self.tool, *self.modes.values())
        height = max(button.sizeHint().height() for button in buttons)
        for button in buttons:
            button.setFixedHeight(height)  # on or off
        return row

    def _file_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.video = QPushButton(icon("video"), tr("Open video…"))
        self.export = QPushButton(theme_icon("mActionFileSaveAs"), tr("Export…"))
        self.video.setToolTip(tr("Open a satellite video as frames"))
        self.export.setToolTip(tr("Save kept objects as GeoPackage, GeoJSON, Shapefile or FlatGeobuf"))
        self.video.clicked.connect(lambda: self.video_wanted.emit())
        self.export.clicked.connect(lambda: self.export_wanted.emit())
        row.addWidget(self.video)
        row.addWidget(self.export)
        return row


def _show(box: QgsMapLayerComboBox, layer: QgsMapLayer | None) -> None:
    """Show a layer in a list, or the list's first row, which is empty, without a signal."""
    box.blockSignals(True)
    if layer is None:
        box.setCurrentIndex(0)
    else:
        box.setLayer(layer)
    box.blockSignals(False)


def name_of(status: Status) -> str:
    """Return what users read of the engine's status."""
    return {
        Status.OFF: tr("Engine off"),
        Status.STARTING: tr("Engine starting…"),
        Status.LOADING: tr("Model loading…"),
        Status.READY: tr("Ready"),
        Status.RESTARTING: tr("Engine restarting…"),
        Status.FAILED: tr("Engine not available"),
    }[status]
