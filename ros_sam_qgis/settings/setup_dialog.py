"""Sets the engine up with one click: which Python, with or without PyTorch, progress, log, cancel."""

from __future__ import annotations

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from ..background import run_in_background
from ..i18n import tr
from ..install.installer import Installer
from ..install.plan import InstallError, Pythons, Variant, find_pythons

LINES = 5000
FETCHED_MB = {Variant.ONNX: 260, Variant.CPU: 490, Variant.CUDA: 3000}


class SetupDialog(QDialog):
    """Drives an `Installer`.

    Args:
        installer: that does the work; it goes on when the dialog is closed.

    Signals:
        set_up: the engine can be started.
    """

    set_up = pyqtSignal()

    def __init__(self, installer: Installer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Set up the ROS-SAM engine"))
        self.resize(560, 420)
        self.installer = installer
        column = QVBoxLayout(self)
        intro = tr(
            "The model runs in a process of its own, in a Python environment in the QGIS profile. QGIS "
            "itself is not changed. PyTorch is needed for models of SAM's size and for GPUs, and can be "
            "added later."
        )
        label = QLabel(intro)
        label.setWordWrap(True)
        column.addWidget(label)
        column.addLayout(self._choices())
        self.bar, self.step = QProgressBar(), QLabel(" ")
        self.output = QPlainTextEdit()
        self.output.setReadOnly(True)
        self.output.setMaximumBlockCount(LINES)
        column.addWidget(self.bar)
        column.addWidget(self.step)
        column.addWidget(self.output, 1)
        self.go, self.stop = QPushButton(tr("Set up")), QPushButton(tr("Cancel set-up"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(self.go, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.addButton(self.stop, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)
        self.go.clicked.connect(self._on_go)
        self.stop.clicked.connect(installer.cancel)
        installer.progressed.connect(self._on_progress)
        installer.logged.connect(self.output.appendPlainText)
        installer.finished.connect(self._on_finished)
        self._show_running(installer.is_running)
        self.go.setEnabled(False)
        if not installer.is_running:
            self.step.setText(tr("Looking for a Python that will do…"))
        title = tr("ROS-SAM: look for Python")
        run_in_background(title, find_pythons, self._on_pythons, self.step.setText, owner=self)

    def done(self, result: int) -> None:
        """Let go of the installer, which may still be at work."""
        self.installer.progressed.disconnect(self._on_progress)
        self.installer.logged.disconnect(self.output.appendPlainText)
        self.installer.finished.disconnect(self._on_finished)
        super().done(result)

    def _choices(self) -> QFormLayout:
        form = QFormLayout()
        self.python = QComboBox()
        self.python.setEditable(True)
        group, column = QButtonGroup(self), QVBoxLayout()
        self.variants: dict[Variant, QRadioButton] = {}
        for variant, text in (
            (Variant.ONNX, tr("Small models on the CPU (about {size} MB to fetch)")),
            (Variant.CPU, tr("All models on the CPU, with PyTorch (about {size} MB)")),
            (Variant.CUDA, tr("All models on an NVIDIA GPU, with PyTorch (about {size} MB)")),
        ):
            button = self.variants[variant] = QRadioButton(text.format(size=FETCHED_MB[variant]))
            group.addButton(button)
            column.addWidget(button)
        self.variants[Variant.ONNX].setChecked(True)
        self.clear = QCheckBox(tr("Begin afresh (repair)"))
        form.addRow(tr("Python (3.11 or later)"), self.python)
        form.addRow(tr("For"), column)
        form.addRow("", self.clear)
        return form

    def _on_pythons(self, pythons: Pythons) -> None:
        self.python.addItems(pythons.usable)
        self.go.setEnabled(not self.installer.is_running)
        if not self.installer.is_running:
            self.step.setText(pythons.hint or " ")

    def _on_go(self) -> None:
        variant = next(one for one, button in self.variants.items() if button.isChecked())
        self._show_running(True)
        try:
            self.installer.start(self.python.currentText().strip(), variant, self.clear.isChecked())
        except (InstallError, OSError) as error:
            self._on_finished(False, str(error))

    def _on_progress(self, percent: int, text: str) -> None:
        self.bar.setValue(percent)
        self.step.setText(text)

    def _on_finished(self, good: bool, text: str) -> None:
        self._show_running(False)
        self.step.setText(text)
        if good:
            self.clear.setChecked(False)
            self.set_up.emit()

    def _show_running(self, running: bool) -> None:
        self.go.setEnabled(not running)
        self.stop.setEnabled(running)
        for widget in (self.python, *self.variants.values(), self.clear):
            widget.setEnabled(not running)
