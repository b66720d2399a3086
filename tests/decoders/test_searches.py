"""Searches choose what they promise, and beams those of transformers."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn as nn

from sklearn_mm.decoders import BeamSearch, GreedySearch, Sampling, TransformerDecoder
from sklearn_mm.decoders._writer import Limits, Writer
from sklearn_mm.encoders import Features

START, END, N_IDS = 8, 9, 10
LIMITS = Limits(START, END, max_new_tokens=7, never=(0, 1))
SEARCHES = {
    "greedy": GreedySearch(),
    "beam of 1": BeamSearch(1),
    "beam": BeamSearch(3),
    "beam of many": BeamSearch(6, length_penalty=0.3),
    "no repeats": BeamSearch(3, no_repeat_ngram=2),
}


@pytest.fixture(scope="module", autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def decoder(seed):
    built = TransformerDecoder(width=16, n_heads=2).build({"photo": 5}, {"photo": 4}, N_IDS).eval()
    with torch.no_grad():
        built.embedding.weight.mul_(2)
    return built


@pytest.fixture(scope="module")
def memory(decoder):
    features = {"photo": Features(torch.rand(12, 5), torch.randn(12, 6, 4) * 2, torch.rand(12, 6) < 0.7)}
    with torch.inference_mode():
        return decoder.remember(features, torch.ones(12, 1, dtype=torch.bool))


def write(search, decoder, memory, limits=LIMITS, caches=True, seed=0):
    with torch.inference_mode():
        return search.write(Writer(decoder, memory, caches), limits, torch.Generator().manual_seed(seed))


def rows(memory, places):
    return {name: tensor[places] for name, tensor in memory.items()}


def log_likelihood(decoder, memory, row, ids):
    """Return that of one text, by hand."""
    ids = [START, *ids]
    with torch.inference_mode():
        vectors, _ = decoder(torch.tensor([ids]), rows(memory, [row]))
        scores = decoder.scores(vectors)[0].log_softmax(1)
    return sum(float(scores[place, following]) for place, following in enumerate(ids[1:]))


@pytest.mark.parametrize("name", SEARCHES)
def test_scores_are_log_likelihoods(name, decoder, memory):
    texts, scores = write(SEARCHES[name], decoder, memory)
    for row, place in itertools.product(range(12), range(texts.shape[1])):
        ids = [token for token in texts[row, place].tolist() if token]
        ended = ids if len(ids) == LIMITS.max_new_tokens else [*ids, END]  # or it was cut off
        np.testing.assert_allclose(scores[row, place], log_likelihood(decoder, memory, row, ended), atol=1e-3)
        assert not {0, 1, START, END} & set(ids)


def test_greedy_takes_the_most_probable_token(decoder, memory):
    texts, _ = write(GreedySearch(), decoder, memory)
    for row in range(12):
        ids = [START]
        while len(ids) <= LIMITS.max_new_tokens:
            with torch.inference_mode():
                scores = decoder.scores(decoder(torch.tensor([ids]), rows(memory, [row]))[0])[0, -1].clone()
                scores[[0, 1, START]] = -torch.inf
            if int(scores.argmax()) == END:
                break
            ids.append(int(scores.argmax()))
        assert texts[row, 0].tolist() == ids[1:] + [0] * (LIMITS.max_new_tokens + 1 - len(ids))


def test_a_beam_of_one_is_greedy(decoder, memory):
    for one, other in zip(write(BeamSearch(1), decoder, memory), write(GreedySearch(), decoder, memory), strict=True):
        torch.testing.assert_close(one, other)


def test_a_beam_that_keeps_all_finds_the_most_probable_text(decoder, memory):
    limits = Limits(START, END, max_new_tokens=3, never=(0, 1))
    texts, scores = write(BeamSearch(400, length_penalty=0.0), decoder, memory, limits)
    words = [token for token in range(2, N_IDS) if token not in (START, END)]
    for row in range(4):
        candidates = {}
        for length in range(4):
            for ids in itertools.product(words, repeat=length):
                candidates[ids] = log_likelihood(decoder, memory, row, [*ids, END] if length < 3 else ids)
        best = max(candidates, key=candidates.get)
        assert [token for token in texts[row, 0].tolist() if token] == list(best)
        np.testing.assert_allclose(scores[row, 0], candidates[best], rtol=1e-4)


@pytest.mark.parametrize("name", SEARCHES)
def test_rows_do_not_depend_on_others_nor_on_caches(name, decoder, memory):
    texts, scores = write(SEARCHES[name], decoder, memory)
    order = torch.randperm(12)
    for chosen, caches in ((order, True), (order[:5], True), (order[:1], True), (torch.arange(12), False)):
        others = write(SEARCHES[name], decoder, rows(memory, chosen), caches=caches)
        assert torch.equal(others[0], texts[chosen])
        torch.testing.assert_close(others[1], scores[chosen])


def test_better_texts_come_first(decoder, memory):
    texts, scores = write(BeamSearch(5, length_penalty=0.0), decoder, memory)
    assert (scores.diff(dim=1) <= 0).all()
    for row in texts:
        assert len({tuple(text) for text in row.tolist()}) == 5


def test_limits(decoder, memory):
    for search in SEARCHES.values():
        texts, _ = write(search, decoder, memory, Limits(START, END, 6, min_new_tokens=4, never=(0, 1, 5)))
        assert ((texts > 0).sum(2) >= 4).all()
        assert not (texts == 5).any()
        assert texts.shape[2] == 6


def pairs_of(texts):
    return [list(itertools.pairwise(text)) for text in texts.flatten(0, 1).tolist()]


def test_no_run_of_tokens_comes_twice(decoder, memory):
    limits = Limits(START, END, 12, 12, never=(0, 1))
    assert any(len(set(pairs)) < 11 for pairs in pairs_of(write(BeamSearch(3), decoder, memory, limits)[0]))
    texts, _ = write(BeamSearch(3, no_repeat_ngram=2), decoder, memory, limits)
    assert all(len(set(pairs)) == 11 for pairs in pairs_of(texts))


class Table(nn.Module):
    """Says the same of each next token."""

    def __init__(self, probabilities):
        super().__init__()
        self.logits = torch.tensor(probabilities).log()

    def forward(self, ids, memory, state):
        return torch.zeros(*ids.shape, 1), {}

    def scores(self, vectors):
        return self.logits.expand(len(vectors), -1)


def shares(search, n=4000):
    decoder = Table([1e-9, 1e-9, 0.4, 0.3, 0.15, 0.1, 0.05, 1e-9, 1e-9, 1e-9])
    texts, _ = write(search, decoder, {"row": torch.zeros(n, 1)}, Limits(START, END, 1))
    return np.bincount(texts[:, 0, 0], minlength=N_IDS)[2:7] / n


def test_samples_are_drawn_by_probabilities():
    np.testing.assert_allclose(shares(Sampling()), [0.4, 0.3, 0.15, 0.1, 0.05], atol=0.03)
    np.testing.assert_allclose(shares(Sampling(top_k=2)), [4 / 7, 3 / 7, 0, 0, 0], atol=0.03)
    np.testing.assert_allclose(shares(Sampling(top_p=0.71)), [8 / 17, 6 / 17, 3 / 17, 0, 0], atol=0.03)
    cold = np.array([0.4, 0.3, 0.15, 0.1, 0.05]) ** 2
    np.testing.assert_allclose(shares(Sampling(temperature=0.5)), cold / cold.sum(), atol=0.03)


def test_samples_are_seeded(decoder, memory):
    search = Sampling(n_texts=3)
    first, again, other = (write(search, decoder, memory, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (12, 3, 7)
