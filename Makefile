# ROS-SAM: `make demo` shows it, `make test` checks it. Both build .venv first, when it is missing or stale.

PYTHON ?= python3
DEMO_OUTPUT ?= demo_output
READY := .venv/.ready

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-fast test-qgis test-qgis340 screenshots translations lint format types graphs package clean

help:  ## Show this help.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## Segment a made-up airport with the bundled model, into demo_output/.
	.venv/bin/ros-sam demo --output $(DEMO_OUTPUT)

test: lint types  ## Lint, type check and run every test; those of the plugin where there is a QGIS.
	bash .ci/test

test-fast: $(READY)  ## Run the tests that take no more than a few seconds.
	.venv/bin/python -m pytest -m "not slow"

test-qgis: $(READY)  ## Run the plugin's tests in QGIS, with QGIS's own Python; without QGIS they are skipped.
	bash .ci/qgis

test-qgis340: $(READY)  ## Run the plugin's tests in QGIS 3.40, in a Debian trixie folder (made once, 2 GB, as root); DEBIAN_SUITE=sid: in 3.44.
	bash .ci/qgis340

screenshots: $(READY)  ## Take the pictures of the user guide anew, from a run of the QGIS desktop program.
	.venv/bin/python .ci/screenshots.py

translations: $(READY)  ## Bring the plugin's translations up to date and compile them.
	.venv/bin/python .ci/translate.py

lint: $(READY)  ## Check style and format with ruff.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: $(READY)  ## Repair what ruff can repair.
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

types: $(READY)  ## Check types with mypy, strictly in ros_sam_core.
	.venv/bin/mypy

graphs: $(READY)  ## Export the bundled architecture's ONNX graphs anew; new weights alone need no new graphs.
	.venv/bin/ros-sam export ros-sam-tiny --graphs-only --output ros_sam_core/weights/graphs

package: $(READY)  ## Build the QGIS plugin's zip, with the engine and the bundled model, into dist/.
	.venv/bin/python .ci/package.py

$(READY): pyproject.toml .ci/venv .ci/constraints.txt
	bash .ci/venv "$(PYTHON)"
	@touch $@

clean:  ## Remove what make built: .venv, caches, the demo's output.
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis $(DEMO_OUTPUT)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
