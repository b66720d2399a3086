"""The error of a cell that cannot be read."""

__all__ = ["UnreadableError"]


class UnreadableError(ValueError):
    """A cell that holds nothing readable, which ``on_error`` of its transformer says what to do with.

    A `MediaDecoder` raises it. The message is the cause alone, such as "is no wave"; the report says of which cell.
    """
