"""The error of a cell that cannot be read."""

__all__ = ["UnreadableError"]


class UnreadableError(ValueError):
    """A cell that holds nothing readable; the message is the cause alone."""
