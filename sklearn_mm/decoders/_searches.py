"""How a text is chosen, token by token, by what a decoder says: greedily, by a beam of several, or at random."""

from numbers import Integral, Real
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator

from sklearn_mm.utils._registry import Registry
from sklearn_mm.utils._validation import Interval

__all__ = ["BeamSearch", "GreedySearch", "Sampling", "Search", "resolve_search"]

_KEPT = 0.75  # share of rows that are not done below which the others are no longer computed


class Search(BaseEstimator):
    """Base of all searches.

    A subclass owes ``write(writer, limits, generator)``, which returns token ids (n_rows, n_texts, n_tokens), zeros
    after the end of a text, and their log-likelihoods (n_rows, n_texts), the best text first.
    """

    _parameter_constraints = {}

    n_texts = 1  # that it writes of each row

    def write(self, writer: Any, limits: Any, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Write texts.

        Parameters
        ----------
        writer : Writer
            What tells the log-probabilities of the next tokens.
        limits : Limits
            How long texts may be, and what may not occur.
        generator : torch.Generator
            For what is random.
        """
        raise NotImplementedError


class GreedySearch(Search):
    """Take the most probable token, again and again.

    Examples
    --------
    >>> from sklearn_mm.decoders import GreedySearch
    >>> GreedySearch()
    GreedySearch()
    """

    def write(self, writer: Any, limits: Any, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        return _write_one_by_one(writer, limits, lambda scores: scores.argmax(1))


class Sampling(Search):
    """Draw tokens at random, by their probabilities.

    Parameters
    ----------
    temperature : float, default=1.0
        What log-probabilities are divided by. Less than 1 prefers what is probable anyway.
    top_k : int or None, default=None
        How many of the most probable tokens are drawn from; None for all.
    top_p : float, default=1.0
        The most probable tokens are drawn from that together have at least this probability (nucleus sampling).
    n_texts : int, default=1
        How many texts are drawn for each row; the most probable one comes first.

    References
    ----------
    Holtzman, Buys, Du, Forbes, Choi: The Curious Case of Neural Text Degeneration. ICLR 2020.

    Examples
    --------
    >>> from sklearn_mm.decoders import Sampling
    >>> Sampling(top_p=0.9)
    Sampling(top_p=0.9)
    """

    _parameter_constraints = {
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "top_k": [Interval(Integral, 1, None, closed="left"), None],
        "top_p": [Interval(Real, 0, 1, closed="right")],
        "n_texts": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0, n_texts: int = 1):
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.n_texts = n_texts

    def write(self, writer: Any, limits: Any, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        n_rows = writer.n_texts
        writer.repeat(self.n_texts)
        ids, scores = _write_one_by_one(writer, limits, lambda scores: self._draw(scores, generator))
        ids, scores = ids.view(n_rows, self.n_texts, -1), scores.view(n_rows, self.n_texts)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        return ids.gather(1, order.unsqueeze(2).expand_as(ids)), scores

    def _draw(self, scores, generator):
        scores = (scores / self.temperature).log_softmax(1)
        if self.top_k is not None and self.top_k < scores.shape[1]:
            least = scores.topk(self.top_k).values[:, -1:]
            scores = scores.masked_fill(scores < least, -torch.inf)
        if self.top_p < 1:
            ordered, order = scores.softmax(1).sort(1, descending=True)
            before = ordered.cumsum(1) - ordered
            drop = torch.zeros_like(before, dtype=torch.bool).scatter(1, order, before >= self.top_p)
            scores = scores.masked_fill(drop, -torch.inf)
        return torch.multinomial(scores.softmax(1), 1, generator=generator).squeeze(1)


class BeamSearch(Search):
    """Keep the most probable beginnings of a text, and go on with each (beam search).

    Parameters
    ----------
    width : int, default=4
        How many beginnings are kept. More find more probable texts, which are not always better ones, and take as many
        times longer. With 1 it is greedy.
    length_penalty : float, default=1.0
        Exponent of the length by which the log-likelihood of a text is divided where texts are compared. Larger
        prefers longer texts; 0 compares log-likelihoods.
    no_repeat_ngram : int, default=0
        Runs of so many tokens may occur once in a text only. 0 lets them all.

    Notes
    -----
    A row is done when ``width`` of its texts have come to their end while they were among the best ``width``.

    References
    ----------
    Wu et al.: Google's Neural Machine Translation System. arXiv:1609.08144, 2016.

    Paulus, Xiong, Socher: A Deep Reinforced Model for Abstractive Summarization. ICLR 2018.

    Examples
    --------
    >>> from sklearn_mm.decoders import BeamSearch
    >>> BeamSearch(width=8)
    BeamSearch(width=8)
    """

    _parameter_constraints = {
        "width": [Interval(Integral, 1, None, closed="left")],
        "length_penalty": [Interval(Real, None, None, closed="neither")],
        "no_repeat_ngram": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(self, width: int = 4, length_penalty: float = 1.0, no_repeat_ngram: int = 0):
        self.width = width
        self.length_penalty = length_penalty
        self.no_repeat_ngram = no_repeat_ngram

    @property
    def n_texts(self) -> int:
        return self.width

    def write(self, writer: Any, limits: Any, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        n_rows, width, device = writer.n_texts, self.width, writer.device
        writer.repeat(width)
        ended = _EndedTexts(n_rows, width, limits.max_new_tokens, self.length_penalty, device)
        rows = torch.arange(n_rows, device=device)  # those that are not done
        texts = torch.zeros(n_rows, width, 0, dtype=torch.int64, device=device)
        scores = torch.full((n_rows, width), -torch.inf, device=device)
        scores[:, 0] = 0  # at first all beginnings are the same one
        last = torch.full((n_rows * width,), limits.start_id, device=device)
        is_among_best = torch.arange(2 * width, device=device) < width
        for n_before in range(limits.max_new_tokens):
            of_next = limits.allowed(writer(last), n_before)
            _forbid_repeats(of_next, texts.flatten(0, 1), self.no_repeat_ngram)
            n_ids = of_next.shape[1]
            totals = scores.unsqueeze(2) + of_next.view(-1, width, n_ids)
            totals, places = totals.flatten(1).topk(2 * width)  # of which half may end
            origins, ids = places // n_ids, places % n_ids
            longer = torch.cat([_rows_of(texts, origins), ids.unsqueeze(2)], 2)  # (n_rows, 2 width, n_before + 1)
            is_end = ids == limits.end_id
            ended_scores = totals.masked_fill(~(is_end & is_among_best), -torch.inf)
            ended.add(rows, longer[:, :, :-1], ended_scores, n_before + 1)
            scores, chosen = totals.masked_fill(is_end, -torch.inf).topk(width)
            texts, origins = _rows_of(longer, chosen), origins.gather(1, chosen)
            going_on = ~ended.are_done[rows]
            if n_before + 1 == limits.max_new_tokens or not going_on.any():
                break
            origins = (origins + width * torch.arange(len(rows), device=device).unsqueeze(1)).flatten()
            if going_on.float().mean() <= _KEPT:
                kept = going_on.nonzero().squeeze(1)
                rows, texts, scores = rows[kept], texts[kept], scores[kept]
                writer.take(origins.view(-1, width)[kept].flatten())
            else:
                writer.reorder(origins)
            last = texts[:, :, -1].flatten()
        ended.add(rows, texts, scores, limits.max_new_tokens)  # what was cut off
        return ended.texts, ended.scores


class _EndedTexts:
    """The best texts of each row among those that have come to their end.

    Parameters
    ----------
    n_rows, n_texts : int
        How many rows there are, and texts of each.
    max_length : int
        Of a text.
    length_penalty : float
        As of `BeamSearch`.
    device : torch.device
        Where they are.
    """

    def __init__(self, n_rows, n_texts, max_length, length_penalty, device):
        self.length_penalty = length_penalty
        self.texts = torch.zeros(n_rows, n_texts, max_length, dtype=torch.int64, device=device)
        self.scores = torch.full((n_rows, n_texts), -torch.inf, device=device)
        self._ranks = self.scores.clone()
        self._n_added = torch.zeros(n_rows, dtype=torch.int64, device=device)

    @property
    def are_done(self):
        """Which rows take no further texts, (n_rows,)."""
        return self._n_added >= self.texts.shape[1]

    def add(self, rows, texts, scores, n_tokens):
        """Add texts (n, n_new, length) of rows (n,), of ``n_tokens`` with their end; where scores are -inf is none."""
        scores = scores.masked_fill(self.are_done[rows].unsqueeze(1), -torch.inf)
        n_texts = self.texts.shape[1]
        ranks = torch.cat([self._ranks[rows], scores / n_tokens**self.length_penalty], 1)
        scores, texts = (
            torch.cat([self.scores[rows], scores], 1),
            torch.cat([self.texts[rows], F.pad(texts, (0, self.texts.shape[2] - texts.shape[2]))], 1),
        )
        self._n_added[rows] += (scores[:, n_texts:] > -torch.inf).sum(1)
        self._ranks[rows], best = ranks.topk(n_texts)
        self.scores[rows], self.texts[rows] = scores.gather(1, best), _rows_of(texts, best)


def _rows_of(texts, places):
    """Return the texts (n, n_places, length) at places (n, n_places)."""
    return texts.gather(1, places.unsqueeze(2).expand(-1, -1, texts.shape[2]))


def _forbid_repeats(scores, texts, n):
    """Set scores (n_texts, n_ids) to -inf where an id would make a run of ``n`` that the text has already."""
    if not 0 < n <= texts.shape[1]:
        return
    runs = texts.unfold(1, n, 1)  # (n_texts, n_runs, n)
    begun = texts[:, texts.shape[1] - n + 1 :].unsqueeze(1)
    text, run = (runs[:, :, :-1] == begun).all(2).nonzero(as_tuple=True)
    scores[text, runs[text, run, -1]] = -torch.inf


def _write_one_by_one(writer, limits, choose):
    """Return texts (n, 1, length) and their log-likelihoods (n, 1); log-probabilities tell which tokens to choose."""
    n_texts, device = writer.n_texts, writer.device
    texts = torch.zeros(n_texts, limits.max_new_tokens, dtype=torch.int64, device=device)
    scores = torch.zeros(n_texts, device=device)
    places = torch.arange(n_texts, device=device)  # of the texts that go on
    last = torch.full((n_texts,), limits.start_id, device=device)
    for n_before in range(limits.max_new_tokens):
        of_next = writer(last)
        last = choose(limits.allowed(of_next.clone(), n_before))
        scores[places] += of_next.gather(1, last.unsqueeze(1)).squeeze(1)
        going_on = last != limits.end_id
        texts[places[going_on], n_before] = last[going_on]
        if not going_on.all():
            kept = going_on.nonzero().squeeze(1)
            places, last = places[kept], last[kept]
            if not len(kept):
                break
            writer.take(kept)
    return texts.unsqueeze(1), scores.unsqueeze(1)


_searches = Registry("search", Search)
_searches.register("beam", BeamSearch)
_searches.register("greedy", GreedySearch)
_searches.register("sample", Sampling)

resolve_search = _searches.resolve
