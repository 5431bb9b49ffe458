"""Open-loop load whose every record is accounted for: Locust users, the producer beneath them, and the drain."""
