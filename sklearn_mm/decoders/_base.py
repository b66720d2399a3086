"""What every decoder owes: the features of all blocks and a text so far in, scores of the next token out."""

from typing import TYPE_CHECKING, Any, Self

import torch
import torch.nn as nn

from sklearn_mm.utils._component import Component

if TYPE_CHECKING:
    from sklearn_mm.encoders import Features
    from sklearn_mm.networks._block_encoders import BlockEncoders

__all__ = ["Decoder"]


class Decoder(Component):
    """Base of all decoders, which write texts token by token (autoregressive).

    A subclass owes four methods. ``build(widths, token_widths, n_ids)`` makes the layers and returns ``self``; the
    widths are dicts of those of ``pooled`` and of ``tokens`` by block name. ``remember(features, present)`` returns
    what is kept of the blocks while a text is written, ``forward(ids, memory, state)`` reads on in the text, and
    ``scores(vectors)`` tells what comes next. What a row is given depends on nothing in other rows, and a vector on no
    later token.

    Attributes
    ----------
    width : int
        Width of the vectors, where tokens may be copied by them.
    reading : dict
        How its texts become ids, and ids texts: parameters of a `TextTransformer`. Empty if any will do.
    special_tokens : tuple of str
        Tokens that it may write and that are no part of texts.
    encoders : dict of str to Encoder
        What had better read blocks, by their kind, where no encoder is named.
    never, never_first : tuple of int
        Ids that are not written: anywhere, or first.
    frozen : bool
        Whether nothing of it is trained. Known after `build`.
    frozen_modules : list of torch.nn.Module
        Parts that training leaves as they are, and that need be neither averaged nor copied.
    """

    width = None
    reading = {}
    special_tokens = ()
    encoders = {}
    never = (0, 1)  # padding, and what is unknown
    never_first = ()
    frozen = False
    frozen_modules = ()

    def meet(self, encoders: "BlockEncoders") -> None:
        """Learn what reads the blocks, before `build`; most need not know."""

    def build(self, widths: dict[str, int], token_widths: dict[str, int], n_ids: int) -> Self:
        """Make the layers for blocks of the given widths and a vocabulary of ``n_ids``; 0 is padding."""
        raise NotImplementedError

    def share_embedding(self, embedding: nn.Embedding, n_ids: int) -> None:
        """Look the first of ``n_ids`` ids up in an embedding that belongs to an encoder; a decoder need not have it."""
        raise ValueError(f"{type(self).__name__} cannot share embeddings with an encoder; leave share_embeddings out.")

    def remember(self, features: "dict[str, Features]", present: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what is kept of the blocks of a batch, tensors whose first axis is the rows.

        A row may have no block at all.
        """
        raise NotImplementedError

    def forward(
        self, ids: torch.Tensor, memory: dict[str, torch.Tensor], state: dict[str, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, Any]:
        """Return vectors (batch, n_tokens, width) of tokens that follow those in ``state``, and the state after them.

        Parameters
        ----------
        ids : Tensor of shape (batch, n_tokens), dtype int64
            The next tokens of each text.
        memory : dict of str to Tensor
            What `remember` gave of the rows.
        state : dict of str to Tensor, default=None
            What the decoder keeps of the tokens so far, tensors whose first axis is the rows; None at the beginning.
        """
        raise NotImplementedError

    def scores(self, vectors: torch.Tensor) -> torch.Tensor:
        """Map vectors (..., width) to logits (..., n_ids) of the token that follows."""
        raise NotImplementedError
