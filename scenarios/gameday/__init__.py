"""Game days: a file of who, when, what for and which scenarios, and what leads through it."""
