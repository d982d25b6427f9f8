"""Run the command line as `python -m ros_sam_core`."""

from ros_sam_core.cli import main

if __name__ == "__main__":
    main()
