"""What is raised for a cell without a readable picture."""

__all__ = ["UnreadableError"]


class UnreadableError(ValueError):
    """A cell that holds no readable picture; the message is the cause alone."""
