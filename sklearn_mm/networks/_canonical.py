"""A joint space in closed form: regularised canonical correlations (CCA) of two blocks or more."""

import torch

__all__ = ["canonical_projections"]

_RIDGE = 5.0  # times the mean variance; docs/decisions/0037
_POWER = 0.5  # of correlations, by which directions are scaled


def canonical_projections(vectors, present, n_components, ridge=_RIDGE):
    """Return linear maps of blocks into a space where those of a row are correlated as much as can be.

    With two blocks it is canonical correlation analysis with ridges, whose directions are scaled by the roots of their
    correlations; with more, the sum of correlations of all pairs (MAXVAR).

    Parameters
    ----------
    vectors : dict of str to Tensor of shape (n_rows, width)
        Of each block.
    present : Tensor of shape (n_rows, n_blocks), dtype bool
        Which rows have it.
    n_components : int
        Width of the space; fewer come back where the vectors have fewer dimensions.
    ridge : float, default=5.0
        What is added to the variance of each direction, in units of their mean.

    Returns
    -------
    projections : dict of str to (Tensor, Tensor)
        Weights (width, n) and mean (width,) of each block, float32.
    """
    names, centred, whitening, means = list(vectors), [], [], []
    for column, name in enumerate(names):
        x, there = vectors[name].double(), present[:, column, None]
        n_there = there.sum().clamp(min=1)
        means.append((x * there).sum(0) / n_there)
        x = (x - means[-1]) * there
        values, directions = torch.linalg.eigh(x.T @ x / n_there)
        values = values.clamp(min=0)
        kept = values > 1e-9 * values[-1].clamp(min=1e-30)
        values, directions = values[kept], directions[:, kept]
        centred.append(x)
        whitening.append(directions / (values + ridge * values.sum() / x.shape[1]).sqrt())
    both = [[(present[:, i] & present[:, j]).sum().clamp(min=1) for j in range(len(names))] for i in range(len(names))]
    white = [x @ w for x, w in zip(centred, whitening, strict=True)]
    rows = [
        torch.cat([white[i].T @ white[j] / both[i][j] * (i != j) for j in range(len(names))], 1)
        for i in range(len(names))
    ]
    values, directions = torch.linalg.eigh(torch.cat(rows))
    n = min(n_components, int((values > 0).sum()))
    values, directions = values[-n:].flip(0), directions[:, -n:].flip(1)
    parts = directions.split([w.shape[1] for w in whitening])
    return {
        name: ((w @ part * values**_POWER).float(), mean.float())
        for name, w, part, mean in zip(names, whitening, parts, means, strict=True)
    }
