"""From prompts on a frame to segments: crops, embeddings and their cache, the segmenter."""
