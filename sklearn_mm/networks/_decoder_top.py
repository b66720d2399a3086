"""The top that writes: a decoder over the tokens of all blocks, and what given texts cost it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.decoders import Decoder
from sklearn_mm.encoders import Encoder, Features
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._pointer import Pointer
from sklearn_mm.networks._tops import Top

__all__ = ["DecoderTop"]


class DecoderTop(Top):
    """Tell how probable texts are, token by token (teacher forcing).

    Parameters
    ----------
    encoders : BlockEncoders
        What the features come from.
    decoder : Decoder
        Not built.
    n_ids, start_id, end_id : int
        Size of the vocabulary, and the ids of what stands before a text and after it.
    label_smoothing : float, default=0.0
        Share of each token that is spread over all others in training.
    copied : tuple of str and ndarray, default=None
        Name of the block whose tokens may be copied, and the id that each of its ids has in the texts, as of `Pointer`.
    shared : str, default=None
        Name of the block whose encoder's embedding is the decoder's too.
    """

    def __init__(
        self,
        encoders: BlockEncoders,
        decoder: Decoder,
        n_ids: int,
        start_id: int,
        end_id: int,
        label_smoothing: float = 0.0,
        copied: tuple[str, np.ndarray] | None = None,
        shared: str | None = None,
    ):
        super().__init__()
        decoder.meet(encoders)
        self.decoder = decoder.build(encoders.widths, encoders.token_widths, n_ids)
        if shared is not None:
            self.decoder.share_embedding(_embedding_of(encoders[shared], shared), n_ids)
        self.pointer = None
        if copied is not None:
            if decoder.width is None:
                raise ValueError(f"{type(decoder).__name__} has no vectors to copy by; leave copy_from out.")
            self.pointer = Pointer(*copied, decoder.width, encoders.token_widths[copied[0]])
            self.raw_blocks = [copied[0]]
        self.start_id = start_id
        self.end_id = end_id
        self.label_smoothing = label_smoothing

    def components(self) -> Iterator:
        yield self.decoder

    def forward(self, features: dict[str, Features], present: torch.Tensor, batch: dict[str, Any]) -> Any:
        """Return the negative log-likelihood of the text of each row, (batch,), with smoothed labels in training.

        Of several texts of a row it is the mean. Without texts in the batch it returns the logits of the first token.
        """
        memory = self.remember(features, present, batch)
        if "target" not in batch:
            vectors, _ = self.decoder(torch.full_like(present[:, :1], self.start_id, dtype=torch.int64), memory)
            return self.scores(vectors, memory)[:, 0]
        ids, counts = batch["target"]["items"].long(), batch["target"]["counts"]
        texts, row_of_text = self._texts(ids, counts)
        if len(texts) > len(present):  # some rows have several
            memory = {name: tensor[row_of_text] for name, tensor in memory.items()}
        before = F.pad(texts[:, :-1], (1, 0), value=self.start_id)
        vectors, _ = self.decoder(before, memory)
        if self.pointer is None:
            logits = self.decoder.scores(vectors[texts != 0]).float()  # (n_tokens, n_ids)
        else:
            logits = self.scores(vectors, memory)[texts != 0]
        smoothing = self.label_smoothing if self.training else 0.0
        costs = F.cross_entropy(logits, ids, reduction="none", label_smoothing=smoothing)
        n_texts = torch.bincount(row_of_text, minlength=len(present))
        row_of_token = torch.repeat_interleave(torch.arange(len(present), device=ids.device), counts)
        return costs.new_zeros(len(present)).index_add(0, row_of_token, costs) / n_texts

    def remember(
        self, features: dict[str, Features], present: torch.Tensor, batch: dict[str, Any]
    ) -> dict[str, torch.Tensor]:
        """Return what is kept of the blocks of a batch while texts are written."""
        memory = self.decoder.remember(features, present)
        if self.pointer is not None:
            memory |= self.pointer.remember(features, batch["blocks"][self.pointer.name])
        return memory

    def scores(self, vectors: torch.Tensor, memory: dict[str, torch.Tensor]) -> torch.Tensor:
        """Map vectors (batch, n_tokens, width) to logits (batch, n_tokens, n_ids) of the token that follows each."""
        logits = self.decoder.scores(vectors)
        return logits if self.pointer is None else self.pointer(logits, vectors, memory)

    def _texts(self, ids, counts):
        """Return the texts (n_texts, n_tokens) that ids, with an end after each, are of, and the row of each text."""
        is_end = ids == self.end_id
        ends = is_end.nonzero().squeeze(1)
        lengths = torch.diff(ends, prepend=ends.new_tensor([-1]))
        texts = ids.new_zeros(len(ends), int(lengths.max()))
        places = torch.arange(texts.shape[1], device=ids.device) < lengths.unsqueeze(1)
        texts[places] = ids
        rows = torch.repeat_interleave(torch.arange(len(counts), device=ids.device), counts)
        return texts, rows[is_end]


def _embedding_of(encoder: Encoder, name: str) -> nn.Embedding:
    embedding = getattr(encoder, "embedding", None)
    if not isinstance(embedding, nn.Embedding) or encoder.frozen_modules:
        raise ValueError(
            f"share_embeddings={name!r} needs an encoder with an embedding that is trained, as SelfAttentionEncoder, "
            f"RNNEncoder and TextCNNEncoder have; got {encoder}."
        )
    return embedding
