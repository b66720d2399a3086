"""Canonical correlations: held to scikit-learn's, to what ridges and missing blocks do, and to more than two blocks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.linalg import subspace_angles
from sklearn.cross_decomposition import CCA

from sklearn_mm.networks._canonical import Moments, Settings, _Correlations, canonical_space, choose_settings
from sklearn_mm.retrieval._recall import mean_recall

N = 300


@pytest.fixture
def views():
    """Three views of four hidden numbers, with noise."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(N, 4))
    make = {"a": (12, 0.3), "b": (8, 0.3), "c": (6, 0.3)}
    return {
        name: torch.from_numpy(hidden @ rng.normal(size=(4, width)) + noise * rng.normal(size=(N, width))).float()
        for name, (width, noise) in make.items()
    }


def present(n_blocks):
    return torch.ones(N, n_blocks, dtype=torch.bool)


def test_without_ridges_it_is_canonical_correlation_analysis(views):
    two = {name: views[name] for name in "ab"}
    solution = _Correlations.of(two, present(2)).solve([0.0, 0.0], 4)
    x, y = (two[name].numpy() @ solution.projections(torch.ones(4))[name][0].numpy() for name in "ab")
    correlations = [np.corrcoef(x[:, k], y[:, k])[0, 1] for k in range(4)]
    reference = CCA(4, max_iter=5000, tol=1e-9).fit(two["a"].numpy(), two["b"].numpy())
    own = [np.corrcoef(*(part[:, k] for part in reference.transform(two["a"], two["b"])))[0, 1] for k in range(4)]
    np.testing.assert_allclose(correlations, own, atol=2e-3)
    np.testing.assert_allclose(solution.correlations, correlations, atol=1e-4)
    angles = subspace_angles(x - x.mean(0), reference.transform(two["a"], two["b"])[0])
    assert angles.max() < 0.05


def test_three_blocks_agree_with_two_where_the_third_is_noise(views):
    noise = torch.randn(N, 5, generator=torch.Generator().manual_seed(0))
    two = _Correlations.of({name: views[name] for name in "ab"}, present(2)).solve([1.0, 1.0], 3)
    three = _Correlations.of({**{n: views[n] for n in "ab"}, "z": noise}, present(3)).solve([1.0, 1.0, 1.0], 3)
    np.testing.assert_allclose(three.correlations, two.correlations, rtol=0.1)
    for name in "ab":
        angles = subspace_angles(*(one.projections(torch.ones(3))[name][0].numpy() for one in (two, three)))
        assert angles.max() < 0.3


def test_blocks_of_a_row_find_each_other(views):
    train = {name: x[:200] for name, x in views.items()}
    space = canonical_space(train, present(3)[:200], 4)
    mapped = [F.normalize((views[name][200:] - mean) @ weight) for name, (weight, mean) in space.projections.items()]
    held_out = torch.stack(mapped, 1).numpy()
    codes = np.arange(300).reshape(100, 3)
    by_chance = (1 + 5 + 10) / 300
    assert mean_recall(held_out, np.ones((100, 3), dtype=bool), codes) > 10 * by_chance
    assert all(weight.dtype == torch.float32 for weight, _ in space.projections.values())


def test_rows_that_lack_a_block_count_only_for_what_they_have(views):
    two = {name: views[name].clone() for name in "ab"}
    there = present(2)
    there[250:, 1] = False
    two["b"][250:] = 1e6  # nothing is to look at it
    lacking = canonical_space(two, there, 4).projections
    a, b = lacking["a"], lacking["b"]
    np.testing.assert_allclose(b[1], two["b"][:250].mean(0), rtol=1e-4)
    np.testing.assert_allclose(a[1], two["a"].mean(0), rtol=1e-3, atol=1e-5)
    whole = canonical_space({name: x[:250] for name, x in two.items()}, present(2)[:250], 4).projections
    assert subspace_angles(b[0].numpy(), whole["b"][0].numpy()).max() < 0.2


def test_settings_are_chosen_by_recall_in_folds_that_share_nothing(views, monkeypatch):
    two = {name: views[name] for name in "ab"}
    codes = np.stack([np.repeat(np.arange(100), 3), np.arange(N)], 1)
    seen = []
    from sklearn_mm.networks import _canonical

    def spy(vectors, present, codes):
        seen.append(set(codes[:, 0]))
        return mean_recall(vectors, present, codes)

    monkeypatch.setattr(_canonical, "mean_recall", spy)
    settings = choose_settings(two, present(2), 4, codes)
    assert len(settings.ridges) == 2
    assert settings.power in (0.5, 0.75, 1.0)
    folds = {frozenset(fold) for fold in seen}
    assert len(folds) == 3
    assert len(frozenset.union(*folds)) == sum(map(len, folds)) == 100


def test_too_few_rows_take_what_mostly_suits(views):
    few = {name: views[name][:20] for name in "ab"}
    codes = np.arange(40).reshape(20, 2)
    assert choose_settings(few, present(2)[:20], 4, codes) == Settings([10.0, 3.0], 0.5, False)


def test_a_block_that_never_changes_is_no_error(views):
    constant = {"a": views["a"], "b": torch.ones(N, 3)}
    weight, _ = canonical_space(constant, present(2), 4).projections["b"]
    assert weight.isfinite().all()


def test_moments_of_parts_and_weights(views):
    """Rows may come in parts; a weight of two is a row that is there twice."""
    two = {name: views[name] for name in "ab"}
    there = present(2)
    there[250:, 1] = False
    there[:20, 0] = False
    weight = torch.ones(N)
    weight[100:] = 2
    parts = Moments(two)
    for start in (0, 7, 150):
        rows = slice(start, {0: 7, 7: 150, 150: N}[start])
        parts.add({name: x[rows] for name, x in two.items()}, there[rows], weight[rows])
    rows = np.concatenate([np.arange(N), np.arange(100, N)])
    expected = _Correlations.of({name: x[rows] for name, x in two.items()}, there[rows])
    found = parts.correlations()
    for name in ("means", "variances"):
        for one, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            torch.testing.assert_close(one, other)
    solutions = [one.solve([1.0, 1.0], 4) for one in (found, expected)]
    torch.testing.assert_close(solutions[0].correlations, solutions[1].correlations)
    x = two["a"][there[:, 0]].double().numpy()
    covariance = np.cov(x, rowvar=False, bias=True, aweights=weight[there[:, 0]].numpy())
    np.testing.assert_allclose(found.variances[0], np.linalg.eigvalsh(covariance), rtol=1e-6)


def test_what_is_missing_may_be_nan(views):
    two = {name: views[name].clone() for name in "ab"}
    there = present(2)
    there[250:, 1] = False
    two["b"][250:] = torch.nan
    weight, mean = canonical_space(two, there, 4).projections["b"]
    assert weight.isfinite().all()
    assert mean.isfinite().all()
