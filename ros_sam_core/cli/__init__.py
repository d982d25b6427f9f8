"""The command line, `ros-sam`.

`app` says what can be typed, the other modules do it. Nothing here imports a large library before a command
needs it, so that `ros-sam --help` answers at once.
"""

from ros_sam_core.cli.app import main

__all__ = ["main"]
