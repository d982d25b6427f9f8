"""Everything mode: the objects of a scene of any size, with no prompts."""
