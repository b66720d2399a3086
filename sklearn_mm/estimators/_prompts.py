"""From class labels to the texts that stand for them (prompts): what each class is called, put into templates."""

import numpy as np
import pandas as pd

from sklearn_mm.utils._messages import first_few

__all__ = ["fill_templates", "name_classes"]


def name_classes(labels, y, owner):
    """Return the classes, sorted, and what each is called.

    Parameters
    ----------
    labels : list, dict or None
        The classes, or a dict of what each is called; None for those of ``y``.
    y : array-like or None
        Labels of rows, or each class once.
    owner : str
        Whose classes they are, for error messages.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The classes.
    names : list of list of str
        Texts for each.
    """
    if labels is None:
        if y is None:
            raise ValueError(f"{owner} needs class labels: pass y to fit, or labels=[...].")
        if np.ndim(y) != 1:
            raise ValueError(f"{owner} predicts one label for each row: y must be 1-D, got {np.ndim(y)} dimensions.")
    given = y if labels is None else labels
    classes = _unique(given, owner)
    names = [[*_as_names(given, label, owner)] for label in classes]
    if len(classes) < 2:
        raise ValueError(f"{owner} needs at least two classes to tell apart, got {classes.tolist()}.")
    if labels is not None:
        _check_target(y, classes, owner)
    return classes, names


def _unique(labels, owner):
    """Return distinct labels, sorted; all must be there, and of one sort."""
    cells = pd.Series(list(labels), dtype=object)
    missing = cells.isna()
    if missing.any():
        raise ValueError(
            f"{owner} cannot encode the label {cells[missing].iloc[0]!r}, which is a missing value. Leave out rows "
            "without a label."
        )
    are_texts = cells.map(lambda cell: isinstance(cell, str))
    if are_texts.any() and not are_texts.all():
        raise ValueError(
            f"{owner} got labels that are texts and others that are not, such as {cells[are_texts].iloc[0]!r} and "
            f"{cells[~are_texts].iloc[0]!r}. Give labels of one type."
        )
    return np.unique(np.asarray(list(labels) if isinstance(labels, dict | set) else labels))


def _as_names(labels, label, owner):
    """Return the texts that a label is called by, one or several."""
    names = labels[label] if isinstance(labels, dict) else label
    names = [names] if isinstance(names, str) or not isinstance(names, list | tuple) else names
    for name in names or [""]:
        if not isinstance(name, str):
            raise ValueError(
                f"{owner} cannot encode the label {_shown(label)}: {_shown(name)} is not a text. Say what it is "
                f'called: labels={{{_shown(label)}: "...", ...}}.'
            )
        if not name.strip():
            raise ValueError(
                f"{owner} cannot encode the label {_shown(label)}: its text is empty. Say what it is called: "
                f'labels={{{_shown(label)}: "...", ...}}.'
            )
    return names


def _check_target(y, classes, owner):
    """Raise where some labels of a target are named and others are not; one without any is about something else."""
    if y is None or np.ndim(y) != 1:
        return
    wanted = set(pd.Series(list(y), dtype=object).dropna())
    unnamed = sorted(wanted.difference(classes.tolist()), key=str)
    if unnamed and len(unnamed) < len(wanted):
        raise ValueError(
            f"{owner}: `labels` has some of the classes of y, but not {first_few(unnamed, text=repr)}. Add these."
        )


def fill_templates(templates, classes, names, owner):
    """Return the texts of each class: each of its names in each template.

    Parameters
    ----------
    templates : str, callable or list of these
        Each a text with "{}" where the name comes, or a function from the name to a text.
    classes : ndarray of shape (n_classes,)
        The classes, for error messages.
    names : list of list of str
        What each is called.
    owner : str
        Whose templates they are, for error messages.
    """
    templates = [templates] if isinstance(templates, str) or callable(templates) else list(templates)
    if not templates:
        raise ValueError(f'{owner} needs at least one of `prompt_templates`, got none. "{{}}" is the label alone.')
    for template in templates:
        if not callable(template) and not (isinstance(template, str) and "{}" in template):
            raise ValueError(
                f"{owner}: {template!r} in `prompt_templates` has no place for the label. Write {{}} where it comes, "
                'as in "a photo of a {}.", or give a function from the label to a text.'
            )
    return [
        [_filled(template, name, label, owner) for name in own for template in templates]
        for label, own in zip(classes, names, strict=True)
    ]


def _filled(template, name, label, owner):
    text = template(name) if callable(template) else template.replace("{}", name)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            f"{owner} cannot encode the label {_shown(label)}: {getattr(template, '__name__', template)!r} in "
            f"`prompt_templates` made {text!r} of it. It must return a text."
        )
    return text


def _shown(label):
    return repr(label.item() if isinstance(label, np.generic) else label)
