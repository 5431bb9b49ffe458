"""What can go wrong with the lab, said so that the reader knows what to do."""


class LabError(Exception):
    """The lab could not do what was asked; the message says why, and what to do about it."""


class LabPreflightError(LabError):
    """Something is missing or in the way, found before anything was started."""
