"""What a table was taken for, as a table in text: the report of ``verbose=1``."""

__all__ = ["blocks_of", "explain"]


def blocks_of(name, input_):
    """Return pairs of a block's name and its columns' labels, of an Input with a name."""
    return [(name, input_.columns)] if input_.together else [(str(label), [label]) for label in input_.columns]


def explain(labels, inputs, detected, who):
    """Return what each column was taken for, which block reads it, and why.

    Parameters
    ----------
    labels : list
        Labels of all columns.
    inputs : dict of Input
        Inputs by name, with the labels of their columns.
    detected : dict of Detected
        Kind and reason by label, of the columns that were looked at.
    who : str
        Who reads the table.

    Returns
    -------
    text : str
        A sentence, and a line per column.
    """
    blocks = {
        label: (input_, name, block)
        for name, input_ in inputs.items()
        for block, own_labels in blocks_of(name, input_)
        for label in own_labels
    }
    rows = []
    for label in labels:
        input_, name, block = blocks.get(label, (None, None, "-"))
        if label in detected:
            kind, reason = detected[label]
        else:
            kind = input_.kind if input_ else "-"
            reason = f"named in `{name}`" if input_ else "named in no Input"
        rows.append((str(label), kind, block, reason))
    n_blocks = len({block for _, _, block in blocks.values()})
    widths = [max(len(row[i]) for row in [*rows, ("column", "kind", "block")]) for i in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]])
        for row in [("column", "kind", "block", "why"), *rows]
    ]
    return "\n".join([f"{who} reads {len(blocks)} of {len(rows)} columns into {n_blocks} block(s).", *lines])
