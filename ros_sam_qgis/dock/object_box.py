"""The object at hand: what is known of it, and what can be done with it."""

from __future__ import annotations

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from ..i18n import tr
from ..icons import icon, theme_icon
from ..session.at_hand import ObjectAtHand

LINES = 2
"""Lines of text that have room at any time, so that nothing moves under the mouse."""


class ObjectBox(QWidget):
    """Facts and buttons.

    Signals:
        kept, undone, redone, cleared: buttons.
    """

    kept = pyqtSignal()
    undone = pyqtSignal()
    redone = pyqtSignal()
    cleared = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._count = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.facts = QLabel()
        self.facts.setWordWrap(True)
        self.facts.setText("\n".join("x" * LINES))
        self.facts.setMinimumHeight(self.facts.sizeHint().height())
        column.addWidget(self.facts)
        row = QHBoxLayout()
        self.keep = QPushButton(icon("keep"), tr("Keep"))
        self.undo, self.redo = QToolButton(), QToolButton()
        self.undo.setIcon(theme_icon("mActionUndo"))
        self.redo.setIcon(theme_icon("mActionRedo"))
        self.clear = QPushButton(tr("Clear"))
        for button, tip, signal in (
            (self.keep, tr("Keep the object (Enter)"), self.kept),
            (self.undo, tr("Take back a prompt, or the last kept object (Ctrl+Z)"), self.undone),
            (self.redo, tr("Do it again (Ctrl+Y)"), self.redone),
            (self.clear, tr("Drop the object at hand (Esc)"), self.cleared),
        ):
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, wanted=signal: wanted.emit())
            row.addWidget(button)
        column.addLayout(row)

    def show_object(self, at_hand: ObjectAtHand | None, leaving: int = 0) -> None:
        """Show what is known of the object at hand, and how many kept ones wait for their outline.

        While nothing waits, the line below tells how many objects are in the file.
        """
        nothing = at_hand is None or at_hand.prompts.is_empty
        texts = [_facts_of(at_hand)]
        if leaving:
            texts.append(tr("{count} kept, waiting for their outline.").format(count=leaving))
        if at_hand is not None and at_hand.corrects is not None:
            texts.append(tr("Correcting a kept object."))
        if len(texts) == 1 and self._count:
            texts.append(self._count)
        self.facts.setText("\n".join(texts))
        self.keep.setEnabled(not nothing and (at_hand.is_pending or at_hand.outline is not None))
        self.clear.setEnabled(not nothing)

    def count(self, objects: int, layer: str) -> None:
        """Remember how many objects a layer has, to be shown from now on."""
        self._count = tr("Kept in the layer {layer}: {count}.").format(count=objects, layer=layer)

    def show_steps(self, can_undo: bool, can_redo: bool) -> None:
        """Show what undo and redo would find."""
        self.undo.setEnabled(can_undo)
        self.redo.setEnabled(can_redo)


def _facts_of(at_hand: ObjectAtHand | None) -> str:
    if at_hand is None or at_hand.prompts.is_empty:
        return tr("Click an object, or drag a box around it.")
    if at_hand.is_pending:
        return tr("Outlining…")
    if at_hand.outline is None:
        return tr("No outline yet: click on the object.")
    found = at_hand.outline.attributes
    unit = "m²" if at_hand.source.crs.isValid() else "px²"
    text = tr("Expected IoU {score:.2f}, {area:,.1f} {unit}")
    return text.format(score=found.get("score") or 0.0, area=found.get("area_m2") or 0.0, unit=unit)
