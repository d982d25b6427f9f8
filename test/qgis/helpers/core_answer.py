"""Outline prompts on rasters with the core itself. Runs in the engine's Python.

python core_answer.py MODEL REQUESTS.json ANSWERS.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import shapely

from ros_sam_core import Prompt, RasterFrame, Segmenter

model, requests, answers = sys.argv[1:]
segmenter = Segmenter.from_pretrained(model)
found = {}
for name, asked in json.loads(Path(requests).read_text()).items():
    prompts = [Prompt(**{**one, "crs": None}) for one in asked["prompts"]]
    with RasterFrame.open(asked["raster"], bands=asked["bands"], stretch=asked["stretch"]) as frame:
        table = segmenter.segment(frame, prompts)
    found[name] = {
        row["prompt_id"]: {
            **row.drop("geometry").to_dict(),
            "wkb": shapely.to_wkb(row.geometry, hex=True),
        }
        for _, row in table.iterrows()
    }
Path(answers).write_text(json.dumps(found))
