"""Cells that cannot be read: the error of one, and the report of all."""

__all__ = ["UnreadableError", "unreadable_error", "unreadable_report"]


class UnreadableError(ValueError):
    """A cell that holds nothing readable, which ``on_error`` of its transformer says what to do with.

    A `MediaDecoder` raises it. The message is the cause alone, such as "is no wave"; the report says of which cell.
    """


def unreadable_report(who, decoder, failures, items):
    """Return the lines that count and name the cells of a column that cannot be read.

    Parameters
    ----------
    who : str
        Who reads.
    decoder : MediaDecoder
        What knows how to call a cell.
    failures : list of (int, str)
        Items that cannot be read, and why.
    items : Items
        The column.
    """
    which = items.which_rows(item for item, _ in failures)
    lines = [f"  {items.where(item)}: {decoder.describe(items.cells[item])}: {cause}" for item, cause in failures[:5]]
    head = f"{who} cannot read {len(failures)} of {len(items.cells)} {items.noun} ({which}):"
    return "\n".join([head, *lines, ""])


def unreadable_error(who, decoder, failures, items):
    """Return the error under ``on_error="raise"``; parameters are those of `unreadable_report`."""
    return ValueError(
        f"{unreadable_report(who, decoder, failures, items)}Fix these cells, drop these rows, or pass "
        f'on_error="warn" to read them as missing.'
    )
