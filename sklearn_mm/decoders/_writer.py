"""Texts under way: what a decoder says of their next tokens, and where they have to end."""

from dataclasses import dataclass

import torch

__all__ = ["Limits", "Writer"]


@dataclass(frozen=True)
class Limits:
    """What texts begin and end with, and how long they may be.

    Parameters
    ----------
    start_id, end_id : int
        What stands before each text, and after it.
    max_new_tokens, min_new_tokens : int
        How many tokens a text has at most, its end among them, and at least, without it.
    never, never_first : tuple of int, default=()
        Ids that do not occur, at all or as the first.
    """

    start_id: int
    end_id: int
    max_new_tokens: int
    min_new_tokens: int = 0
    never: tuple[int, ...] = ()
    never_first: tuple[int, ...] = ()

    def allowed(self, scores, n_before):
        """Return log-probabilities (n, n_ids) of tokens that follow ``n_before`` others, -inf for what may not."""
        never = [*self.never, self.start_id, *([self.end_id] if n_before < self.min_new_tokens else [])]
        never += [] if n_before else self.never_first
        scores[:, never] = -torch.inf
        return scores


class Writer:
    """What a decoder says of the next token of each text.

    Parameters
    ----------
    decoder : Decoder
        Built.
    memory : dict of str to Tensor
        What it remembers of the rows that texts are written of, one text each at first.
    caches : bool, default=True
        Whether the decoder's state is kept, so that it reads each token once.
    scores : callable, default=None
        Maps the decoder's vectors and the memory to logits, where it is not the decoder alone that tells.
    """

    def __init__(self, decoder, memory, caches=True, scores=None):
        self.decoder = decoder
        self.memory = memory
        self.state = None
        self._scores = scores
        self._texts = None if caches else torch.empty(self.n_texts, 0, dtype=torch.int64, device=self.device)

    @property
    def n_texts(self):
        return len(next(iter(self.memory.values())))

    @property
    def device(self):
        return next(iter(self.memory.values())).device

    def __call__(self, ids):
        """Return the log-probabilities (n_texts, n_ids) of what follows when ``ids`` (n_texts,) are appended."""
        ids = ids.unsqueeze(1)
        if self._texts is not None:
            self._texts = ids = torch.cat([self._texts, ids], 1)
        vectors, state = self.decoder(ids, self.memory, self.state)
        if self._texts is None:
            self.state = state
        if self._scores is None:
            logits = self.decoder.scores(vectors[:, -1])
        else:
            logits = self._scores(vectors[:, -1:], self.memory)[:, 0]
        return logits.float().log_softmax(1)

    def repeat(self, n):
        """Write ``n`` texts of each row, next to each other."""
        self.take(torch.arange(self.n_texts, device=self.device).repeat_interleave(n))

    def take(self, places):
        """Go on with the texts of these places, in this order; a place may come several times."""
        self.memory = {name: tensor[places] for name, tensor in self.memory.items()}
        self.reorder(places)

    def reorder(self, places):
        """Do so where each of these is of the row that was in its place before."""
        if self.state is not None:
            self.state = {name: tensor[places] for name, tensor in self.state.items()}
        if self._texts is not None:
            self._texts = self._texts[places]
