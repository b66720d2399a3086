"""The top that writes: a decoder over the tokens of all blocks, and what given texts cost it."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F

from sklearn_mm.decoders import Decoder
from sklearn_mm.encoders import Features
from sklearn_mm.networks._block_encoders import BlockEncoders
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
    """

    def __init__(
        self,
        encoders: BlockEncoders,
        decoder: Decoder,
        n_ids: int,
        start_id: int,
        end_id: int,
        label_smoothing: float = 0.0,
    ):
        super().__init__()
        decoder.meet(encoders)
        self.decoder = decoder.build(encoders.widths, encoders.token_widths, n_ids)
        self.start_id = start_id
        self.end_id = end_id
        self.label_smoothing = label_smoothing

    def components(self) -> Iterator:
        yield self.decoder

    def forward(self, features: dict[str, Features], present: torch.Tensor, batch: dict[str, Any]) -> Any:
        """Return the negative log-likelihood of the text of each row, (batch,), with smoothed labels in training.

        Of several texts of a row it is the mean. Without texts in the batch it returns the logits of the first token.
        """
        memory = self.decoder.remember(features, present)
        if "target" not in batch:
            vectors, _ = self.decoder(torch.full_like(present[:, :1], self.start_id, dtype=torch.int64), memory)
            return self.decoder.scores(vectors[:, 0])
        ids, counts = batch["target"]["items"].long(), batch["target"]["counts"]
        texts, row_of_text = self._texts(ids, counts)
        if len(texts) > len(present):  # some rows have several
            memory = {name: tensor[row_of_text] for name, tensor in memory.items()}
        before = F.pad(texts[:, :-1], (1, 0), value=self.start_id)
        vectors, _ = self.decoder(before, memory)
        logits = self.decoder.scores(vectors[texts != 0]).float()  # (n_tokens, n_ids)
        smoothing = self.label_smoothing if self.training else 0.0
        costs = F.cross_entropy(logits, ids, reduction="none", label_smoothing=smoothing)
        n_texts = torch.bincount(row_of_text, minlength=len(present))
        row_of_token = torch.repeat_interleave(torch.arange(len(present), device=ids.device), counts)
        return costs.new_zeros(len(present)).index_add(0, row_of_token, costs) / n_texts

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
