"""The wide part of a network: a linear model whose out-of-fold predictions are the offset of the rest (stacking)."""

import math
import time
from numbers import Integral, Real
from typing import Any, Self

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.networks.losses._base import ClassifierLoss
from sklearn_mm.networks.wide._block_model import CHUNK, BlockModel, batches, has_model
from sklearn_mm.networks.wide._blocks_alone import BlocksAlone
from sklearn_mm.networks.wide._cross_fitting import Settings, cross_fit, fit
from sklearn_mm.networks.wide._design_matrix import DesignMatrix
from sklearn_mm.networks.wide._feature_model import FeatureModel
from sklearn_mm.networks.wide._folds import deal_folds
from sklearn_mm.networks.wide._kernel_basis import may_be_likened
from sklearn_mm.networks.wide._trees import Trees, are_few, trees_pay
from sklearn_mm.utils._component import Component
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["WideLinear"]

_UNTRIED_ALPHA = 1e-3  # the penalty where no row can be predicted by others; of one row a class any has the same order
_MOST_NUMBERS = 100  # of a table that trees see; of more, as of an embedding, single ones say little
_HIDDEN_SHARE = 0.5  # docs/decisions/0012
_MAX_SCALE_OF_FEATURES = 4.0  # of scores of classes, where the model sees nothing but features of frozen encoders
_MAX_WEIGHTS = 10_000_000  # of a text; the search for them holds some twenty copies


