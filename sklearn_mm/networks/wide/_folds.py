"""Folds for cross-fitting: who is left out together, and what those who are left weigh."""

import numpy as np
import torch

__all__ = ["deal_folds", "fold_weights", "offsets_of_untouched_classes"]

_FAR = 100.0  # below the outputs of other classes


def deal_folds(design, target, n_folds, generator):
    """Return a fold for each row, grouped and stratified: equal rows share one, or some were predicted because seen.

    A row that alone has its class is left out by none, for no fit without it could know the class.

    Parameters
    ----------
    design : DesignMatrix
        The rows.
    target : torch.Tensor of shape (n_rows,) or (n_rows, n_outputs)
        Each fold gets its share of small and large targets, by the first output. Integers are classes.
    n_folds : int
        Number of folds, or as many as there are different rows.
    generator : torch.Generator
        Draws the folds.

    Returns
    -------
    folds : ndarray of shape (n_rows,), dtype int
        From 0 on, without gaps; -1 for rows that no fold leaves out.
    """
    _, first_row, group = np.unique(design.row_hashes(), return_index=True, return_inverse=True)
    shuffled = torch.rand(len(first_row), generator=generator).numpy()
    targets = target.numpy().reshape(len(target), -1)[first_row, 0]
    order = np.lexsort([shuffled, targets])
    if not target.is_floating_point():
        order = order[np.bincount(targets)[targets[order]] > 1]
    folds = np.full(len(first_row), -1)
    folds[order] = np.arange(len(order)) % n_folds
    return folds[group]


def fold_weights(folds, n_folds, target, weight):
    """Return what rows weigh in the fit for each fold, (n_rows, n_folds): 0 if left out, and each class as in all rows.

    Of a class of few rows, a fold takes a large share, and a fit would learn that the very classes are rare that the
    rows which it is judged by have.
    """
    kept = (folds.unsqueeze(1) != torch.arange(n_folds)).float()
    if target.is_floating_point():
        return kept
    by_class = torch.zeros(int(target.max()) + 1, 1 + n_folds)
    all_and_kept = torch.cat([torch.ones(len(folds), 1), kept], 1) * weight.unsqueeze(1)
    of_all, of_kept = by_class.index_add(0, target, all_and_kept).split([1, n_folds], dim=1)
    return kept * torch.where(of_kept > 0, of_all / of_kept, 1)[target]


def offsets_of_untouched_classes(folds, n_folds, target, n_outputs):
    """Return what takes the classes of which a fold has no rows out of the comparison there, (n_folds, n_outputs).

    Of two rows of a class, the fit for a fold has seen one or both. What both are worth to their class would speak
    against each row that is left out: it is compared with classes alone that have lost rows as well.
    """
    offsets = torch.full((n_folds, n_outputs), -_FAR)
    left_out = (folds >= 0) & (folds < n_folds)
    offsets[folds[left_out], target[left_out]] = 0
    return offsets
