"""Asks which satellite video to open, and what is not written in its files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from qgis.core import QgsLayerTreeGroup, QgsProject
from qgis.gui import QgsDateTimeEdit, QgsFileWidget
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QStackedWidget,
    QWidget,
)

from ..i18n import tr

FOLDER, FILE, GROUP = range(3)
WIDTH = 560


@dataclass(frozen=True)
class VideoWish:
    """What the user has asked for.

    Attributes:
        kind: FOLDER, FILE (multi-page, or a video) or GROUP.
        path: of a folder or a file.
        group: name of a layer group of the project, with those of the groups around it.
        reference: raster with the georeference of a video file's frames; may be empty.
        start: time of the first frame; None takes it from the names.
        step_s: seconds from frame to frame; None takes the video's own.
        layers: ids of the group's layers, in their order; several groups may have one name.
    """

    kind: int
    path: str
    group: str
    reference: str
    start: datetime | None
    step_s: float | None
    layers: tuple[str, ...] = ()


class VideoDialog(QDialog):
    """Folder, file or group; reference, start and rate."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Open a satellite video"))
        form = QFormLayout(self)
        self.kind = QComboBox()
        self.kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.kind.addItems(
            [tr("Folder of images"), tr("File: many pages, or a video"), tr("Layer group of this project")]
        )
        self.folder, self.file, self.group = QgsFileWidget(), QgsFileWidget(), QComboBox()
        self.folder.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        for name, layers in groups_in(QgsProject.instance().layerTreeRoot()):
            self.group.addItem(name, layers)
        self.source = QStackedWidget()
        for widget in (self.folder, self.file, self.group):
            self.source.addWidget(widget)
        self.kind.currentIndexChanged.connect(self.source.setCurrentIndex)
        self.reference = QgsFileWidget()
        self.reference.setToolTip(tr("A georeferenced raster of the video's size"))
        self.has_start = QCheckBox(tr("First frame taken at (UTC)"))
        self.start = QgsDateTimeEdit()
        self.start.setTimeSpec(Qt.TimeSpec.UTC)
        self.start.setEnabled(False)
        self.has_start.toggled.connect(self.start.setEnabled)
        self.step = QDoubleSpinBox()
        self.step.setRange(0.0, 1e6)
        self.step.setDecimals(3)
        self.step.setSpecialValueText(tr("as in the video, else 1"))
        form.addRow(tr("Open"), self.kind)
        form.addRow("", self.source)
        form.addRow(tr("Georeference of a video file"), self.reference)
        form.addRow(self.has_start, self.start)
        form.addRow(tr("Seconds from frame to frame"), self.step)
        hint = QLabel(tr("Times in the files' names, such as 20240501T100000, are used if there are any."))
        hint.setWordWrap(True)
        form.addRow(hint)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form.addRow(self.buttons)
        self.kind.currentIndexChanged.connect(self._check)
        for widget in (self.folder, self.file):
            widget.fileChanged.connect(self._check)
        self.setMinimumWidth(WIDTH)
        self._check()

    def _check(self) -> None:
        """Let nobody open nothing, and ask for the georeference of a video file only."""
        kind = self.kind.currentIndex()
        given = (self.folder.filePath(), self.file.filePath(), self.group.currentText())[kind]
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(bool(given.strip()))
        self.reference.setEnabled(kind == FILE)

    def wish(self) -> VideoWish:
        """Return what the widgets say."""
        kind = self.kind.currentIndex()
        path = self.folder.filePath() if kind == FOLDER else self.file.filePath()
        start = None
        if self.has_start.isChecked():
            chosen = self.start.dateTime().toUTC()
            start = datetime.fromtimestamp(chosen.toMSecsSinceEpoch() / 1000, timezone.utc)
        step = self.step.value() or None
        group, layers = self.group.currentText(), tuple(self.group.currentData() or ())
        return VideoWish(kind, path, group, self.reference.filePath(), start, step, layers)


def groups_in(
    parent: QgsLayerTreeGroup, names: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the groups of a layer tree, those within others after them.

    Args:
        parent: whose groups these are.
        names: of the groups around them.

    Yields:
        Name, with the names of the groups around it, and the ids of its layers.
    """
    for group in parent.findGroups():
        own = (*names, group.name())
        yield " / ".join(own), tuple(group.findLayerIds())
        yield from groups_in(group, own)
