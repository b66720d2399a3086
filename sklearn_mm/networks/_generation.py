"""What generators learn by: the likelihood of texts."""

from typing import Any

import numpy as np
import torch

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.decoders import Decoder
from sklearn_mm.decoders._registry import resolve_decoder
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._decoder_top import DecoderTop
from sklearn_mm.networks._objectives import Objective
from sklearn_mm.networks._tops import Top
from sklearn_mm.utils._component import checked_clone

__all__ = ["Generation"]

_ENOUGH_TO_HOLD_OUT = 200


class Generation(Objective):
    """Write the texts of rows.

    Parameters
    ----------
    decoder : str or Decoder
        Not built.
    n_ids, start_id, end_id : int
        Size of the vocabulary, and the ids of what stands before a text and after it.
    usual_length : float
        Number of tokens by which losses are divided: about those of a text, so that they are of a token.
    label_smoothing : float, default=0.0
        Share of each token that is spread over all others in training.
    copied, shared : default=None
        As of `DecoderTop`.
    """

    def __init__(
        self,
        decoder: str | Decoder,
        n_ids: int,
        start_id: int,
        end_id: int,
        usual_length: float,
        label_smoothing: float = 0.0,
        copied: tuple[str, np.ndarray] | None = None,
        shared: str | None = None,
    ):
        super().__init__()
        self._unbuilt = {"decoder": decoder}  # in a dict, it is no submodule
        self._ids = n_ids, start_id, end_id
        self.usual_length = usual_length
        self.label_smoothing = label_smoothing
        self.copied = copied
        self.shared = shared

    def raw_blocks(self, specs: dict[str, BlockSpec]) -> list[str]:
        return [] if self.copied is None else [self.copied[0]]

    def held_out_fraction(self, n_rows: int) -> float:
        return 0.1 if n_rows >= _ENOUGH_TO_HOLD_OUT else 0.0

    def build_top(self, encoders: BlockEncoders, specs: dict[str, BlockSpec], target: Any) -> Top:
        decoder = checked_clone(resolve_decoder(self._unbuilt["decoder"]))
        top = DecoderTop(encoders, decoder, *self._ids, self.label_smoothing, self.copied, self.shared)
        self.trains = not (top.decoder.frozen and all(encoder.frozen for encoder in encoders.encoders))
        return top

    def loss(self, outputs: Any, batch: dict[str, Any], top: Top) -> torch.Tensor:
        return outputs / self.usual_length
