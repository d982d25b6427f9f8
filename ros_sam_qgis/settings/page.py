"""The plugin's page in QGIS's options."""

from __future__ import annotations

from collections.abc import Callable

from qgis.core import Qgis
from qgis.gui import QgsFileWidget, QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import (
    QApplication,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from ..background import log
from ..dock.dock import name_of
from ..engine.engine import Engine
from ..i18n import tr
from . import store as settings
from .models_box import ModelsBox


class SettingsPage(QgsOptionsPageWidget):
    """Engine, models, classes, diagnostics.

    Args:
        engine: that is told of changes.
        set_up: opens the set-up dialog.
        diagnose: returns the text for a bug report.
        parent: QGIS's options dialog.
    """

    NAME = "rosSamOptions"

    def __init__(
        self,
        engine: Engine,
        set_up: Callable[[], None],
        diagnose: Callable[[], str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(self.NAME)
        self._engine, self._set_up, self._diagnose = engine, set_up, diagnose
        column = QVBoxLayout(self)
        column.addWidget(self._engine_box())
        column.addWidget(self._model_box())
        column.addWidget(ModelsBox(engine))
        column.addWidget(self._classes_box())
        column.addWidget(self._help_box())
        column.addStretch(1)
        self._load()

    def apply(self) -> None:
        """Keep what the widgets say; QGIS calls this when its dialog is accepted."""
        before = {name: settings.get(name) for name in settings.TEXTS}
        settings.put("engine/kind", settings.REMOTE if self.remote.isChecked() else settings.LOCAL)
        settings.put("engine/python", self.python.filePath() if self.named.isChecked() else "")
        settings.put("engine/address", self.address.text().strip())
        settings.put("engine/device", self.device.currentText())
        if settings.get("engine/address") != before["engine/address"]:
            settings.put("engine/model", "")
        file = self.model_file.filePath().strip()
        if file != self._file_before:
            settings.set_model(file)
            self._file_before = file
        new_token = bool(self.token.text())
        if new_token and not settings.set_token(self.token.text()):
            log(tr("QGIS's authentication store did not take the token."), Qgis.MessageLevel.Critical)
        names = [line.strip() for line in self.classes.toPlainText().splitlines()]
        settings.set_classes(list(dict.fromkeys(name for name in names if name)))
        if new_token or before != {name: settings.get(name) for name in settings.TEXTS}:
            self._engine.restart()

    def _engine_box(self) -> QGroupBox:
        box = QGroupBox(tr("Engine"))
        form = QFormLayout(box)
        self.own = QRadioButton(tr("Set up by this plugin, in the QGIS profile"))
        self.named = QRadioButton(tr("A Python of mine that has ros-sam[engine]"))
        self.remote = QRadioButton(tr("On another machine"))
        self.state = QLabel()
        self.build = QPushButton(tr("Set up or repair…"))
        self.build.clicked.connect(lambda: self._set_up())
        row = QHBoxLayout()
        row.addWidget(self.state, 1)
        row.addWidget(self.build)
        self.python, self.address, self.token = QgsFileWidget(), QLineEdit(), QLineEdit()
        self.address.setPlaceholderText("https://gpu.example.org:8765")
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.token.setPlaceholderText(tr("unchanged; kept in QGIS's authentication store"))
        self.device = QComboBox()
        self.device.addItems(settings.DEVICES)
        form.addRow(self.own)
        form.addRow("", row)
        form.addRow(self.named)
        form.addRow(tr("Interpreter"), self.python)
        form.addRow(self.remote)
        form.addRow(tr("Address"), self.address)
        form.addRow(tr("Token"), self.token)
        form.addRow(tr("Device of an engine on this machine"), self.device)
        for button, widgets in (
            (self.own, [self.build]),
            (self.named, [self.python]),
            (self.remote, [self.address, self.token]),
        ):
            for widget in widgets:
                button.toggled.connect(widget.setEnabled)
        return box

    def _model_box(self) -> QGroupBox:
        box = QGroupBox(tr("A model of mine"))
        form = QFormLayout(box)
        self.model_file = QgsFileWidget()
        self.model_file.setFilter(tr("Model weights") + " (*.safetensors *.pth *.pt)")
        form.addRow(tr("Weights"), self.model_file)
        return box

    def _classes_box(self) -> QGroupBox:
        box = QGroupBox(tr("Classes, one a line; keys 1 to 9 choose the first nine"))
        column = QVBoxLayout(box)
        self.classes = QPlainTextEdit()
        self.classes.setMaximumHeight(110)
        column.addWidget(self.classes)
        return box

    def _help_box(self) -> QGroupBox:
        box = QGroupBox(tr("Diagnostics"))
        row = QHBoxLayout(box)
        copy = QPushButton(tr("Copy for a bug report"))
        copy.clicked.connect(lambda: QApplication.clipboard().setText(self._diagnose()))
        row.addWidget(copy)
        row.addStretch(1)
        return box

    def _load(self) -> None:
        python, model = settings.get("engine/python"), settings.model()
        chosen = self.remote if settings.is_remote() else self.named if python else self.own
        for button in (self.own, self.named, self.remote):
            button.toggled.emit(False)
        chosen.setChecked(True)
        self.state.setText(tr("Status: {status}").format(status=name_of(self._engine.status)))
        self.python.setFilePath(python)
        self.address.setText(settings.get("engine/address"))
        self.device.setCurrentText(settings.get("engine/device"))
        self._file_before = model if model.endswith((".pth", ".pt", ".safetensors")) else ""
        self.model_file.setFilePath(self._file_before)
        self.classes.setPlainText("\n".join(settings.classes()))


class SettingsFactory(QgsOptionsWidgetFactory):
    """Makes the page whenever QGIS opens its options.

    Args:
        make: returns a page for a parent.
        icon: of the page.
    """

    def __init__(self, make: Callable[[QWidget | None], SettingsPage], icon: QIcon) -> None:
        super().__init__()
        self._make = make
        self.setTitle("ROS-SAM")
        self.setIcon(icon)

    def createWidget(self, parent: QWidget | None) -> SettingsPage:
        """Return a page."""
        return self._make(parent)
