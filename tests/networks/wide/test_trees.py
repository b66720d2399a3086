import time

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_mm.networks import CrossEntropyLoss, FocalLoss, HuberLoss, SquaredErrorLoss
from sklearn_mm.networks.wide._forest import Forest
from sklearn_mm.networks.wide._trees import Trees, _sorts, _Table, trees_pay

LOSS = SquaredErrorLoss().build(1)
YES_OR_NO = CrossEntropyLoss().build(["no", "yes"])
THREE = CrossEntropyLoss().build(["a", "b", "c"])
LABELS = CrossEntropyLoss().build(["a", "b"], multilabel=True)
TEN = CrossEntropyLoss().build(list("abcdefghij"))
SIX_LABELS = CrossEntropyLoss().build(list("abcdef"), multilabel=True)


@pytest.fixture(autouse=True)
def no_longer(request, monkeypatch):
    """Rows without noise would have trees go on, which one test alone looks at."""
    if "goes_on" not in request.node.name:
        monkeypatch.setattr("sklearn_mm.networks.wide._trees._DOUBLED", 0)


def make_features(n_rows=300, seed=0):
    """Numbers, one of few values, and one that is the same in all rows."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n_rows, 2))
    return np.column_stack([numbers, rng.integers(5, size=n_rows), np.ones(n_rows)]).astype(np.float32)


def exclusive_or(features):
    return ((features[:, :1] > 0) != (features[:, 1:2] > 0)).astype(np.float32)


def grown(features, target, loss=LOSS, weight=None, **options):
    """Return trees beside a model that says nothing, and what they add out of fold."""
    n_rows, target = len(features), torch.as_tensor(target)
    weight = torch.ones(target.shape) if weight is None else weight
    folds, others = np.arange(n_rows) % 5, torch.zeros(n_rows, loss.n_outputs)
    trees = Trees()
    return trees, trees.grow(torch.from_numpy(features), others, target, weight, loss, folds, **options)


def noted(monkeypatch):
    """Return a list that gets how many iterations each fit may have, of random trees one."""
    n_iterations, fitted = [], _Table._fitted

    def noting(table, sort, *rest):
        n_iterations.append(getattr(sort, "max_iter", 1))
        return fitted(table, sort, *rest)

    monkeypatch.setattr(_Table, "_fitted", noting)
    return n_iterations


def says(trees, features, n_outputs=1):
    return trees(torch.from_numpy(features), torch.zeros(len(features), n_outputs))


def test_they_learn_what_no_column_says_alone_and_say_it_out_of_fold():
    features, new = make_features(), make_features(200, seed=1)
    target = exclusive_or(features) - 0.5
    trees, added = grown(features, target)
    assert trees.share > 0.9
    assert (added - torch.from_numpy(target)).square().mean() < 0.05  # 0.25 without
    assert np.square(says(trees, new).numpy() - (exclusive_or(new) - 0.5)).mean() < 0.05


def test_noise_adds_nothing():
    features = make_features()
    target = np.random.default_rng(1).normal(size=(300, 1)).astype(np.float32)
    trees, added = grown(features, target - target.mean())
    assert trees.share == 0
    assert not added.any()
    assert not says(trees, features).any()


@pytest.mark.parametrize("loss", [YES_OR_NO, THREE, LABELS], ids=["two", "three", "labels"])
def test_classes(loss):
    features, new = make_features(), make_features(200, seed=1)
    classes = {
        2: lambda rows: np.hstack([exclusive_or(rows), (rows[:, 2:3] > 2)]).astype(np.float32),
        1: exclusive_or,
        3: lambda rows: np.where(exclusive_or(rows)[:, 0] > 0, 2, rows[:, 2] > 1).astype(np.int64),
    }[loss.n_outputs]
    trees, added = grown(features, classes(features), loss)
    assert added.shape == (300, loss.n_outputs)
    scores = loss.row_scores(says(trees, new, loss.n_outputs), torch.from_numpy(classes(new)))
    assert scores.mean() > 0.85


@pytest.mark.parametrize("loss", [TEN, SIX_LABELS], ids=["ten", "labels"])
def test_many_classes_are_told_by_random_trees(loss):
    def classes(rows):
        codes = (2 * rows[:, 2] + exclusive_or(rows)[:, 0]).astype(np.int64)
        return codes if loss is TEN else (codes[:, np.newaxis] % np.arange(2, 8) == 0).astype(np.float32)

    features, new = make_features(900), make_features(200, seed=1)
    trees, added = grown(features, classes(features), loss)
    assert added.shape == (900, loss.n_outputs)
    assert trees.share > 0.9
    said = says(trees, new, loss.n_outputs)
    assert loss.row_scores(said, torch.from_numpy(classes(new))).mean() > 0.9
    assert trees.sorts[0].scale > 1.2  # a mean over trees is too timid
    settings = trees.share, trees.sorts[0].scale
    trees.regrow(torch.from_numpy(new), torch.from_numpy(classes(new)), torch.ones(200))
    assert (trees.share, trees.sorts[0].scale) == settings
    said = says(trees, new, loss.n_outputs)
    assert loss.row_scores(said, torch.from_numpy(classes(new))).mean() > 0.9


def test_others_keep_what_the_trees_do_not_know():
    features = make_features()
    known = torch.from_numpy(np.random.default_rng(1).normal(size=(300, 1)).astype(np.float32))
    target = known + torch.from_numpy(0.2 * exclusive_or(features))
    trees = Trees()
    added = trees.grow(torch.from_numpy(features), known, target, torch.ones(300, 1), LOSS, np.arange(300) % 5)
    assert trees.share == 0  # of what they say, as they do not see what is known
    assert not added.any()


def test_of_several_sorts_the_one_that_predicts_best_is_taken(monkeypatch):
    features = make_features()
    target = exclusive_or(features) - 0.5
    (boosted, random), (many, none), errors = _sorts(LOSS, range(300)), _sorts(LOSS, range(3001)), []
    assert (len(boosted), len(random), len(many), len(none)) == (1, 1, 2, 0)
    pair = [clone(boosted[0]).set_params(max_leaf_nodes=2), *boosted]  # a question alone cannot tell
    for tried in ((boosted, random), (boosted, []), (random, []), (pair, []), (pair[::-1], [])):
        monkeypatch.setattr("sklearn_mm.networks.wide._trees._sorts", lambda *_, tried=tried: tried)
        errors.append((grown(features, target)[1].numpy() - target).var())
    assert errors[0] == min(errors)
    assert errors[1] != errors[2]
    assert errors[1] == errors[3] == errors[4]


def test_what_is_surely_worse_is_grown_no_further(monkeypatch):
    features, n_iterations = make_features(), noted(monkeypatch)
    [boosted], _ = _sorts(LOSS, range(300))
    stumps = clone(boosted).set_params(max_leaf_nodes=2, max_iter=7)  # a question alone cannot tell
    for sorts in (([boosted], [stumps]), ([stumps], [boosted])):
        monkeypatch.setattr("sklearn_mm.networks.wide._trees._sorts", lambda *_, sorts=sorts: sorts)
        n_iterations.clear()
        trees, _ = grown(features, exclusive_or(features) - 0.5)
        assert n_iterations.count(7) == 1
        assert len(n_iterations) == 2 + 4 + 1  # the first fold, others, all rows
        assert [of_sort.model.max_leaf_nodes for of_sort in trees.sorts] == [8]


@pytest.mark.parametrize("loss", [LOSS, YES_OR_NO], ids=["number", "classes"])
def test_the_mean_of_two_sorts_predicts_where_neither_is_surely_better(monkeypatch, loss):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 8)).astype(np.float32)
    target = np.sin(2 * features[:, :4]).sum(1, keepdims=True) + rng.normal(size=(600, 1))
    target = (target > 0 if loss is YES_OR_NO else target).astype(np.float32)
    [boosted], _ = _sorts(loss, range(600))
    sorts = [boosted, clone(boosted).set_params(random_state=1)]
    errors = []
    for tried in (([sorts[0]], [sorts[1]]), ([sorts[0]], []), ([sorts[1]], [])):
        monkeypatch.setattr("sklearn_mm.networks.wide._trees._sorts", lambda *_, tried=tried: tried)
        trees, added = grown(features, target, loss)
        assert len(trees.sorts) == len([*tried[0], *tried[1]])
        said = torch.stack([of_sort(torch.from_numpy(features)) for of_sort in trees.sorts])
        torch.testing.assert_close(says(trees, features), trees.share * said.mean(0))
        errors.append(loss(added, torch.from_numpy(target)).mean())
    assert errors[0] < min(errors[1:])


def test_boosting_goes_on_as_long_as_it_gains(monkeypatch):
    n_iterations = noted(monkeypatch)
    X = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
    target = (np.sin(2 * X[:, :1]) * X[:, 1:2] + X[:, 2:]).astype(np.float32)
    trees, added = grown(X, target)
    first, _, twice, *_, whole = n_iterations  # the second is of random trees
    assert (first, twice) == (100, 200)
    assert whole == trees.sorts[0].model.max_iter > 100
    monkeypatch.setattr("sklearn_mm.networks.wide._trees._DOUBLED", 0)
    _, added_by_less = grown(X, target)
    assert np.square(added.numpy() - target).mean() < 0.9 * np.square(added_by_less.numpy() - target).mean()


@pytest.mark.parametrize("loss", [LOSS, YES_OR_NO], ids=["number", "classes"])
def test_trees_that_go_on_are_those_of_a_longer_fit(loss):
    features = make_features()
    table = _Table(torch.from_numpy(features), torch.from_numpy(exclusive_or(features)), torch.ones(300, 1), 0, loss)
    sort = clone(_sorts(loss, range(300))[0][0]).set_params(max_iter=10)
    twice, rows = clone(sort).set_params(max_iter=20), slice(0, 200)
    [gone_on] = table._fitted(twice, rows, table._fitted(sort, rows))
    [fresh] = table._fitted(twice, rows)
    assert gone_on.n_iter_ == 20
    np.testing.assert_allclose(*[Forest([model], table.bins)(table.features) for model in (gone_on, fresh)])


def test_no_more_iterations_are_grown_than_may_be_wanted(monkeypatch):
    n_iterations, boosted = noted(monkeypatch), _sorts(YES_OR_NO, range(300))[0]
    monkeypatch.setattr("sklearn_mm.networks.wide._trees._sorts", lambda *_: (boosted, []))
    features = make_features()
    flips = np.random.default_rng(1).random((300, 1)) < 0.2
    trees, _ = grown(features, (exclusive_or(features).astype(bool) != flips).astype(np.float32), YES_OR_NO)
    first, *others, whole = n_iterations
    assert whole == trees.sorts[0].model.max_iter <= max(others) < first == 100
    assert len(others) == 4


def test_rows_of_no_weight_are_not_learnt():
    features = make_features(600)
    target, weight = exclusive_or(features) - 0.5, torch.ones(600, 1)
    target[::2] *= -10
    weight[::2] = 0
    trees, _ = grown(features, target, weight=weight)
    assert (says(trees, features)[1::2] - torch.from_numpy(target[1::2])).abs().mean() < 0.25


def test_equal_weights_are_no_weights():
    features = make_features()
    target = exclusive_or(features)
    _, added = grown(features, target)
    _, weighted = grown(features, target, weight=torch.full((300, 1), 2.0))
    torch.testing.assert_close(weighted, added, atol=0.02, rtol=0)


def test_without_time_or_folds_there_are_none():
    features = make_features()
    trees, added = grown(features, exclusive_or(features), end=time.perf_counter() - 1)
    assert not added.any()
    assert not says(trees, features).any()
    target, weight = torch.from_numpy(exclusive_or(features)), torch.ones(300, 1)
    one_fold = np.zeros(300, dtype=int)
    assert not trees.grow(torch.from_numpy(features), torch.zeros(300, 1), target, weight, LOSS, one_fold).any()


def test_a_class_that_is_in_one_fold_alone_lets_none_grow():
    features = make_features()
    target = torch.from_numpy(np.where(np.arange(300) % 5 == 0, 2, np.arange(300) % 2))
    folds, weight, others = np.arange(300) % 5, torch.ones(300), torch.zeros(300, 3)
    assert trees_pay(THREE, target)
    assert not Trees().grow(torch.from_numpy(features), others, target, weight, THREE, folds).any()


def test_grown_anew_where_they_no_longer_pay_there_are_none():
    features = make_features()
    trees, _ = grown(features, exclusive_or(features))
    few = torch.from_numpy(features[:100])
    target, weight = torch.from_numpy(exclusive_or(features[:100])), torch.ones(100, 1)
    assert not trees.grow(few, torch.zeros(100, 1), target, weight, LOSS, np.arange(100) % 5).any()
    assert not says(trees, features).any()


def test_on_more_rows_they_are_grown_by_what_was_found_before():
    features, more = make_features(), make_features(900, seed=1)
    trees, _ = grown(features, exclusive_or(features) - 0.5)
    settings = trees.share, trees.sorts[0].scale, trees.sorts[0].shift.clone()
    before = says(trees, more).numpy() - (exclusive_or(more) - 0.5)
    target = torch.from_numpy(exclusive_or(more) - 0.5)
    trees.regrow(torch.from_numpy(more), target, torch.ones(900, 1))
    assert (trees.share, trees.sorts[0].scale) == settings[:2]
    torch.testing.assert_close(trees.sorts[0].shift, settings[2])
    assert np.square(says(trees, more).numpy() - target.numpy()).mean() < np.square(before).mean() / 2
    noise = np.random.default_rng(1).normal(size=(300, 1)).astype(np.float32)
    none, _ = grown(features, noise - noise.mean())
    none.regrow(torch.from_numpy(more), target, torch.ones(900, 1))
    assert not none.sorts


def test_classes_are_grown_on_more_rows_too():
    features, more, new = make_features(), make_features(900, seed=1), make_features(200, seed=2)
    trees, _ = grown(features, exclusive_or(features), YES_OR_NO)
    trees.regrow(torch.from_numpy(more), torch.from_numpy(exclusive_or(more)), torch.ones(900, 1))
    assert YES_OR_NO.row_scores(says(trees, new), torch.from_numpy(exclusive_or(new))).mean() > 0.95


def test_grown_in_float64_they_stay_so():
    features = make_features()
    trees, _ = grown(features, exclusive_or(features))
    trees.double().regrow(torch.from_numpy(features), torch.from_numpy(exclusive_or(features)), torch.ones(300, 1))
    assert {buffer.dtype for buffer in trees.buffers() if buffer.is_floating_point()} == {torch.float64}


@pytest.mark.skipif(torch.__version__ < (2, 6), reason="torch.export knows too few operations")
def test_export():
    features = make_features()
    trees, _ = grown(features, exclusive_or(features))
    inputs = torch.from_numpy(features), torch.zeros(300, 1)
    exported = torch.export.export(trees, inputs).module()
    torch.testing.assert_close(exported(*inputs), trees(*inputs))


def test_in_float64_they_say_the_same():
    features = make_features()
    trees, _ = grown(features, exclusive_or(features))
    before = says(trees, features)
    after = trees.double()(torch.from_numpy(features).double(), torch.zeros(300, 1).double())
    torch.testing.assert_close(after.float(), before)


@pytest.mark.parametrize(
    ("loss", "target", "pay"),
    [
        (LOSS, np.zeros((200, 1)), True),
        (LOSS, np.zeros((199, 1)), False),
        (SquaredErrorLoss().build(6), np.zeros((500, 6)), False),
        (HuberLoss().build(1), np.zeros((500, 1)), False),
        (YES_OR_NO, np.repeat([[0], [1]], [180, 20], axis=0), True),
        (YES_OR_NO, np.repeat([[0], [1]], [281, 19], axis=0), False),
        (THREE, np.arange(200) % 3, True),
        (THREE, np.arange(200) % 2, False),
        (LABELS, np.tile([[0, 1], [1, 0]], (100, 1)), True),
        (LABELS, np.tile([[0, 1], [1, 1]], (100, 1)), False),
        (TEN, np.arange(400) % 10, True),
        (TEN, np.arange(3001) % 10, False),
        (SIX_LABELS, np.arange(1200).reshape(200, 6) // 6 % 2, True),
        (CrossEntropyLoss().build(list(range(21))), np.arange(2100) % 21, False),
        (FocalLoss().build(["a", "b"]), np.arange(200).reshape(-1, 1) % 2, False),
    ],
)
def test_where_they_pay(loss, target, pay):
    assert trees_pay(loss, target) == pay


def test_to_rows_that_no_fold_leaves_out_they_add_nothing():
    features = make_features()
    target = torch.from_numpy(exclusive_or(features) - 0.5)
    folds = np.where(np.arange(300) < 30, -1, np.arange(300) % 5)
    trees = Trees()
    added = trees.grow(torch.from_numpy(features), torch.zeros(300, 1), target, torch.ones(300, 1), LOSS, folds)
    assert trees.share > 0.9
    assert not added[:30].any()
    assert (added[30:] - target[30:]).square().mean() < 0.05
