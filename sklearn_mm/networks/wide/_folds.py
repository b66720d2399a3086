"""Folds for cross-fitting: who is left out together, and what those who are left weigh."""

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["deal_folds", "fold_weights", "offsets_of_untouched_classes"]

_FAR = 100.0  # below the outputs of other classes


def deal_folds(design, target, n_folds, generator, groups=None):
    """Return a fold for each row, grouped and stratified: equal rows share one, or some were predicted because seen.

    A row that alone has its class is left out by none, for no fit without it could know the class. With ``groups``,
    folds are of whole groups and have about as many rows each, also of each class, and what holds of a row holds of a
    group.

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
    groups : ndarray of shape (n_rows,), dtype int, default=None
        Which rows share a fold beside equal ones, by number.

    Returns
    -------
    folds : ndarray of shape (n_rows,), dtype int
        From 0 on, without gaps; -1 for rows that no fold leaves out.
    """
    _, first_row, group = np.unique(design.row_hashes(), return_index=True, return_inverse=True)
    if groups is not None:
        return _deal_groups(_joined(group, groups), target, n_folds, generator)
    shuffled = torch.rand(len(first_row), generator=generator).numpy()
    targets = target.numpy().reshape(len(target), -1)[first_row, 0]
    order = np.lexsort([shuffled, targets])
    if not target.is_floating_point():
        order = order[np.bincount(targets)[targets[order]] > 1]
    folds = np.full(len(first_row), -1)
    folds[order] = np.arange(len(order)) % n_folds
    return folds[group]


def _joined(first, second):
    """Return a number for each row, from 0 on, that is equal where one of two numbers is, or is by way of others."""
    n_first = first.max() + 1
    edges = np.ones(len(first)), (first, n_first + second)
    size = n_first + second.max() + 1
    labels = connected_components(coo_array(edges, shape=(size, size)), directed=False)[1]
    return np.unique(labels[first], return_inverse=True)[1]


def _deal_groups(group, target, n_folds, generator):
    """Return a fold for each row: the largest groups first, each to the fold with the fewest rows like its own."""
    counts = coo_array((np.ones(len(group)), (group, _strata(target)))).tocsr()
    counts.sum_duplicates()
    of_strata, sizes = counts.sum(0), counts.sum(1)
    may_be_left_out = np.ones(len(sizes), dtype=bool)
    if not target.is_floating_point():
        numbers, classes = counts.nonzero()
        may_be_left_out[numbers[np.bincount(classes)[classes] == 1]] = False
    dealt = np.flatnonzero(may_be_left_out)
    shuffled = torch.rand(len(dealt), generator=generator).numpy()
    fold_of_group, of_folds = np.full(len(sizes), -1), np.zeros((min(n_folds, len(dealt)), counts.shape[1]))
    for number in dealt[np.lexsort([shuffled, -sizes[dealt]])]:
        some = slice(counts.indptr[number], counts.indptr[number + 1])
        strata, n_rows = counts.indices[some], counts.data[some]
        n_like_them = of_folds[:, strata] @ (n_rows / of_strata[strata] ** 2)
        fold_of_group[number] = fold = np.lexsort([of_folds.sum(1), n_like_them])[0]
        of_folds[fold, strata] += n_rows
    return fold_of_group[group]


def _strata(target):
    """Return the class of each row, or in which quarter of the first output's values its own lies."""
    if not target.is_floating_point():
        return target.numpy()
    first = target.numpy().reshape(len(target), -1)[:, 0]
    return np.searchsorted(np.quantile(first, [0.25, 0.5, 0.75]), first)


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
