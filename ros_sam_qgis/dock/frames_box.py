"""The frames of a satellite video."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QCheckBox, QGridLayout, QGroupBox, QLabel, QSlider, QToolButton, QWidget

from ..i18n import tr


class FramesBox(QGroupBox):
    """Steps through frames; hidden where the layer is none.

    Signals:
        frame_wanted: the number of a frame, from 0.
        only_then_toggled: objects shall show at the time of their frame only.
    """

    frame_wanted = pyqtSignal(int)
    only_then_toggled = pyqtSignal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(tr("Frames"), parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 4, 6, 4)
        self.previous, self.next = QToolButton(), QToolButton()
        self.previous.setArrowType(Qt.ArrowType.LeftArrow)
        self.previous.setToolTip(tr("Previous frame (key , on the map)"))
        self.next.setArrowType(Qt.ArrowType.RightArrow)
        self.next.setToolTip(tr("Next frame (key . on the map)"))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.only_then = QCheckBox(tr("Objects show at their time only"))
        grid.addWidget(self.previous, 0, 0)
        grid.addWidget(self.slider, 0, 1)
        grid.addWidget(self.next, 0, 2)
        grid.addWidget(self.label, 1, 0, 1, 3)
        grid.addWidget(self.only_then, 2, 0, 1, 3)
        self.previous.clicked.connect(lambda: self.slider.setValue(self.slider.value() - 1))
        self.next.clicked.connect(lambda: self.slider.setValue(self.slider.value() + 1))
        self.slider.valueChanged.connect(self.frame_wanted)
        self.only_then.toggled.connect(self.only_then_toggled)
        self.hide()

    def show_only_then(self, on: bool) -> None:
        """Show whether objects show at their time only; that changes none."""
        self.only_then.blockSignals(True)
        self.only_then.setChecked(on)
        self.only_then.blockSignals(False)

    def show_frame(self, index: int, count: int, label: str) -> None:
        """Show which frame is on; with no frames the box hides."""
        self.setVisible(count > 0)
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, count - 1))
        self.slider.setValue(index)
        self.slider.blockSignals(False)
        self.previous.setEnabled(index > 0)
        self.next.setEnabled(index < count - 1)
        text = tr("{number} of {count}: {label}")
        self.label.setText(text.format(number=index + 1, count=count, label=label) if count else "")
