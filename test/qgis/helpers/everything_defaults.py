"""Write the core's defaults of everything mode as JSON: `everything_defaults.py OUT`."""

import dataclasses
import json
import sys
from pathlib import Path

from ros_sam_core.predict.everything.options import EverythingOptions

Path(sys.argv[1]).write_text(json.dumps(dataclasses.asdict(EverythingOptions())))
