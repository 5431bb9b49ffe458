"""Text as XML can hold it: what a check found may be anything."""


def text(found: str) -> str:
    """Text without the characters that XML 1.0 can't hold, not even escaped."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in found
    )
