"""The models: what is installed, what can be fetched, under which terms."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..engine.client import Call
from ..engine.engine import Engine
from ..engine.errors import Failure
from ..engine.texts import text_of_error
from ..i18n import tr


class ModelsBox(QGroupBox):
    """Lists the engine's models and fetches them by name.

    Args:
        engine: that has them.
    """

    def __init__(self, engine: Engine, parent: QWidget | None = None) -> None:
        super().__init__(tr("Models"), parent)
        self._engine = engine
        self._download: Call | None = None
        self._error = ""
        column = QVBoxLayout(self)
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels([tr("Model"), tr("Size"), tr("State"), tr("Licence")])
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.itemSelectionChanged.connect(self._show_buttons)
        self.table.setMinimumHeight(150)
        column.addWidget(self.table)
        row = QHBoxLayout()
        self.fetch, self.stop = QPushButton(tr("Download")), QPushButton(tr("Cancel"))
        self.bar, self.note = QProgressBar(), QLabel()
        self.note.setWordWrap(True)
        self.bar.hide()
        self.stop.hide()
        self.fetch.clicked.connect(self._on_fetch)
        self.stop.clicked.connect(self._on_stop)
        for widget in (self.fetch, self.bar, self.stop):
            row.addWidget(widget)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(self.note)
        self._show_buttons()
        self.refresh()

    def refresh(self) -> None:
        """Ask the engine what it has."""
        if self._engine.client is None:
            self.note.setText(tr("Models are listed when the engine runs."))
            return
        call = self._engine.client.get("/v1/models")
        call.answered.connect(self._on_models)
        call.failed.connect(self._on_failed)

    def _on_models(self, answer: dict[str, Any]) -> None:
        states = {"bundled": tr("included"), "installed": tr("installed"), "absent": tr("can be fetched")}
        self.table.setRowCount(0)
        for model in answer["models"]:
            row = self.table.rowCount()
            self.table.insertRow(row)
            texts = (
                model["name"],
                tr("{size:.0f} MB").format(size=model["size_mb"] or 0),
                states.get(model["state"], model["state"])
                + ("" if model.get("runs", True) else tr(", needs PyTorch: set up anew")),
                model["licence"],
            )
            for column, text in enumerate(texts):
                item = QTableWidgetItem(str(text))
                item.setToolTip("\n".join(str(model[key]) for key in ("title", "hash") if model.get(key)))
                self.table.setItem(row, column, item)
            self.table.item(row, 0).setData(Qt.ItemDataRole.UserRole, model)
        self._show_buttons()

    def _selected(self) -> dict[str, Any] | None:
        row = self.table.currentRow()
        item = self.table.item(row, 0) if row >= 0 else None
        return item.data(Qt.ItemDataRole.UserRole) if item is not None else None

    def _show_buttons(self) -> None:
        model = self._selected()
        self.fetch.setEnabled(self._download is None and model is not None and model["state"] == "absent")

    def _on_fetch(self) -> None:
        model = self._selected()
        if model is None or self._engine.client is None:
            return
        text = tr("{name}: {licence}. It is fetched from {address} and checked: {hash}")
        facts = {key: model.get(key) for key in ("name", "licence", "address", "hash")}
        self.note.setText(text.format(**facts))
        self._error = ""
        self._download = self._engine.client.post(f"/v1/models/{model['name']}/download", {}, streamed=True)
        self._download.line.connect(self._on_line)
        self._download.answered.connect(self._on_end)
        self._download.answered.connect(self._engine.models_changed)  # the page may be closed by then
        self._download.failed.connect(self._on_failed)
        self.bar.setRange(0, 0)
        self.bar.show()
        self.stop.show()
        self._show_buttons()

    def _on_line(self, line: dict[str, Any]) -> None:
        if line.get("event") == "progress" and line.get("total"):
            self.bar.setRange(0, 1000)
            self.bar.setValue(int(1000 * line["done"] / line["total"]))
        elif line.get("event") == "error":
            self._error = text_of_error(line["error"])

    def _on_stop(self) -> None:
        if self._download is not None:
            self._download.abort()
            self._end(tr("Cancelled. What was fetched is kept; download again to go on."))
            self.refresh()

    def _on_end(self, _: dict[str, Any]) -> None:
        self._end(self._error)
        self.refresh()

    def _on_failed(self, failure: Failure) -> None:
        self._end(failure.text)

    def _end(self, note: str) -> None:
        """Show that nothing is fetched any more, and what there is to say about it."""
        self._download = None
        self.bar.hide()
        self.stop.hide()
        self.note.setText(note)
        self._show_buttons()
