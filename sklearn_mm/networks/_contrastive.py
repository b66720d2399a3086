"""What joint spaces learn by: blocks of a row are to be nearer than those of other rows (contrastive learning)."""

import math
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from skorch.utils import to_tensor

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._canonical import MOST_ROWS, Moments, canonical_space
from sklearn_mm.networks._joint_space_top import JointSpaceTop
from sklearn_mm.networks._objectives import Objective
from sklearn_mm.networks._term_space import TermSpace, has_term_space
from sklearn_mm.networks._tops import Top
from sklearn_mm.networks.wide._block_model import batches

__all__ = ["Contrastive", "info_nce", "sigmoid_loss"]

_ENOUGH_TO_HOLD_OUT = 200
_BATCHES_AT_ONCE = 64  # whose products are summed together
_NEVER = -1e9  # a logit that counts nothing, with gradients that are numbers


class Contrastive(Objective):
    """Bring what the blocks of a row are mapped to together, and apart from what those of other rows are.

    The target of a batch is (batch, n_blocks + 1): codes that are equal where the content of a block is, and codes of
    labels. Two rows *match* where any of those of the pair of blocks, or of the label, are equal: what the one has is
    then no negative of what the other has, but a positive.

    Parameters
    ----------
    loss : {"infonce", "siglip"}, default="infonce"
        Softmax over the rows of a batch, in both directions, or a sigmoid for each pair.
    n_components : int, default=64
        Width of the space.
    projection : {"cca", "linear", "mlp"} or None, default="linear"
        What maps blocks into the space.
    dropout : float, default=0.0
        In the projections.
    temperature : float or None, default=None
        At first; None is 0.07 for "infonce" and 0.1 for "siglip".
    hard_negatives : float, default=0.0
        How much more similar negatives count.
    auto_batch_size : int, default=64
        What a batch size of "auto" stands for.
    n_candidates : int, default=64
        Rows of a step, from which the bias of "siglip" begins.
    rows_at_once : int or None, default=None
        How many of them are computed at once, at most; None for all.
    starts : bool, default=True
        Whether projections of frozen vectors begin in closed form.
    has_terms : bool, default=False
        Whether half of the components are a space in closed form of what linear models see, if they see all blocks.
    """

    row_wise = False

    def __init__(
        self,
        loss: str = "infonce",
        *,
        n_components: int = 64,
        projection: str | None = "linear",
        dropout: float = 0.0,
        temperature: float | None = None,
        hard_negatives: float = 0.0,
        auto_batch_size: int = 64,
        n_candidates: int = 64,
        rows_at_once: int | None = None,
        starts: bool = True,
        has_terms: bool = False,
    ):
        super().__init__()
        self.kind = loss
        self.n_components = n_components
        self.projection = projection
        self.dropout = dropout
        self.temperature = temperature
        self.hard_negatives = hard_negatives
        self.n_candidates = n_candidates
        self._auto_batch_size = auto_batch_size
        self.rows_at_once = rows_at_once
        self.starts = starts
        self.has_terms = has_terms

    @property
    def trains(self) -> bool:
        """Whether anything is trained by the loss."""
        return self.projection not in (None, "cca")

    def auto_batch_size(self, n_rows: int) -> int:
        return min(self._auto_batch_size, n_rows)

    def held_out_fraction(self, n_rows: int) -> float:
        return 0.1 if self.trains and n_rows >= _ENOUGH_TO_HOLD_OUT else 0.0

    def max_rows_at_once(self) -> int | None:
        return self.rows_at_once

    def build_top(self, encoders: BlockEncoders, specs: dict[str, BlockSpec], target: Any) -> Top:
        is_sigmoid = self.kind == "siglip"
        temperature = (0.1 if is_sigmoid else 0.07) if self.temperature is None else self.temperature
        has_terms = self.has_terms and self.trains and self.n_components > 1 and has_term_space(specs)
        return JointSpaceTop(
            encoders,
            None if self.projection is None else self.n_components,
            hidden_layer_sizes=(4 * self.n_components,) if self.projection == "mlp" else (),
            dropout=self.dropout,
            temperature=temperature,
            bias=-math.log(max(self.n_candidates - 1, 1)) if is_sigmoid else 0.0,
            terms=TermSpace(specs, self.n_components // 2) if has_terms else None,
        )

    def loss(self, outputs: Any, batch: dict[str, Any], top: Top) -> torch.Tensor:
        (vectors, present), codes = outputs, batch["target"]
        weight = batch["weight"][:, 0]
        losses = []
        for first, second in combinations(range(vectors.shape[1]), 2):
            rows = (present[:, first] & present[:, second]).nonzero().squeeze(1)
            if len(rows) < 2:  # nothing to tell from
                continue
            cosines = vectors[rows, first] @ vectors[rows, second].T
            own = codes[rows][:, [first, second, -1]]  # (n, 3)
            matches = (own.unsqueeze(1) == own.unsqueeze(0)).any(2)
            if self.kind == "siglip":
                logits = top.scale * cosines + top.bias
                losses.append(sigmoid_loss(logits, matches, weight[rows], self.hard_negatives))
            else:
                logits = top.scale * cosines
                ways = [info_nce(x, matches, weight[rows], self.hard_negatives) for x in (logits, logits.T)]
                losses.append(sum(ways) / 2)
        # a batch in which no row has two blocks teaches nothing
        return torch.stack(losses).mean() if losses else 0.0 * (vectors.sum() + top.scale)

    def start(
        self, network: Any, dataset: Any, generator: torch.Generator, end: float = math.inf, goes_on: bool = False
    ) -> Any:
        """Begin projections of frozen vectors with regularised canonical correlations; find the space of terms."""
        top = network.top
        self.begins_well = False
        if top.terms is not None and not goes_on:
            top.terms.fit(dataset, dataset.target.numpy()[:, :-1])
            top.terms.to(top.bias.device)
        if not self.starts or self.projection is None or len(top.frozen_names) < len(top.names):
            return
        if goes_on and self.trains:
            return
        self.begins_well = True
        vectors, rows, moments = _read_vectors(network.encoders, dataset)
        codes = dataset.target.numpy()[rows, :-1]
        present = torch.from_numpy(dataset.blocks.present[rows])
        width = top.out_features
        space = canonical_space(vectors, present, width, codes, moments.correlations(), may_add=not self.trains)
        if not any(weight.any() for weight, _ in space.projections.values()):
            raise ValueError(
                f"The vectors of {list(vectors)} have nothing in common over {len(dataset)} rows, or never change, so "
                "that there is no joint space of them."
            )
        top.start(*space)


@torch.no_grad()
def _read_vectors(encoders, dataset):
    """Return the unit vectors of a sample of the rows, by block, which rows these are, and the `Moments` of all rows.

    Vectors of other rows are not kept: of many rows they would fill the memory.
    """
    n_rows, device, was_training = len(dataset), encoders.stand_ins[0].device, encoders.training
    rows = np.arange(n_rows)
    if n_rows > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
    is_sampled = torch.zeros(n_rows, dtype=torch.bool)
    is_sampled[torch.from_numpy(rows)] = True
    sample, pending, moments, start = {name: [] for name in encoders.names}, [], Moments(encoders.names), 0
    encoders.eval()
    for batch in batches(dataset):
        features, present = encoders.encode(to_tensor(batch, device=device))
        vectors = {name: F.normalize(block.pooled.float(), dim=1).cpu() for name, block in features.items()}
        stop = start + len(present)
        for name, x in vectors.items():
            sample[name].append(x[is_sampled[start:stop]])
        pending.append((vectors, present.cpu(), dataset.weight[start:stop, 0]))
        start = stop
        if len(pending) == _BATCHES_AT_ONCE or stop == n_rows:
            some, there, weight = zip(*pending, strict=True)
            some = {name: torch.cat([vectors[name] for vectors in some]) for name in encoders.names}
            moments.add(some, torch.cat(there), torch.cat(weight))
            pending = []
    encoders.train(was_training)
    return {name: torch.cat(parts) for name, parts in sample.items()}, rows, moments


def info_nce(logits, matches, weight, hardness=0.0):
    """Return InfoNCE of rows that are to find their matches among all columns, a weighted mean over rows.

    Each match is compared with what matches not, so that several do not compete; with one, it is cross-entropy.

    Parameters
    ----------
    logits : Tensor of shape (n, n)
        Similarities.
    matches : Tensor of shape (n, n), dtype bool
        Which columns belong to a row; its own one among them.
    weight : Tensor of shape (n,)
        Of rows.
    hardness : float, default=0.0
        By how much more negatives count that are similar (Robinson et al., 2021): the exponent of their weights.
    """
    negatives = logits.masked_fill(matches, _NEVER)
    if hardness:
        negatives = negatives + _log_weights(negatives, matches, hardness)
    losses = torch.logaddexp(logits, negatives.logsumexp(1, keepdim=True)) - logits
    losses = (losses * matches).sum(1) / matches.sum(1)
    return (losses * weight).sum() / weight.sum()


def sigmoid_loss(logits, matches, weight, hardness=0.0):
    """Return the loss of SigLIP: each pair is a match or not, by itself; a weighted mean of sums over rows.

    Parameters
    ----------
    logits, matches, weight, hardness
        As of `info_nce`.
    """
    losses = -F.logsigmoid(torch.where(matches, logits, -logits))
    if hardness:
        log_weights = _log_weights(logits.masked_fill(matches, _NEVER), matches, hardness)
        losses = torch.where(matches, losses, losses * log_weights.exp())
    pairs = weight.unsqueeze(1) * weight.unsqueeze(0) / weight.mean() ** 2
    return (losses * pairs).sum() / len(logits)


def _log_weights(negatives, matches, hardness):
    """Return logarithms of weights of negatives, whose mean over those of a row is 1; no gradient goes through them."""
    n_negatives = (~matches).sum(1, keepdim=True).clamp(min=1)
    scaled = hardness * negatives.detach()
    return (scaled - scaled.logsumexp(1, keepdim=True) + n_negatives.log()).masked_fill(matches, 0.0)
