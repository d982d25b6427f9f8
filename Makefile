# ROS-SAM: `make demo` shows it, `make test` checks it. Both build .venv first, when it is missing or stale.

PYTHON ?= python3
DEMO_OUTPUT ?= demo_output
READY := .venv/.ready

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-fast test-qgis lint format types package clean

help:  ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## Segment a made-up airport with the bundled model, into demo_output/.
	.venv/bin/ros-sam demo --output $(DEMO_OUTPUT)

test: lint types  ## Lint, type check and run every test.
	.venv/bin/python -m pytest

test-fast: $(READY)  ## Run the tests that take no more than a few seconds.
	.venv/bin/python -m pytest -m "not slow"

test-qgis: $(READY)  ## Run the plugin's tests in QGIS, with QGIS's own Python; without QGIS they are skipped.
	bash .ci/qgis

lint: $(READY)  ## Check style and format with ruff.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: $(READY)  ## Repair what ruff can repair.
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

types: $(READY)  ## Check types with mypy, strictly in ros_sam_core.
	.venv/bin/mypy

package: $(READY)  ## Build the QGIS plugin's zip, with the engine and the bundled model, into dist/.
	.venv/bin/python .ci/package.py

$(READY): pyproject.toml .ci/venv .ci/constraints.txt
	bash .ci/venv "$(PYTHON)"
	@touch $@

clean:  ## Remove what make built: .venv, caches, the demo's output.
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis $(DEMO_OUTPUT)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
