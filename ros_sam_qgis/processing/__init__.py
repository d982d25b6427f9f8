"""ROS-SAM in QGIS's toolbox, its model designer, its batch mode and `qgis_process`: one file an algorithm."""
