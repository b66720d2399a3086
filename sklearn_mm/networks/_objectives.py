"""What a network learns: the top over its encoders, the loss of a batch, and what happens around training."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn as nn

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders import BagEncoder, Encoder
from sklearn_mm.encoders._registry import auto_encoder
from sklearn_mm.fusion import Fusion
from sklearn_mm.fusion._registry import resolve_fusion
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._heads import Head, resolve_head
from sklearn_mm.networks._tops import FusionTop, Top
from sklearn_mm.networks.losses._base import ClassifierLoss, Loss
from sklearn_mm.networks.wide import settle_share
from sklearn_mm.networks.wide._block_model import has_model
from sklearn_mm.networks.wide._frozen_vectors import frozen_vectors
from sklearn_mm.networks.wide._wide_linear import WideLinear
from sklearn_mm.utils._component import checked_clone
from sklearn_mm.utils._devices import on_cpu

__all__ = ["Objective", "Supervised"]


class Objective(nn.Module):
    """Base of what networks are trained for.

    A subclass owes ``build_top`` and ``loss``; all else has an answer for tasks that need nothing of the kind. What a
    loss learns, such as a temperature, belongs to the top, whose weights are trained, averaged and kept.

    Attributes
    ----------
    row_wise : bool
        Whether the loss is a mean over rows, whose parts are losses of smaller batches: then `loss` returns one number
        per row or element, which is weighted. Else it returns the loss of the whole batch, as a contrastive one, and
        where a batch is computed in parts, gradients of outputs are cached.
    """

    row_wise = True
    trains = True  # whether there is anything to train by the loss
    begins_well = False  # whether the weights before the first epoch may be the best, as those of a closed form

    def auto_encoder(self, spec: BlockSpec) -> Encoder:
        """Return the encoder that "auto" stands for, not built, for a block that ``spec`` describes."""
        return auto_encoder(spec.kind)

    def raw_blocks(self, specs: dict[str, BlockSpec]) -> list[str]:
        """Return the names of blocks that are read as they are, beside what their encoders make of them."""
        return []

    def encode(self, target: Any) -> Any:
        """Return the target of rows as the array, or `Ragged`, that travels in the batches; None if there is none."""
        return target

    def build_top(self, encoders: BlockEncoders, specs: dict[str, BlockSpec], target: Any) -> Top:
        """Return the `Top` over built encoders; ``target`` is the encoded one of the training rows."""
        raise NotImplementedError(f"{type(self).__name__} must have build_top(encoders, specs, target), a Top.")

    def loss(self, outputs: Any, batch: dict[str, Any], top: Top) -> torch.Tensor:
        """Return the loss of outputs: of each row or element, or of the batch, as ``row_wise`` says.

        ``batch`` is that of the outputs, without ``blocks`` and ``features``: a dict of ``present``, ``weight`` and,
        where there are any, ``target`` and ``base_scores``; ``top`` gave the outputs.
        """
        raise NotImplementedError(f"{type(self).__name__} must have loss(outputs, batch, top).")

    def score(self, outputs: Any, batch: dict[str, Any]) -> torch.Tensor | None:
        """Return the score of each row, (batch,), whose mean is shown in training; None if there is none."""
        return None

    def held_out_fraction(self, n_rows: int) -> float:
        """Return which share of the rows had better be held out even where nobody asks for it."""
        return 0.0

    def auto_batch_size(self, n_rows: int) -> int:
        """Return how many rows "auto" is: 8 to 64, so that an epoch over few rows still makes some sixteen steps."""
        return int(np.clip(2 ** int(np.log2(max(n_rows / 16, 1))), 8, 64))

    def max_rows_at_once(self) -> int | None:
        """Return how many rows of a batch are computed at once, at most, where its loss is one of all; None for all."""
        return None

    def start(
        self, network: Any, dataset: Any, generator: torch.Generator, end: float = math.inf, goes_on: bool = False
    ) -> Any:
        """Begin from the training rows; returns ``base_scores`` of them, (n_rows, ...), which travel in the batches.

        Whoever returns some also has ``base_scores`` for rows that are validated with.
        """
        return None

    def base_scores(self, network: Any, dataset: Any) -> Any:
        """Return the ``base_scores`` of rows that are not trained with."""
        return None

    def end_epoch(self, top: Top, predict: Callable, validation: Any) -> None:
        """Learn from validation rows after an epoch, before they are validated with.

        ``predict(validation)`` returns the outputs of a ``BlockDataset`` as an array.
        """

    def end_training(self, top: Top) -> None:
        """Look back at what was learnt from validation rows, when ``top`` is again that of the best epoch."""

    def refit(self, network: Any, dataset: Any, end: float = math.inf) -> None:
        """Learn from all rows, those that were held out among them, when training has ended.

        If `refits_from_scores`, the ``dataset`` has the ``base_scores`` by which rows were trained and validated with.
        """

    def refits_from_scores(self, network: Any) -> bool:
        """Return whether `refit` looks for ``base_scores``."""
        return False


class Supervised(Objective):
    """Predict a target from fused blocks, by a loss of rows or elements.

    Parameters
    ----------
    criterion : Loss
        Built.
    fusion : str or Fusion, default="auto"
        How blocks become one vector.
    head : str or Head, default="auto"
        What maps it to outputs.
    wide : WideLinear or None, default=None
        The linear model whose outputs are added, not built.
    balancing : {"heads", "modulation"} or None, default=None
        What keeps blocks from being left behind in training.
    """

    def __init__(
        self,
        criterion: Loss,
        fusion: str | Fusion = "auto",
        head: str | Head = "auto",
        wide: WideLinear | None = None,
        balancing: str | None = None,
    ):
        super().__init__()
        self.criterion = criterion
        self._unbuilt = {"fusion": fusion, "head": head, "wide": wide}  # in a dict, they are no submodules
        self._balancing = balancing
        self._latest_share = None  # of the deep part's outputs, as validation rows settled it

    def auto_encoder(self, spec: BlockSpec) -> Encoder:
        encoder, wide = super().auto_encoder(spec), self._unbuilt["wide"]
        if wide is not None and isinstance(encoder, BagEncoder):  # the linear model weighs single words
            encoder.set_params(embedding_dim=wide.resolved_text_width(self.criterion))
        return encoder

    def raw_blocks(self, specs: dict[str, BlockSpec]) -> list[str]:
        return [] if self._unbuilt["wide"] is None else [name for name, spec in specs.items() if has_model(spec)]

    def encode(self, target: Any) -> Any:
        return self.criterion.encode(target)

    def build_top(self, encoders: BlockEncoders, specs: dict[str, BlockSpec], target: Any) -> Top:
        wide, share, narrow_widths = self._unbuilt["wide"], 1.0, {}
        if wide is not None:
            frozen_widths = encoders.frozen_widths()
            tuned = any(encoder.tuned for encoder in encoders.encoders)
            wide = checked_clone(wide).build(specs, self.criterion, target, frozen_widths, tuned)
            frozen = {name: width for name, width in frozen_widths.items() if encoders[name].frozen}
            share = self._initial_share(wide, encoders)
            narrow_widths = wide.narrow_widths(frozen, self.criterion)
        fusion = checked_clone(resolve_fusion(self._unbuilt["fusion"]))
        head = checked_clone(resolve_head(self._unbuilt["head"]))
        n_outputs = self.criterion.n_outputs
        return FusionTop(
            encoders,
            fusion,
            head,
            n_outputs,
            wide=wide,
            balancing=self._balancing,
            share=share,
            narrow_widths=narrow_widths,
        )

    def loss(self, outputs: Any, batch: dict[str, Any], top: Top) -> torch.Tensor:
        outputs, *unimodal = outputs if isinstance(outputs, tuple) else (outputs,)
        losses = self._losses(outputs, batch["target"])
        if unimodal:
            own = top.unimodal.losses(*unimodal, self.criterion, batch["target"])
            losses = losses + (own - own.detach())  # adds to the gradient; what is shown stays the loss of the outputs
        return losses

    def score(self, outputs: Any, batch: dict[str, Any]) -> torch.Tensor | None:
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        outputs = outputs if outputs.ndim == 2 else outputs.mean(1)
        return self.criterion.row_scores(outputs, batch["target"])

    def held_out_fraction(self, n_rows: int) -> float:
        wide = self._unbuilt["wide"]
        return 0.0 if wide is None else wide.held_out_fraction(n_rows, self.criterion)

    def start(
        self, network: Any, dataset: Any, generator: torch.Generator, end: float = math.inf, goes_on: bool = False
    ) -> Any:
        """Fit the linear model, and return its out-of-fold predictions of the training rows."""
        wide = network.top.wide
        if wide is None:
            return None
        rows, vectors = self._rows_and_vectors(network, dataset)
        with on_cpu(wide, self.criterion):
            if not goes_on:
                scores = wide.fit(rows, self.criterion, generator, end, vectors)
                network.top.share = self._initial_share(wide, network.encoders)
                return scores
            # it may know rows that are now held out
            return wide.cross_predict(rows, self.criterion, generator, end, refit=True, vectors=vectors)

    def base_scores(self, network: Any, dataset: Any) -> Any:
        """Return the predictions of the linear model."""
        wide = network.top.wide
        if wide is None:
            return None
        rows, vectors = self._rows_and_vectors(network, dataset)
        with on_cpu(wide):
            return wide.predict(rows, vectors)

    def end_epoch(self, top: FusionTop, predict: Callable, validation: Any) -> None:
        """Settle how much of the deep part's outputs is added to those of the linear model in prediction."""
        if top.wide is None or not top.wide.settles_share():
            return
        present = torch.from_numpy(validation.blocks.present)
        wide = top.wide.outputs(top.wide.mask_absent(validation.base_scores, present))
        top.share = 1.0
        deep = torch.from_numpy(predict(validation)) - wide
        with on_cpu(self.criterion):
            top.share = settle_share(wide, deep, validation.target, validation.weight, self.criterion)
        self._latest_share = top.share

    def end_training(self, top: FusionTop) -> None:
        """Add nothing of the deep part to numbers unless validation rows still gain by it after the last epoch.

        Of many epochs the best one may be so by chance, and what chance gains, further training loses. Of classes, a
        deep part that has begun to know its rows by heart is too sure, whatever it had gained by.
        """
        if self._latest_share == 0 and not isinstance(self.criterion, ClassifierLoss):
            top.share = 0.0

    def refit(self, network: Any, dataset: Any, end: float = math.inf) -> None:
        """Fit linear model and trees to all rows, when those that were held out have told how good they are."""
        wide = network.top.wide
        if wide is not None:
            rows, vectors = self._rows_and_vectors(network, dataset)
            with on_cpu(wide, self.criterion):
                wide.refit(replace(rows, base_scores=dataset.base_scores), self.criterion, end, vectors)

    def refits_from_scores(self, network: Any) -> bool:
        """Return whether trees are grown once more."""
        return network.top.wide is not None and network.top.wide.has_trees

    def _initial_share(self, wide, encoders):
        return wide.initial_share(self.criterion, all(encoder.frozen for encoder in encoders.encoders))

    def _losses(self, outputs, target):
        """Return the loss of each row or element; of outputs (batch, n_members, n_outputs) the mean over members."""
        if outputs.ndim == 2:
            return self.criterion(outputs, target)
        n_members = outputs.shape[1]
        losses = self.criterion(outputs.flatten(0, 1), target.repeat_interleave(n_members, 0))
        return losses.unflatten(0, (-1, n_members)).mean(1) if losses.ndim else losses  # one number is refused later

    def _rows_and_vectors(self, network, dataset):
        """Return the rows as the linear model sees them, and what frozen encoders say of them, by block."""
        wide = network.top.wide
        names = [name for name in dataset.blocks if name in {*wide.block_names, *wide.feature_names}]
        rows = replace(dataset.select(names), raw=wide.block_names)
        return rows, frozen_vectors(network.encoders, dataset, wide.feature_names)
