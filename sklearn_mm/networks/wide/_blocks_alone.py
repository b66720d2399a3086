"""Linear models of single blocks, each fitted as if there were nothing beside it: what trees hear of them."""

import torch
import torch.nn as nn

from sklearn_mm.networks.wide._cross_fitting import fit
from sklearn_mm.networks.wide._design_matrix import DesignMatrix

__all__ = ["BlocksAlone"]


class BlocksAlone(nn.Module):
    """What each of some blocks says alone, beside what it says in a model of all blocks.

    Both look up the same terms and features, so that their weights lie side by side: those of the whole first.

    Parameters
    ----------
    models : dict of str to list of BlockModel and FeatureModel
        Of the terms of each block and, if its encoder is frozen, of its features, by the name of its block; each for
        ``2 * n_scores`` scores.
    n_scores : int
        Number of scores that a block gives to a row.
    """

    def __init__(self, models, n_scores):
        super().__init__()
        self._models = models  # in a dict, they stay submodules of whoever they belong to
        self._n_scores = n_scores
        self.names = list(models)
        self.settings = {}
        self.register_buffer("intercepts", torch.zeros(len(models), n_scores))

    def forward(self, scores):
        """Return what each block says of rows (batch, n_scores), as a list, from the scores of its models by name."""
        pairs = zip(self.names, self.intercepts, strict=True)
        return [sum(of_model[:, self._n_scores :] for of_model in scores[name]) + shift for name, shift in pairs]

    def cross_fit(self, designs, fitted):
        """Fit all models anew, and return what each block says out of fold, (n_rows, n_blocks, n_scores).

        ``designs`` has the matrices of each block by name; ``fitted`` maps a name and its `DesignMatrix` to what
        `cross_fit` gives.
        """
        out_of_fold = []
        for number, name in enumerate(self.names):
            coef, scores, self.settings[name] = fitted(name, DesignMatrix(designs[name]))
            self._set_coef(number, coef)
            out_of_fold.append(scores.sum(1))
        return torch.stack(out_of_fold, 1)

    def refit(self, designs, problem, end):
        """Fit all models to other rows, with the settings that were found; ``problem`` is what `fit` takes."""
        for number, name in enumerate(self.names):
            start = torch.cat([self.intercepts[number].unsqueeze(0), *self._weights(number)]).float().cpu()
            design = DesignMatrix(designs[name])
            self._set_coef(number, fit(design, *problem, self._n_scores, self.settings[name], start, end))

    def _weights(self, number):
        return [model.weight[:, self._n_scores :] for model in self._models[self.names[number]]]

    def _set_coef(self, number, coef):
        weights = self._weights(number)
        self.intercepts[number] = coef[0]
        for weight, of_model in zip(weights, coef[1:].split([len(weight) for weight in weights]), strict=True):
            weight.copy_(of_model)
