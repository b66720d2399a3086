"""A joint space of what linear models see of blocks: TF-IDF of texts, edges and colours of pictures (LSA, CCA)."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.decomposition import TruncatedSVD

from sklearn_mm.networks._canonical import MOST_ROWS, Moments, canonical_space
from sklearn_mm.networks.wide._block_model import BlockModel, has_model, is_frozen

__all__ = ["TermSpace", "has_term_space"]

_MAX_TERMS = 20_000  # of a block
_N_COMPONENTS = 512  # of the terms of a block (latent semantic analysis)


def has_term_space(specs):
    """Return whether linear models see all blocks, none of which is frozen."""
    return all(has_model(spec) and not is_frozen(spec) for spec in specs.values())


class TermSpace(nn.Module):
    """Regularised canonical correlations of the principal components of terms, in closed form.

    Parameters
    ----------
    specs : dict of str to BlockSpec
        Descriptions of the blocks, for which `has_term_space`.
    n_components : int
        Width of the space.
    """

    def __init__(self, specs, n_components):
        super().__init__()
        self.names, self.n_components = list(specs), n_components
        self.models = nn.ModuleList(BlockModel(spec, _MAX_TERMS, 1) for spec in specs.values())
        self.hubs = None

    def fit(self, dataset, codes):
        """Learn from rows.

        Parameters
        ----------
        dataset : BlockDataset
            The rows; of many, some are looked at.
        codes : ndarray of shape (n_rows, n_blocks), dtype int
            Equal where the content of a block is.
        """
        if len(dataset) > MOST_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(len(dataset), MOST_ROWS, replace=False))
            weight, target = dataset.weight[rows], dataset.target[rows]
            dataset, codes = replace(dataset, blocks=dataset.blocks[rows], target=target, weight=weight), codes[rows]
        vectors = {
            name: self._fit_model(model, dataset, name) for name, model in zip(self.names, self.models, strict=True)
        }
        present, moments = torch.from_numpy(dataset.blocks.present), Moments(self.names)
        moments.add(vectors, present, dataset.weight[:, 0])
        space = canonical_space(vectors, present, self.n_components, codes, moments.correlations())
        for place, name in enumerate(self.names):
            weight, mean = space.projections[name]
            self.register_buffer(f"weight{place}", weight)
            self.register_buffer(f"mean{place}", mean)
        self.hubs = space.hubs

    def forward(self, name, x):
        """Return vectors of length 1, (n, n_components), of some rows of a block."""
        place = self.names.index(name)
        weight, mean = getattr(self, f"weight{place}"), getattr(self, f"mean{place}")
        terms = F.normalize(self.models[place](x) - getattr(self, f"offset{place}"), dim=1)
        vectors = F.normalize((terms.to(weight.dtype) - mean) @ weight, dim=1)
        vectors = vectors if self.hubs is None else self.hubs(place, vectors)
        return F.pad(vectors, (0, self.n_components - vectors.shape[1]))

    def _fit_model(self, model, dataset, name):
        """Learn the principal components of the terms of a block, and return those of the rows, of length 1."""
        design = model.fit_design(dataset, name)
        centre = design[dataset.blocks.present[:, self.names.index(name)]].mean(0) if model.basis.dense else 0
        n_components = min(_N_COMPONENTS, min(design.shape) - 1)
        axes = TruncatedSVD(n_components, random_state=0).fit(design - centre if model.basis.dense else design)
        axes = axes.components_.astype(np.float32)
        offset = axes @ centre if model.basis.dense else np.zeros(len(axes))
        model.weight = torch.from_numpy(axes.T.copy())
        self.register_buffer(f"offset{self.names.index(name)}", torch.from_numpy(offset.astype(np.float32)))
        return F.normalize(torch.from_numpy((design @ axes.T - offset).astype(np.float32)), dim=1)
