"""An estimator that the package does not have, from its public parts: pairs of blocks in one space (CLIP)."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.estimators import BaseMultimodal, NoTarget
from sklearn_mm.networks import Objective, Top
from sklearn_mm.utils import parameter, with_parameters


class PairTop(Top):
    """Project each block into one space; the temperature of the loss is learnt with it."""

    def __init__(self, widths, n_dimensions):
        super().__init__()
        self.out_features = n_dimensions
        self.projections = nn.ModuleList(nn.Linear(width, n_dimensions) for width in widths.values())
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def forward(self, features, present, batch):
        vectors = [project(block.pooled) for project, block in zip(self.projections, features.values(), strict=True)]
        return F.normalize(torch.stack(vectors, 1), dim=2)  # (batch, 2, n_dimensions)


class Contrastive(Objective):
    """Symmetric InfoNCE over the rows of a batch that have both blocks."""

    row_wise = False

    def __init__(self, n_dimensions):
        super().__init__()
        self.n_dimensions = n_dimensions

    def build_top(self, encoders, specs, target):
        return PairTop(encoders.widths, self.n_dimensions)

    def loss(self, outputs, batch, top):
        first, second = outputs[batch["present"].all(1)].unbind(1)
        logits = top.log_scale.exp() * first @ second.T
        partners = torch.arange(len(logits), device=logits.device)
        return (F.cross_entropy(logits, partners) + F.cross_entropy(logits.T, partners)) / 2


@with_parameters
class PairEmbedder(BaseMultimodal):
    """Embed two blocks so that those of a row are near each other."""

    n_dimensions: int = parameter(default=16, constraints=[int], doc="int\n    Width of the space.")

    def make_target(self):
        return NoTarget(type(self).__name__)

    def make_objective(self, partial=False):
        return Contrastive(self.n_dimensions)

    def transform(self, X):
        return self.outputs(X).mean(1)

    def score(self, X, y=None):
        """Share of rows whose second block is the nearest of all to their first."""
        first, second = self.outputs(X).transpose(1, 0, 2)
        return float(((first @ second.T).argmax(1) == range(len(first))).mean())
