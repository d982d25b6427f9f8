"""The options of the outline at hand."""

from __future__ import annotations

from qgis.gui import QgsCollapsibleGroupBox
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QPushButton, QWidget

from ..i18n import tr
from ..session.shape import Shape


class ShapeBox(QgsCollapsibleGroupBox):
    """Simplify, smooth, holes, minimum size, expand or shrink; in pixels of the image.

    Signals:
        shape_changed: the `Shape` that the user wants.
    """

    shape_changed = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(tr("Shape"), parent)
        self.setObjectName("rosSamShape")
        self.setCollapsed(True)
        form = QFormLayout(self)
        form.setContentsMargins(6, 4, 6, 4)
        self.simplify = self._spin(0.0, 20.0, 0.25, tr("How far the outline may move to lose vertices"))
        self.smooth = self._spin(0.0, 10.0, 0.25, tr("How much its corners are rounded"))
        self.expand = self._spin(-50.0, 50.0, 0.5, tr("How far it grows; below zero it shrinks"))
        self.smallest = self._spin(0.0, 1e6, 1.0, tr("Smaller parts are dropped, smaller holes filled"))
        self.holes = QCheckBox(tr("Fill holes"))
        self.holes.toggled.connect(self._on_change)
        self.reset = QPushButton(tr("Reset"))
        self.reset.clicked.connect(self._on_reset)
        form.addRow(tr("Simplify (px)"), self.simplify)
        form.addRow(tr("Smooth (px)"), self.smooth)
        form.addRow(tr("Expand (px)"), self.expand)
        form.addRow(tr("Smallest part (px²)"), self.smallest)
        form.addRow(self.holes, self.reset)
        self._silent = False
        self.show_shape(Shape())

    def shape(self) -> Shape:
        """Return what the widgets say."""
        return Shape(
            simplify_px=self.simplify.value(),
            smooth_px=self.smooth.value(),
            fill_holes=self.holes.isChecked(),
            min_area_px=self.smallest.value(),
            expand_px=self.expand.value(),
        )

    def show_shape(self, shape: Shape) -> None:
        """Show options without a signal."""
        self._silent = True
        self.simplify.setValue(shape.simplify_px)
        self.smooth.setValue(shape.smooth_px)
        self.expand.setValue(shape.expand_px)
        self.smallest.setValue(shape.min_area_px)
        self.holes.setChecked(shape.fill_holes)
        self._silent = False

    def _spin(self, low: float, high: float, step: float, tip: str) -> QDoubleSpinBox:
        spin = QDoubleSpinBox()
        spin.setRange(low, high)
        spin.setSingleStep(step)
        spin.setDecimals(2)
        spin.setToolTip(tip)
        spin.setKeyboardTracking(False)
        spin.valueChanged.connect(self._on_change)
        return spin

    def _on_change(self) -> None:
        if not self._silent:
            self.shape_changed.emit(self.shape())

    def _on_reset(self) -> None:
        self.show_shape(Shape())
        self._on_change()
