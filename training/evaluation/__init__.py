"""How good a model is: metrics, simulated prompts, peers and reports of `python -m training.evaluate`."""
