"""Everything mode: the objects of a scene of any size, with no prompts."""

from ros_sam_core.predict.everything.options import EverythingOptions as EverythingOptions
from ros_sam_core.predict.everything.run import iter_everything as iter_everything
