"""What a table was taken for, as a table in text: the report of ``verbose=1``."""

__all__ = ["blocks_of", "explain"]


def blocks_of(name, inputs):
    """Return pairs of a block's name and its columns' labels, of one of the Inputs.

    A block has the name of its column; where other Inputs read that too, it has the name of the Input, and if there are
    several such, that of the column behind it.
    """
    columns = inputs[name].columns
    if inputs[name].together:
        return [(name, columns)]
    elsewhere = {label for other, input_ in inputs.items() if other != name for label in input_.columns}
    names = {label: str(label) for label in columns}
    shared = [label for label in columns if label in elsewhere]
    names.update({label: name if len(shared) == 1 else f"{name}_{label}" for label in shared})
    return [(names[label], [label]) for label in columns]


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
    readers = {}  # by label
    for name, input_ in inputs.items():
        for block, own_labels in blocks_of(name, inputs):
            for label in own_labels:
                readers.setdefault(label, []).append((input_.kind, name, block))
    rows = []
    for label in labels:
        for kind, name, block in readers.get(label, [("-", None, "-")]):
            told = kind, f"named in `{name}`" if name else "named in no Input"
            kind, reason = detected.get(label, told)
            rows.append((str(label), kind, block, reason))
    n_blocks = len({block for found in readers.values() for _, _, block in found})
    widths = [max(len(row[i]) for row in [*rows, ("column", "kind", "block")]) for i in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]])
        for row in [("column", "kind", "block", "why"), *rows]
    ]
    return "\n".join([f"{who} reads {len(readers)} of {len(labels)} columns into {n_blocks} block(s).", *lines])
