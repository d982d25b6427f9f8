"""Training, evaluation and ablation of ROS-SAM; builds on `ros_sam_core`, which never imports it."""
