"""Benchmarks: each prints ours beside a peer from one run on one machine, as a ratio."""
