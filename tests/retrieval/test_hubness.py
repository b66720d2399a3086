"""Hubness: held to the formulas of the papers, over the whole matrix."""

import numpy as np
import pytest

from sklearn_mm.retrieval import _hubness
from sklearn_mm.retrieval._hubness import hubness_offsets


def unit(seed, n_rows):
    vectors = np.random.default_rng(seed).standard_normal((n_rows, 12))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def csls(similarities):
    return np.sort(similarities, axis=1)[:, -10:].mean(1) / 2


def inverted_softmax(similarities):
    return 0.05 * np.log(np.exp(similarities / 0.05).mean(1))


FORMULAS = pytest.mark.parametrize("formula", [csls, inverted_softmax], ids=lambda formula: formula.__name__)


@FORMULAS
def test_offsets_are_those_of_the_formula(formula, monkeypatch):
    monkeypatch.setattr(_hubness, "_N_ROWS", 30)
    rows, bank = unit(0, 100), unit(1, 40)
    offsets = hubness_offsets(rows, bank, formula.__name__)
    np.testing.assert_allclose(offsets, formula((rows @ bank.T).astype(np.float64)), atol=1e-5)


@FORMULAS
def test_a_row_is_no_query_of_its_own(formula, monkeypatch):
    monkeypatch.setattr(_hubness, "_N_ROWS", 30)
    rows = unit(0, 100)
    own = np.arange(0, 100, 3)
    offsets = hubness_offsets(rows, rows[own], formula.__name__, own)
    similarities = (rows @ rows[own].T).astype(np.float64)
    for row in range(100):
        expected = formula(similarities[[row]][:, own != row])
        np.testing.assert_allclose(offsets[row], expected[0], atol=1e-5)


@FORMULAS
def test_rows_of_nan_and_banks_of_one_are_no_crash(formula):
    rows = unit(0, 5)
    rows[2] = np.nan
    offsets = hubness_offsets(rows, rows[:1], formula.__name__, np.array([0]))
    assert np.isfinite(np.delete(offsets, 2)).all()
    assert offsets[0] == 0
