"""What the engine is shown: the pixels of a layer, and where they lie."""
