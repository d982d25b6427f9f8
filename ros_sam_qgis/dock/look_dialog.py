"""Asks which bands of a layer the model looks at, and how they are stretched to 8 bit."""

from __future__ import annotations

import re

from qgis.core import QgsRasterLayer
from qgis.PyQt.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QWidget

from ..i18n import tr
from ..sources.style import BANDS, STRETCH

NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
STRETCHES = re.compile(rf"none|\d+(?:\.\d+)?-\d+(?:\.\d+)?|{NUMBER},{NUMBER}(?:,{NUMBER},{NUMBER}){{0,2}}")


class LookDialog(QDialog):
    """Three bands, or one, and a stretch; by default those of the layer's style.

    Args:
        layer: whose bands are offered, and whose choice is shown.
    """

    def __init__(self, layer: QgsRasterLayer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Bands and stretch of {layer}").format(layer=layer.name()))
        form = QFormLayout(self)
        hint = tr(
            "The model sees what the layer shows, unless you choose otherwise. Choose red alone for one band."
        )
        label = QLabel(hint)
        label.setWordWrap(True)
        form.addRow(label)
        chosen = [part for part in str(layer.customProperty(BANDS) or "").split(",") if part]
        self.bands: list[QComboBox] = []
        for index, title in enumerate((tr("Red"), tr("Green"), tr("Blue"))):
            combo = QComboBox()
            combo.addItem(tr("as styled") if index == 0 else "", 0)
            for band in range(1, layer.bandCount() + 1):
                combo.addItem(layer.bandName(band), band)
            combo.setCurrentIndex(int(chosen[index]) if index < len(chosen) else 0)
            self.bands.append(combo)
            form.addRow(title, combo)
        self.stretch = QComboBox()
        self.stretch.setEditable(True)
        self.stretch.addItems(["", "2-98", "1-99", "none", "0,10000"])
        self.stretch.setCurrentText(str(layer.customProperty(STRETCH) or ""))
        self.stretch.lineEdit().setPlaceholderText(tr("as styled"))
        self.stretch.setToolTip(
            tr("Percentiles (2-98), none, or the values that become black and white, min,max")
        )
        self.stretch.editTextChanged.connect(self._check)
        form.addRow(tr("Stretch"), self.stretch)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form.addRow(self.buttons)
        for combo in self.bands:
            combo.currentIndexChanged.connect(self._check)
        self._check()

    def chosen_bands(self) -> tuple[int, ...]:
        """Return one or three bands; none for those of the style."""
        red, green, blue = (int(combo.currentData()) for combo in self.bands)
        return () if not red else (red, green, blue) if green and blue else (red,)

    def chosen_stretch(self) -> str:
        """Return a stretch as the engine reads it; empty for that of the style."""
        return self.stretch.currentText().replace(" ", "")

    def _check(self) -> None:
        """Let nobody choose what cannot be."""
        red, green, blue = (int(combo.currentData()) for combo in self.bands)
        fits = bool(green) == bool(blue) and (bool(red) or not green)
        text = self.chosen_stretch()
        good = fits and (not text or STRETCHES.fullmatch(text) is not None)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(good)
