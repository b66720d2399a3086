"""Which Input reads which column: those that are told first, then those that look for kinds of columns."""

from numbers import Integral

from pandas.api.types import is_numeric_dtype

from sklearn_mm.inputs._column_contents import is_all_missing
from sklearn_mm.inputs._detect import Detected, detect_kind
from sklearn_mm.utils._messages import first_few
from sklearn_mm.utils._registry import did_you_mean

__all__ = ["as_list", "claim_columns", "find_by_kind", "looks"]

_MOST_SHOWN = 20


def claim_columns(frame, has_labels, inputs, who, modalities):
    """Return the columns of each Input, and what the columns that no Input names were taken for.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    has_labels : bool
        Whether its columns have labels of the user's; False for what was an array.
    inputs : dict of Input
        Inputs by name.
    who : str
        Whose Inputs they are, for error messages.
    modalities : dict of type
        Classes of Inputs whose modality is recognised even if none of these Inputs looks for it.

    Returns
    -------
    claims : dict of list
        Labels of columns by name of the Input. Inputs that find none are left out.
    detected : dict of Detected
        Kind and reason by label, of the columns that were looked at.
    """
    finder = find_by_kind(inputs, who)
    owners = {}  # names of Inputs, by label
    for name, input_ in inputs.items():
        for column in input_.told_columns() if looks(input_) else as_list(input_.columns):
            label = _find(column, frame, has_labels, name, who)
            for other in owners.get(label, ()):
                if other != name and _share(input_, inputs[other]):
                    continue
                by = f"`{other}` and `{name}`" if other != name else f"`{name}`, which names it twice"
                raise ValueError(f"{who}: column {label!r} is claimed by {by}. One column goes to one Input, once.")
            if is_all_missing(frame[label]):
                raise ValueError(
                    f"{who} cannot learn from column {label!r}, which `{name}` names: all of its {len(frame)} cells "
                    f"are missing. Leave it out."
                )
            owners.setdefault(label, []).append(name)

    detected = {}
    if finder:
        recognisers = {input_.kind: input_() for input_ in modalities.values()}
        recognisers.update({input_.kind: input_ for input_ in inputs.values() if looks(input_)})
        rest = [label for label in frame.columns if label not in owners]
        detected = _detect(frame, rest, has_labels, who, list(recognisers.values()))
        owners.update({label: [finder[kind]] for label, (kind, _) in detected.items() if kind in finder})
    if not owners:
        lines = [f"  {label!r}: {kind} ({reason})" for label, (kind, reason) in list(detected.items())[:_MOST_SHOWN]]
        raise ValueError("\n".join([f"{who} found no column to read in the {frame.shape[1]} of X.", *lines]))
    claims = {
        name: [label for label in (frame.columns if looks(input_) else owners) if name in owners.get(label, ())]
        for name, input_ in inputs.items()
    }
    return {name: labels for name, labels in claims.items() if labels}, detected


def _share(input_, other):
    """Return whether two Inputs may read the same column, such as the pictures and the sound of videos."""
    return other.kind in input_.shares_columns_with or input_.kind in other.shares_columns_with


def looks(input_):
    """Return whether an Input looks for columns, and names none."""
    return isinstance(input_.columns, str) and input_.columns == "auto"


def as_list(columns):
    """Return one or several names or positions as a list."""
    return columns if isinstance(columns, list) else [columns]


def find_by_kind(inputs, who):
    """Return, by kind of columns, the name of the Input that looks for them."""
    finder = {}
    for name, input_ in inputs.items():
        if not looks(input_):
            continue
        if not input_.detects:
            raise ValueError(
                f"{who}: `{name}` must name its columns, because no kind of columns is found for "
                f"{type(input_).__name__}. Write {type(input_).__name__}(columns=...)."
            )
        for kind in input_.detects:
            if kind in finder:
                raise ValueError(
                    f"{who}: both `{finder[kind]}` and `{name}` look for {kind} columns. Name the columns of one."
                )
            finder[kind] = name
    return finder


def _detect(frame, labels, has_labels, who, recognisers):
    if not has_labels and all(map(is_numeric_dtype, frame.dtypes)):  # constant ones and all, as scikit-learn does
        return dict.fromkeys(labels, Detected("numeric", "column of an array of numbers"))
    return {label: detect_kind(frame[label], label, who, recognisers) for label in labels}


def _find(column, frame, has_labels, name, who):
    """Return the label of a column that is told by label or, where labels are strings or none, by position."""
    labels = list(frame.columns)
    if not isinstance(column, bool) and column in labels:
        return labels[labels.index(column)]
    by_position = not has_labels or all(isinstance(label, str) for label in labels)
    if isinstance(column, Integral) and not isinstance(column, bool) and by_position:
        if not -len(labels) <= column < len(labels):
            raise ValueError(f"{who}: `{name}` names position {column}, but X has {len(labels)} columns.")
        return labels[column]
    if not has_labels:
        raise ValueError(
            f"{who}: `{name}` names column {column!r}, but X is an array without names. Give its position, 0 to "
            f"{len(labels) - 1}, or pass a DataFrame."
        )
    if isinstance(column, tuple) and all(part in labels for part in column):  # a tuple is a label of a MultiIndex
        raise ValueError(f"{who}: `{name}` names several columns, for which it must be a list: {list(column)!r}.")
    shown = first_few(labels, _MOST_SHOWN, repr)
    raise ValueError(
        f"{who}: `{name}` names column {column!r}, which X does not have.{did_you_mean(column, labels)} "
        f"Its columns: {shown}."
    )
