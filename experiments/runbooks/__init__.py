"""Runbooks that drills rehearse: followed by the harness, or by a person whom it prompts, while a fault is on."""
