"""Lists the algorithms."""

from __future__ import annotations

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .find_objects import FindObjects
from .import_video import ImportVideo
from .segment_boxes import SegmentByBoxes
from .segment_points import SegmentByPoints


class RosSamProvider(QgsProcessingProvider):
    """The provider `ros_sam`.

    Args:
        icon: of the provider.
    """

    def __init__(self, icon: QIcon) -> None:
        super().__init__()
        self._icon = icon

    def id(self) -> str:
        """Return the name by which models and scripts know it."""
        return "ros_sam"

    def name(self) -> str:
        """Return the name in the toolbox."""
        return "ROS-SAM"

    def icon(self) -> QIcon:
        """Return the icon in the toolbox."""
        return self._icon

    def loadAlgorithms(self) -> None:
        """Add the algorithms; QGIS calls this."""
        for algorithm in (SegmentByBoxes, SegmentByPoints, FindObjects, ImportVideo):
            self.addAlgorithm(algorithm())
