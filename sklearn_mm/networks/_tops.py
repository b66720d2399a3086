"""The upper half of a network: from the features of all blocks to outputs."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn as nn

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import Fusion
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._heads import Head
from sklearn_mm.networks._modulation import GradientModulation
from sklearn_mm.networks._unimodal import UnimodalHeads
from sklearn_mm.networks.wide._feature_model import row_vectors
from sklearn_mm.networks.wide._wide_linear import WideLinear

__all__ = ["BALANCING", "FusionTop", "Top"]

_NARROW_DROPOUT = 0.8  # docs/decisions/0035
BALANCING = {"heads": UnimodalHeads, "modulation": GradientModulation}


class Top(nn.Module):
    """Base of what a task makes of the features of all blocks.

    A subclass owes ``forward(features, present, batch)``, which gets the `Features` of each block by name, which of
    them a row has, (batch, n_blocks), and the batch that they are of. It returns a tensor whose first axis is the rows,
    or a tuple of such.

    Attributes
    ----------
    reads_tokens : bool
        Whether the blocks' tokens may change the outputs. Where they do not, those of frozen encoders are not kept.
    raw_blocks : list of str
        Blocks that it looks up in the batch, as they are, where this has no ``base_scores``.
    out_features : int
        Width of the vector of each row that a transformer would give; None if there is none.
    """

    reads_tokens = True
    raw_blocks = ()
    out_features = None

    def forward(self, features: dict[str, Features], present: torch.Tensor, batch: dict[str, Any]) -> Any:
        """Return the outputs of each row of a batch."""
        raise NotImplementedError(f"{type(self).__name__} must have forward(features, present, batch).")

    def components(self) -> Iterator:
        """Yield the built components that it is made of, which may ``start`` and have ``parameter_groups``."""
        yield from ()


class FusionTop(Top):
    """Fuse the blocks' features, and map what comes of it to outputs, beside a linear model.

    Parameters
    ----------
    encoders : BlockEncoders
        What the features come from.
    fusion : Fusion
        Not built.
    head : Head
        Not built; not used by a fusion that gives outputs itself.
    n_outputs : int
        Width of the outputs.
    wide : WideLinear or None, default=None
        Built. Its outputs are added to those of the rest, of which ``share`` counts in prediction.
    balancing : {"heads", "modulation"} or None, default=None
        How blocks are kept from leaving each other behind in training: by a loss of their own (``UnimodalHeads``), or
        by slowing down the one that is ahead (``GradientModulation``).
    share : float, default=1.0
        How much of the deep part's outputs is added to the wide part's in prediction.
    narrow_widths : dict of str to int, default=None
        In how many dimensions, which are learnt with much dropout, the features of some blocks are read that ``wide``
        sees too; by name. Their tokens stay as they are.
    """

    def __init__(
        self,
        encoders: BlockEncoders,
        fusion: Fusion,
        head: Head,
        n_outputs: int,
        *,
        wide: WideLinear | None = None,
        balancing: str | None = None,
        share: float = 1.0,
        narrow_widths: dict[str, int] | None = None,
    ):
        super().__init__()
        self.share = share
        self._narrowed = list(narrow_widths or {})
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Dropout(_NARROW_DROPOUT), nn.Linear(encoders.widths[name], narrow_widths[name]))
            for name in self._narrowed
        )
        widths = encoders.widths | (narrow_widths or {})
        self.fusion = fusion.build(widths, n_outputs, encoders.token_widths)
        self.wide = wide
        self._partly_frozen = {name for name in widths if encoders[name].partly_frozen}
        self._are_lists = {name for name in widths if encoders.pooling(name) is not None}
        n_scores = 0 if wide is None else wide.n_beside
        head.token_widths = encoders.token_widths
        self.head = None if fusion.gives_outputs else head.build(fusion.out_features + n_scores, widths, n_outputs)
        alone = balancing is None or len(widths) == 1
        self.unimodal = None if alone else BALANCING[balancing](widths, n_outputs)
        self.out_features = fusion.out_features

    @property
    def reads_tokens(self) -> bool:
        return self.fusion.reads_tokens or (self.head is not None and self.head.reads_tokens)

    @property
    def raw_blocks(self) -> Sequence[str]:
        return () if self.wide is None else self.wide.block_names

    def get_extra_state(self) -> torch.Tensor:
        """Return what ``state_dict`` holds beside tensors that are trained or averaged."""
        return torch.tensor(self.share)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Take what `get_extra_state` gave."""
        self.share = state.item()

    def components(self) -> Iterator:
        yield self.fusion
        if self.head is not None:
            yield self.head

    def forward(self, features: dict[str, Features], present: torch.Tensor, batch: dict[str, Any]) -> Any:
        """Return the outputs of each row, (batch, n_outputs), or those of a head's members, as `Head` says.

        With ``balancing``, and in training only, they come with those of each block, (batch, n_blocks, n_outputs),
        and with which blocks count as present, (batch, n_blocks).
        """
        scores = self._wide_scores(features, present, batch)
        features = self._narrow(features)
        if self.unimodal is None or not self.training:
            return self._outputs(features, present, scores)
        features, unimodal = self.unimodal(features)
        return self._outputs(features, present, scores), unimodal, present

    def fuse(self, features: dict[str, Features], present: torch.Tensor) -> torch.Tensor:
        """Return the fused vector of each row, (batch, out_features)."""
        return self.fusion(self._narrow(features), present)

    def _narrow(self, features):
        return features | {
            name: features[name]._replace(pooled=project(self.wide.expand(name, features[name].pooled)))
            for name, project in zip(self._narrowed, self.projections, strict=True)
        }

    def _wide_scores(self, features, present, batch):
        """Return the scores of the linear model, (batch, n, n_scores), or None if there is no such model."""
        if self.wide is None:
            return None
        scores = batch.get("base_scores")
        if scores is None:
            names = self.wide.feature_names
            vectors = {
                name: batch["features"][name]["pooled"]
                if name in self._partly_frozen
                else row_vectors(features[name], name in self._are_lists)
                for name in names
            }
            scores = self.wide(batch, vectors)
        scores = self.wide.mask_absent(scores, present, batch["present"])
        return self.wide.hide(scores) if self.training else scores

    def _outputs(self, features, present, scores):
        fused = self.fusion(features, present)
        if scores is None:
            return fused if self.head is None else self.head(fused, features, present)
        if self.head is not None:  # it may say more where it knows what the linear model says
            beside = self.wide.beside(scores)
            beside = torch.zeros_like(beside) if self.wide.apart else beside
            fused = self.head(torch.cat([fused, beside], 1), features, present)
        share = 1.0 if self.training else self.share
        wide = self.wide.outputs(scores) * (1 - share if self.wide.apart else 1)
        return share * fused + (wide if fused.ndim == 2 else wide.unsqueeze(1))  # to each of a head's members
