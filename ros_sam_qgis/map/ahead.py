"""What is done before a click: the outline under the cursor, and the encoding of what is on screen."""

from __future__ import annotations

import time

from qgis.core import QgsPointXY
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QObject, QTimer

from ..engine.frames import Frames
from ..session.at_hand import Outline
from ..session.hover import Hover, Warmer
from ..session.session import Session
from ..sources.rendered import RenderedSource
from ..sources.source import Source
from .coordinates import Unreachable, transform, view_in
from .marks import Marks
from .tool import Mode, SegmentTool

WARM_MS = 250
"""How long the view must rest before what it shows is encoded."""
PATIENCE_S = 2.0
"""How long such a wish is left alone before one for another place under the cursor replaces it."""


class Ahead(QObject):
    """Looks ahead of the user.

    Args:
        canvas: where the mouse moves.
        tool: that says where.
        frames: by which the engine is asked.
        session: of which the image is.
        marks: in which the outline under the cursor is drawn.
    """

    def __init__(
        self,
        canvas: QgsMapCanvas,
        tool: SegmentTool,
        frames: Frames,
        session: Session,
        marks: Marks,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._canvas, self._tool, self._frames = canvas, tool, frames
        self._session, self._marks = session, marks
        self._mouse: QgsPointXY | None = None
        self._warmed = 0.0
        self.hover, self.warmer = Hover(frames, self), Warmer(frames, self)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(WARM_MS)
        self._rest.timeout.connect(self._on_rest)
        tool.hovered.connect(self._on_hover)
        tool.left.connect(self.hover.leave)
        self.hover.shown.connect(self._on_preview)
        self.hover.hidden.connect(lambda: marks.show_preview(None, None))
        self.hover.blind.connect(self._on_blind)
        canvas.extentsChanged.connect(self._on_view)

    def close(self) -> None:
        """Let go of the canvas and of what is under way."""
        self._rest.stop()
        self._canvas.extentsChanged.disconnect(self._on_view)
        self.hover.leave()
        self.warmer.stop()

    def take_preview(self) -> Outline | None:
        """Return the outline under the cursor, which leaves the screen."""
        outline = self.hover.outline
        self.hover.leave()
        return outline

    def look(self) -> None:
        """Have what is on screen encoded, once the view rests."""
        self._rest.start()

    def _may_preview(self) -> bool:
        """Say whether a click would begin a new object."""
        current = self._session.current
        return self._tool.mode is Mode.QUICK or current is None or current.prompts.is_empty

    def _on_hover(self, point: QgsPointXY) -> None:
        self._mouse = point
        source = self._session.source
        place = self._place(source) if source is not None and self._may_preview() else None
        if place is not None:
            self.hover.move(source, *place, self._session.shape, self._session.model)

    def _on_preview(self, outline: Outline, source: Source) -> None:
        if self._may_preview():
            self._marks.show_preview(outline.geometry, source.crs)

    def _on_blind(self) -> None:
        """Have what is around the cursor encoded; a wish just heard stays, or none would ever end."""
        if time.monotonic() - self._warmed > PATIENCE_S:
            self._rest.start()

    def _on_view(self) -> None:
        self.hover.leave()
        self._rest.start()

    def _on_rest(self) -> None:
        """Have what is on screen encoded; of a layer that QGIS draws, take a new picture first."""
        source = self._session.source
        if self._canvas.mapTool() is not self._tool or source is None or self._frames.engine.client is None:
            return
        settings = self._canvas.mapSettings()
        if isinstance(source, RenderedSource):
            fresh = source.renewed(settings)
            if fresh.key != source.key:
                self._session.use(fresh)
                source = fresh
        region = view_in(self._canvas.extent(), settings.destinationCrs(), source.crs)
        if region is not None:
            self._warmed = time.monotonic()
            self.warmer.warm(source, region, self._place(source), self._session.model)

    def _place(self, source: Source) -> tuple[float, float] | None:
        """Return where the mouse is on an image, None where that has no coordinates there."""
        if self._mouse is None:
            return None
        try:
            return transform([self._mouse], self._canvas.mapSettings().destinationCrs(), source.crs)[0]
        except Unreachable:
            return None