class WideLinear(Component):
    """Add a linear model of n-grams, numbers, categories, edges and colours to the outputs of a network.

    Much of what rows say, single words, numbers and colours say, and a linear model with a penalty finds it out in
    seconds. It is fitted first: to the minimum of the estimator's loss, with the penalty that predicts best out of
    fold, and scaled and shifted for the least loss there. The deep part is then trained to say what it misses. In
    training, rows come with its *out-of-fold* outputs, of a model that was fitted without them: on the rows that it was
    fitted with, a model looks better than it is and leaves too little to learn. Predictions add the model of all rows.

    Of a text it sees which tokens there are, weighted by how rare they are; of numbers, their values and steps between
    their quantiles; of categories, which it is; of pictures, histograms of the directions of edges in 4 × 4 cells and
    of the colours, and 8 × 8 pixels: from 500 to 20,000 rows it likens them by these to some of the training rows, so
    that a linear model of that bends. Of any block whose encoder is frozen it sees the features too, centred and of
    mean squared length one. It sees nothing of other blocks, nor of what a row lacks.

    Beside it stand trees, boosted or random, which know thresholds and what holds of several columns together. They see
    the cells of the table and, where there is more than tables, what the linear model says, and what a linear model of
    each other block alone says, all of it out of fold. A weighted mean of linear model and trees predicts, with the
    weight that surely lowers the loss out of fold. They add nothing where ``modality_dropout`` hides a block.

    Rows that are held out, to stop early or to settle ``deep_share``, are known to both in the end.

    Where the estimator learns means of a number with at most ten values, as a rating, and twenty rows or more for each,
    the linear model tells these apart as classes (softmax), and its output is their mean: words that speak for the
    middle are not lost between those that speak for the ends, and outputs stay in range.

    Parameters
    ----------
    n_folds : int, default=5
        In how many parts the training rows are left out. Fewer is faster; more fits each model with more of the rows.
    deep_share : float or "auto", default="auto"
        How much of the deep part's outputs is added in prediction, in [0, 1]. For "auto", validation rows settle it
        after each epoch, where there are any; of numbers, nothing is added unless such rows still gain by it after the
        last epoch. Where there are none, it is 0.25 for classes, since the deep part is surer of its training rows than
        of others, 0.5 if ``hidden_share`` lets it tell half of them by itself, or 0.1 if all encoders are frozen, whose
        features the linear part sees too; and 1 for numbers, where a quarter of what is missing would be as wrong as
        all of it. Larger trusts the deep part more.
    hidden_share : float or "auto", default="auto"
        In which share of the rows of a batch, drawn anew each time, the deep part is trained as if there were no linear
        model, in [0, 1]. With more it learns to tell by itself, instead of what the linear model misses. With 1 it
        never learns beside this: then a mean of both predicts, in which ``deep_share`` is the weight of the deep part,
        0.5 where no rows settle it. "auto" is 0.5 for classes and 1 for numbers if a pretrained encoder is trained on,
        which learns most where it has all to tell; 0.5 for classes too if ``fit`` gets groups, such as speakers: of new
        groups the linear model may say what is wrong. Else it is 0.
    text_width : int or "auto", default="auto"
        In how many dimensions the deep part reads texts that name no encoder, and whose words the linear part weighs.
        "auto" is 32 for classes, which is as good as 128 in half the time, and 2 for numbers, which are noisy: with
        more, rows are known by their words before anything else is learnt. Of numbers it is also in how many it reads
        the features of each frozen encoder. With ``hidden_share=1``, "auto" is 128, and features are read as they are.
    min_rows_split : int, default=30
        Fewest rows of which a regressor that is not asked for validation holds some out to settle ``deep_share``.
    min_rows_held_out : int, default=50
        Fewest rows that it then holds out, but no more than a third. More tell the share better, and leave fewer to
        train with.
    trees : bool, default=True
        Whether trees are grown, for squared error and cross-entropy, where there are a table and 200 rows or more, of
        each class twenty, and at most five outputs. Of up to 3,000 rows they are grown for several blocks without a
        table, too, and for up to twenty classes or labels. They cost some seconds.
    n_landmarks : int, default=1000
        To how many of the training rows pictures are likened at most. More see finer; a prediction takes longer, and a
        fitted model holds what was read of as many pictures, 8 × 8 pixels among it. With 0 it holds none, and weighs
        what it reads of pictures as it is.

    References
    ----------
    Cheng et al.: Wide & Deep Learning for Recommender Systems. DLRS 2016.

    Breiman: Stacked Regressions. Machine Learning 24, 1996.

    Friedman: Greedy Function Approximation: A Gradient Boosting Machine. Annals of Statistics 29, 2001.

    Examples
    --------
    >>> from sklearn_mm import MultimodalRegressor
    >>> from sklearn_mm.networks import WideLinear
    >>> reg = MultimodalRegressor(wide=WideLinear(n_folds=3, deep_share=0.5))
    """

    _parameter_constraints = {
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "deep_share": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "hidden_share": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "text_width": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "min_rows_split": [Interval(Integral, 2, None, closed="left")],
        "min_rows_held_out": [Interval(Integral, 1, None, closed="left")],
        "trees": ["boolean"],
        "n_landmarks": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_folds: int = 5,
        *,
        deep_share: float | str = "auto",
        hidden_share: float | str = "auto",
        text_width: int | str = "auto",
        min_rows_split: int = 30,
        min_rows_held_out: int = 50,
        trees: bool = True,
        n_landmarks: int = 1000,
    ):
        self.n_folds = n_folds
        self.deep_share = deep_share
        self.hidden_share = hidden_share
        self.text_width = text_width
        self.min_rows_split = min_rows_split
        self.min_rows_held_out = min_rows_held_out
        self.trees = trees
        self.n_landmarks = n_landmarks

    def resolved_text_width(self, loss: Any) -> int:
        """Return in how many dimensions texts that name no encoder are read beside this."""
        if self.text_width != "auto":
            return self.text_width
        if self.hidden_share == 1:
            return 128
        return 32 if isinstance(loss, ClassifierLoss) else 2

    def narrow_widths(self, frozen_widths: dict[str, int], loss: Any) -> dict[str, int]:
        """Return in how many dimensions the deep part reads what frozen encoders say, by block, where it is too many.

        Numbers are noisy: rows would be known by their features before anything else is learnt, and what these say by
        themselves the linear model has learnt. Of classes little of the deep part is added.
        """
        if isinstance(loss, ClassifierLoss) or self._resolved_hidden_share(loss) == 1:
            return {}
        width = self.resolved_text_width(loss)
        return {name: width for name, of_encoder in frozen_widths.items() if of_encoder > width}

    def initial_share(self, loss: Any, all_frozen: bool = False) -> float:
        """Return how much of the deep part's outputs is added unless validation rows settle it.

        ``all_frozen`` says whether the deep part reads nothing but features that the linear model sees too.
        """
        if self.deep_share != "auto":
            return float(self.deep_share)
        if self.apart:
            return 0.5
        if not isinstance(loss, ClassifierLoss):
            return 1.0
        if all_frozen:
            return 0.1
        return 0.5 if self.hidden >= _HIDDEN_SHARE else 0.25

    def _resolved_hidden_share(self, loss, grouped=False):
        if self.hidden_share != "auto":
            return float(self.hidden_share)
        if not isinstance(loss, ClassifierLoss):
            return float(self.tuned)
        return _HIDDEN_SHARE if grouped or self.tuned else 0.0

    def settles_share(self) -> bool:
        """Return whether validation rows, where there are any, settle how much is added, whatever the loss."""
        return self.deep_share == "auto"

    def held_out_fraction(self, n_rows: int, loss: Any) -> float:
        """Return the least fraction of rows that are held out unasked, to settle the share; 0 for none."""
        if isinstance(loss, ClassifierLoss) or not self.settles_share() or n_rows < self.min_rows_split:
            return 0.0
        return min(1 / 3, self.min_rows_held_out / n_rows)

    def build(
        self,
        specs: dict[str, BlockSpec],
        loss: Any,
        target: Any,
        frozen_widths: dict[str, int] | None = None,
        tuned: bool = False,
    ) -> Self:
        """Make the weights, zero until `fit`, for the blocks that ``specs`` describe; returns ``self``.

        ``target`` is the encoded target of the training rows. Where ``loss`` names all values (levels) that it has,
        there is a score for each. ``frozen_widths`` has the widths of the features of frozen encoders, by block;
        ``tuned`` says whether the deep part has pretrained ones that are trained on. The attribute ``block_names`` says
        which blocks the model sees as they are, ``feature_names`` of which it sees features, ``n_scores`` how many
        scores each of both gives.
        """
        frozen_widths = {} if frozen_widths is None else frozen_widths
        levels = loss.levels(target)
        self.n_scores = loss.n_outputs if levels is None else len(levels)
        self.register_buffer("levels", None if levels is None else torch.from_numpy(levels))
        max_terms = max(_MAX_WEIGHTS // self.n_scores, 2)
        self.block_names = [name for name, spec in specs.items() if has_model(spec)]
        self.feature_names = list(frozen_widths)
        self.columns = [list(specs).index(name) for name in self._names]  # in ``present``
        self.tables = [name for name in self.block_names if _is_table(specs[name])]
        self.n_codes = sum(len(specs[name].cardinalities) for name in self.tables)
        self.tree_part = Trees() if self.trees and self._can_have_trees(loss, target) else None
        alone = [name for name in dict.fromkeys(self._names) if self.has_trees and name not in self.tables]
        widths = {name: self.n_scores * (1 + (name in alone)) for name in specs}  # beside all others, and alone
        n_likened = min(self.n_landmarks, len(target)) if may_be_likened(len(target)) else 0
        self.models = nn.ModuleList(
            BlockModel(specs[name], max_terms, widths[name], n_likened) for name in self.block_names
        )
        self.feature_models = nn.ModuleList(FeatureModel(width, widths[name]) for name, width in frozen_widths.items())
        of_blocks = self._by_name([*self.models, *self.feature_models])
        self.alone = BlocksAlone({name: of_blocks[name] for name in alone}, self.n_scores)
        self.register_buffer("intercept", torch.zeros(self.n_scores))
        self.tuned = tuned
        self.hidden = 0.0
        self.settings = None
        return self

    def forward(self, batch: dict[str, Any], vectors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Map a batch, and features by block, to scores (batch, n, n_scores), each zero for rows that lack its block.

        They are those of the blocks of ``block_names``, of the features of ``feature_names``, the intercept and, if
        there are trees, what each block but tables says alone and what trees add to the outputs.
        """
        of_features = zip(self.feature_names, self.feature_models, strict=True)
        of_all = [model(batch["blocks"][name]) for name, model in self._models()]
        of_all += [model(vectors[name]) for name, model in of_features]
        scores = [of_block[:, : self.n_scores] for of_block in of_all]
        scores += [self.intercept.expand(len(batch["present"]), -1)]
        scores += self.alone(self._by_name(of_all))
        scores = self.mask_absent(torch.stack(scores, 1), batch["present"])
        if not self.has_trees:
            return scores
        features = self._tree_features(scores, batch["blocks"])
        return self._with_trees(scores, self.tree_part(features, self.outputs(scores)))

    def expand(self, name: str, vectors: torch.Tensor) -> torch.Tensor:
        """Return the features of a block of ``feature_names`` centred and scaled, as the linear model sees them."""
        return self.feature_models[self.feature_names.index(name)].expand(vectors)

    def mask_absent(
        self, scores: torch.Tensor, present: torch.Tensor, before: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return scores (batch, n, n_scores) that are zero for the blocks which are absent.

        Trees have seen all blocks of a row. They add nothing where some of those that were ``before`` are absent.
        """
        alone = [self.columns[self._names.index(name)] for name in self.alone.names]
        mask = torch.cat([F.pad(present[:, self.columns], (0, 1), value=True), present[:, alone]], 1)
        if scores.shape[1] > mask.shape[1]:
            mask = F.pad(mask, (0, 1), value=True)
            if before is not None:
                mask[:, -1] = (present == before).all(1)
        return scores * mask.unsqueeze(2)

    def hide(self, scores: torch.Tensor) -> torch.Tensor:
        """Return scores (batch, n, n_scores) that are zero for rows of which training is not to know them."""
        if not self.hidden:
            return scores
        shown = torch.rand(len(scores), 1, 1, device=scores.device) >= self.hidden
        return scores * shown

    def outputs(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the outputs (batch, n_outputs) that follow from scores (batch, n, n_scores)."""
        n_added = len(self.columns) + 1
        outputs = self._means_of_levels(scores[:, :n_added].sum(1))
        has_trees = scores.shape[1] > n_added + len(self.alone.names)
        return outputs + scores[:, -1, : outputs.shape[1]] if has_trees else outputs

    def beside(self, scores: torch.Tensor) -> torch.Tensor:
        """Return scores (batch, n, n_scores) as the vector of each row, (batch, n_beside), that a head sees."""
        n_blocks = len(self.columns)
        return torch.cat([scores[:, :n_blocks], scores[:, n_blocks + 1 :]], 1).flatten(1)

    @property
    def apart(self) -> bool:
        """Whether the deep part never learns beside this, so that the mean of both predicts, and not their sum."""
        return self.hidden == 1

    @property
    def has_trees(self) -> bool:
        """Whether there may be trees beside the linear model."""
        return self.tree_part is not None

    @property
    def n_beside(self) -> int:
        """Width of the vector of each row that a head sees."""
        return (len(self.columns) + len(self.alone.names) + self.has_trees) * self.n_scores

    def _means_of_levels(self, scores):
        return scores if self.levels is None else scores.softmax(1) @ self.levels.to(scores).unsqueeze(1)

    def _tree_features(self, scores, blocks):
        """Return what trees see of rows (batch, n_features): the cells of tables, what all say, and others alone.

        Of tables without anything else they see the cells alone: what they say and what the linear model says then err
        differently, and the mean of both is better.
        """
        cells = [blocks[name][part].float() for part in ("codes", "numbers") for name in self.tables]
        if len(self.tables) == len(self.columns):
            return torch.cat(cells, 1)
        alone = scores[:, len(self.columns) + 1 :].float()
        means = [] if self.levels is None else [self._means_of_levels(of_block) for of_block in alone.unbind(1)]
        return torch.cat([*cells, self.outputs(scores).float(), alone.flatten(1), *means], 1)

    def _can_have_trees(self, loss, target):
        """Return whether trees see cells of tables or, of few rows, what several blocks say, each alone."""
        see = self.tables or (are_few(target) and len(set(self._names)) > 1)
        return bool(see) and trees_pay(loss, target)

    def _with_trees(self, scores, added):
        return torch.cat([scores, F.pad(added, (0, self.n_scores - added.shape[1])).unsqueeze(1)], 1)

    @torch.no_grad()
    def predict(self, dataset: Any, vectors: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
        """Return what `forward` gives for all rows of a ``BlockDataset``, and of ``vectors``."""
        vectors = {name: of_rows.split(CHUNK) for name, of_rows in (vectors or {}).items()}
        return torch.cat(
            [
                self(batch, {name: parts[number] for name, parts in vectors.items()})
                for number, batch in enumerate(batches(dataset))
            ]
        )

    def fit(
        self,
        dataset: Any,
        loss: Any,
        generator: torch.Generator,
        end: float = math.inf,
        vectors: dict[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Fit the model to rows, and return their scores out of fold, which are like those of `forward`.

        Parameters
        ----------
        dataset : BlockDataset
            The rows, with the blocks of ``block_names`` and ``feature_names``.
        loss : Loss
            What is minimised.
        generator : torch.Generator
            Deals the folds.
        end : float, default=inf
            When to be done, by ``time.perf_counter``, as far as that can be.
        vectors : dict of torch.Tensor of shape (n_rows, width), default=None
            The features of the blocks of ``feature_names``.
        """
        self.hidden = self._resolved_hidden_share(loss, dataset.groups is not None)
        blocks = [model.fit_design(dataset, name) for name, model in self._models()]
        weight = dataset.weight.reshape(len(dataset), -1).mean(1)
        blocks += [model.fit_design(*rows, weight) for model, rows in self._feature_rows(dataset, vectors)]
        design = DesignMatrix(blocks)
        folds = deal_folds(design, dataset.target, self.n_folds, generator, dataset.groups)
        coef, out_of_fold, self.settings = self._cross_fit(design, dataset, loss, folds, end, len(self.feature_names))
        self._set_coef(coef)
        return self._add_trees(out_of_fold, design, dataset, loss, folds, end)

    def cross_predict(
        self,
        dataset: Any,
        loss: Any,
        generator: torch.Generator,
        end: float = math.inf,
        refit: bool = False,
        vectors: dict[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return the scores out of fold that `fit` gives, and leave the weights as they are, or `refit` them before.

        Trees are grown anew.
        """
        design = self._design(dataset, vectors)
        if refit:
            self._refit(design, dataset, loss, end)
        folds = deal_folds(design, dataset.target, self.n_folds, generator, dataset.groups)
        out_of_fold = self._cross_fit(design, dataset, loss, folds, end, len(self.feature_names))[1]
        return self._add_trees(out_of_fold, design, dataset, loss, folds, end)

    def _add_trees(self, out_of_fold, design, dataset, loss, folds, end):
        """Fit a model to each block but tables alone and grow trees, and return scores out of fold with theirs."""
        if not self.has_trees:
            return out_of_fold
        alpha = None if self.settings is None else self.settings.alpha
        if self.alone.names:
            alone = self.alone.cross_fit(
                self._by_name(design.blocks),
                lambda name, block: self._cross_fit(
                    block, dataset, loss, folds, end, name in self.feature_names, alpha
                ),
            )
            out_of_fold = torch.cat([out_of_fold, alone], 1)
        scores = self.mask_absent(out_of_fold, torch.from_numpy(dataset.blocks.present))
        rows = self._seen_by_trees(scores, dataset), self.outputs(scores), dataset.target, dataset.weight
        added = self.tree_part.grow(*rows, loss, folds, end, n_codes=self.n_codes)
        return self._with_trees(scores, added)

    def _seen_by_trees(self, scores, dataset):
        """Return what trees see of all rows, of which there are ``scores`` out of fold: (n_rows, n_features)."""
        cells = dataset.select(self.tables)[slice(0, len(dataset))]["blocks"] if self.tables else {}
        return self._tree_features(scores, cells)

    def refit(
        self, dataset: Any, loss: Any, end: float = math.inf, vectors: dict[str, torch.Tensor] | None = None
    ) -> None:
        """Fit the weights to other rows, with the terms and the settings that were found before.

        Trees are grown anew where the ``dataset`` has ``base_scores``: those of models that had not seen the rows.
        """
        self._refit(self._design(dataset, vectors), dataset, loss, end)
        if self.has_trees and dataset.base_scores is not None and time.perf_counter() < end:
            features = self._seen_by_trees(dataset.base_scores[:, :-1], dataset)  # what trees have added comes last
            self.tree_part.regrow(features, dataset.target, dataset.weight, self.n_codes)

    def _refit(self, design, dataset, loss, end):
        if self.settings is not None:  # else its scores are zero
            problem = self._classes_or_numbers(dataset, loss)
            self._set_coef(fit(design, *problem, self.n_scores, self.settings, self._coef(), end))
            self.alone.refit(self._by_name(design.blocks), problem, end)

    def _cross_fit(self, design, dataset, loss, folds, end, n_of_features, alpha=None):
        """Return coefficients (1 + n_terms, n_scores), scores out of fold, and the settings of the fit."""
        if folds.max() < 1:  # all rows are equal, or each is a class of its own
            out_of_fold = torch.zeros(len(dataset), len(design.blocks) + 1, self.n_scores)
            if not self.feature_names:  # terms that one row has would tell nothing of others
                return torch.zeros(1 + design.n_terms, self.n_scores), out_of_fold, None
            settings = Settings(_UNTRIED_ALPHA, design.factors, 1.0, torch.zeros(self.n_scores))
            coef = fit(design, *self._classes_or_numbers(dataset, loss), self.n_scores, settings, end=end)
            return coef, out_of_fold, settings

        def validation_losses(scores, rows):  # the penalty is to be good for the means, not for telling levels apart
            return loss(self._means_of_levels(scores), dataset.target[rows]) * dataset.weight[rows]

        losses = None if self.levels is None else validation_losses
        problem = self._classes_or_numbers(dataset, loss)
        return cross_fit(
            design,
            *problem,
            self.n_scores,
            folds,
            losses,
            end,
            n_of_features=n_of_features,
            max_scale=self._max_scale(loss),
            alpha=alpha,
        )

    def _max_scale(self, loss):
        of_features_alone = not self.block_names and isinstance(loss, ClassifierLoss)
        return _MAX_SCALE_OF_FEATURES if of_features_alone else 1.0

    def _classes_or_numbers(self, dataset, loss):
        """Return target, weight and loss of the linear model: levels are classes to it."""
        if self.levels is None:
            return dataset.target, dataset.weight, loss
        nearest = (dataset.target - self.levels).abs().argmin(1)
        return nearest, dataset.weight[:, 0], nn.CrossEntropyLoss(reduction="none")

    @property
    def _names(self):
        return [*self.block_names, *self.feature_names]

    def _models(self):
        return zip(self.block_names, self.models, strict=True)

    def _feature_rows(self, dataset, vectors):
        """Yield each model of features with these, and with which rows have the block."""
        present, names = torch.from_numpy(dataset.blocks.present), list(dataset.blocks)
        for name, model in zip(self.feature_names, self.feature_models, strict=True):
            yield model, (vectors[name], present[:, names.index(name)])

    def _design(self, dataset, vectors=None):
        blocks = [model.design(dataset, name) for name, model in self._models()]
        return DesignMatrix(blocks + [model.design(*rows) for model, rows in self._feature_rows(dataset, vectors)])

    def _by_name(self, of_all):
        """Return what there is of each model as lists by the name of the block: of its terms and of its features."""
        pairs = list(zip(self._names, of_all, strict=True))
        return {name: [value for other, value in pairs if other == name] for name in self._names}

    def _coef(self):
        return torch.cat([self.intercept.unsqueeze(0), *self._weights()]).float().cpu()

    def _set_coef(self, coef):
        intercept, *weights = coef.split([1, *map(len, self._weights())])
        self.intercept.copy_(intercept.squeeze(0))
        for of_model, weight in zip(self._weights(), weights, strict=True):
            of_model.copy_(weight)

    def _weights(self):
        return [model.weight[:, : self.n_scores] for model in (*self.models, *self.feature_models)]


def _is_table(spec):
    """Return whether trees see the cells of a block: those of a table whose rows are no lists."""
    return spec.linear_terms == "columns" and spec.pool is None and spec.n_numbers <= _MOST_NUMBERS
