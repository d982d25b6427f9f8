"""What the user is working on: prompts, outlines, what was kept, what can be undone. No widgets here."""
