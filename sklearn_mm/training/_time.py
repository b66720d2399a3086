"""A limit to the seconds that training may take."""

import time

__all__ = ["TimeLimit"]


class TimeLimit:
    """How much of the time for training is over.

    Parameters
    ----------
    end : float
        When training has to end, by `time.perf_counter`. It starts now.
    """

    def __init__(self, end):
        self.end = end
        self.begin()

    def begin(self):
        """Count the time from now on."""
        self.start = time.perf_counter()

    def share(self):
        """Return the share of the time that is over, 1 or more when it is up."""
        whole = self.end - self.start
        return (time.perf_counter() - self.start) / whole if whole > 0 else 1.0
