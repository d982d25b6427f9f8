"""Run the engine: `python -m ros_sam_core.engine`."""

from ros_sam_core.engine.command import main

if __name__ == "__main__":
    main()
