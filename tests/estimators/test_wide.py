"""The wide part below the estimators: what it adds, and how much of the deep part is added to it."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV

from sklearn_mm import ModalityTransformer, MultimodalClassifier, MultimodalRegressor
from sklearn_mm.networks import WideLinear
from sklearn_mm.networks.wide._trees import Trees
from sklearn_mm.training._averaging import WeightAveraging
from sklearn_mm.training._dataset import BlockDataset
from sklearn_mm.training._net import MultimodalNet

SHORT = {"image": None, "max_epochs": 3, "random_state": 0}


@pytest.fixture
def linear():
    """Rows of ten numbers, of which a linear model tells the target but for noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(360, 10))
    return X, X @ rng.normal(size=10) + 2 * rng.normal(size=360)


def test_few_rows_of_linear_data_are_predicted_as_by_ridge_regression(linear):
    X, y = linear
    reg = MultimodalRegressor(random_state=0).fit(X[:60], y[:60])
    ridge = RidgeCV(np.logspace(-2, 3, 11)).fit(X[:60], y[:60])
    assert reg.score(X[60:], y[60:]) > ridge.score(X[60:], y[60:]) - 0.05
    alone = MultimodalRegressor(wide=None, random_state=0).fit(X[:60], y[:60])
    assert reg.score(X[60:], y[60:]) > alone.score(X[60:], y[60:])


def test_where_there_is_nothing_to_learn_next_to_nothing_is_learnt():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(600, 10)), rng.normal(size=600)
    assert MultimodalRegressor(random_state=0).fit(X[:300], y[:300]).score(X[300:], y[300:]) > -0.05


def test_the_deep_part_gets_its_share_where_the_wide_part_is_blind():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    y = np.sign(X[:, 0] * X[:, 1])  # each number alone says nothing
    blind = WideLinear(trees=False)
    clf = MultimodalClassifier(wide=blind, random_state=0).fit(X[:400], y[:400])
    assert clf.score(X[400:], y[400:]) > 0.9
    clf = MultimodalClassifier(wide=blind, early_stopping=True, random_state=0).fit(X[:400], y[:400])
    assert clf.net_.module_.top.share > 0.5
    assert clf.score(X[400:], y[400:]) > 0.9


@pytest.mark.parametrize(("hidden_share", "least", "most"), [("auto", 0.9, 1.0), (0.0, 0.0, 0.8)])
def test_the_deep_part_tells_classes_by_itself(hidden_share, least, most):
    """Or it would be wrong where the linear model is: on rows of groups that this does not know."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(600, 4))
    y = X @ rng.normal(size=4) > 0
    wide = WideLinear(hidden_share=hidden_share, trees=False, deep_share=1.0)
    clf = MultimodalClassifier(wide=wide, random_state=2)
    fitted = clf.fit(X[:400], y[:400], groups=np.arange(400) // 4).net_.module_.top.wide
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))  # nothing is hidden from predictions
    for weight in (fitted.intercept, *(model.weight for model in fitted.models)):
        weight.zero_()  # they are buffers
    assert least < clf.score(X[400:], y[400:]) <= most


@pytest.mark.parametrize("estimator", [MultimodalClassifier, MultimodalRegressor])
def test_a_deep_part_that_learns_apart_is_one_of_two_that_are_averaged(estimator):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    y = X @ rng.normal(size=4) + rng.normal(size=300)
    y = y > 0 if estimator is MultimodalClassifier else y
    wide = WideLinear(hidden_share=1.0, trees=False)
    model = estimator(wide=wide, max_epochs=2, early_stopping=False, random_state=0).fit(X, y)
    top = model.net_.module_.top
    assert top.share == 0.5
    both = model.outputs(X)
    top.share = 0.0
    linear = model.outputs(X)
    top.share = 1.0
    deep = model.outputs(X)
    np.testing.assert_allclose(both, (linear + deep) / 2, atol=1e-5)
    for weight in (top.wide.intercept, *(model.weight for model in top.wide.models)):
        weight.zero_()  # they are buffers
    np.testing.assert_allclose(model.outputs(X), deep, atol=1e-5)
    top.share = 0.0
    assert np.abs(model.outputs(X) - linear).max() > 0.1


@pytest.fixture(scope="module")
def products():
    """Numbers and texts; what a number says counts where the text is a good one."""
    rng = np.random.default_rng(0)
    number, good = rng.normal(size=600), rng.random(600) < 0.5
    texts = [f"{'fine' if is_good else 'poor'} {rng.choice(list('abcdefgh'))}" for is_good in good]
    X = pd.DataFrame({"size": number, "other": rng.normal(size=600), "name": texts})
    return X, 2.0 * (good & (number > 0)) + 0.3 * rng.normal(size=600)


@pytest.fixture(scope="module")
def with_trees(products):
    X, y = products
    return MultimodalRegressor(text="name", max_epochs=1, random_state=0).fit(X[:400], y[:400])


def test_trees_know_what_text_and_number_say_together(products, with_trees):
    X, y = products
    without = clone(with_trees).set_params(wide=WideLinear(trees=False)).fit(X[:400], y[:400])
    assert without.score(X[400:], y[400:]) < with_trees.score(X[400:], y[400:]) - 0.1
    assert with_trees.score(X[400:], y[400:]) > 0.75


def test_trees_ask_for_categories_as_sets():
    rng = np.random.default_rng(0)
    kind, number = rng.integers(12, size=600), rng.normal(size=600)
    X = pd.DataFrame({"kind": [f"kind {k}" for k in kind], "size": number})
    y = np.where(kind % 2 == 0, number, -number) + 0.1 * rng.normal(size=600)
    reg = MultimodalRegressor(max_epochs=1, random_state=0).fit(X[:400], y[:400])
    assert reg.score(X[400:], y[400:]) > 0.8
    assert reg.net_.module_.top.wide.tree_part.sorts[0].forest.goes_left.any()


def test_trees_say_the_same_in_batches_and_of_a_pickle(products, with_trees):
    X, _ = products
    expected = with_trees.predict(X)
    by_and_by = np.concatenate([with_trees.predict(X[start : start + 7]) for start in range(0, len(X), 7)])
    np.testing.assert_allclose(by_and_by, expected, atol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(with_trees)).predict(X), expected)


def test_trees_add_nothing_where_training_hides_a_block(products):
    X, y = products
    reg = MultimodalRegressor(text="name", modality_dropout=0.5, max_epochs=1, random_state=0).fit(X[:400], y[:400])
    rows = BlockDataset(reg.transformer_.transform(X))
    wide, present = reg.net_.module_.top.wide, torch.from_numpy(rows.blocks.present)
    scores = wide.predict(rows)
    hidden = present.clone()
    hidden[:5, 0] = False
    kept = wide.mask_absent(scores, hidden, before=present)
    assert scores[:, -1].any()
    assert not kept[:5, -1].any()
    torch.testing.assert_close(kept[5:], scores[5:])
    assert reg.score(X[400:], y[400:]) > 0.75


def test_rows_that_lack_what_trees_see_are_predicted(products, with_trees):
    X, y = products
    predicted = with_trees.predict(X.assign(name=None, size=np.nan))
    assert y.min() < predicted.min() <= predicted.max() < y.max()


def test_training_that_goes_on_grows_trees_anew(products):
    X, y = products
    reg = MultimodalRegressor(text="name", max_epochs=1, warm_start=True, random_state=0).fit(X[:300], y[:300])
    assert reg.score(X[400:], y[400:]) > 0.7
    assert reg.fit(X[:300], -y[:300]).score(X[400:], -y[400:]) > 0.7


def test_outputs_are_the_share_of_the_deep_part_and_the_wide_part(table):
    X, y = table
    clf = MultimodalClassifier(**SHORT).fit(X, y)
    network = clf.net_.module_
    network.top.share = 0.0
    wide = clf.decision_function(X)
    network.top.share = 1.0
    both = clf.decision_function(X)
    network.top.share = 0.25
    np.testing.assert_allclose(clf.decision_function(X), wide + 0.25 * (both - wide), atol=1e-5)
    rows = BlockDataset(clf.transformer_.transform(X))
    np.testing.assert_allclose(wide, network.top.wide.predict(rows).sum(1), atol=1e-5)


def test_the_weights_of_the_best_epoch_come_with_their_share():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = np.sign(X[:, 0] * X[:, 1])
    clf = MultimodalClassifier(random_state=0, early_stopping=True, max_epochs=30, lr=0.1, n_iter_no_change=30)
    clf.set_params(wide=WideLinear(trees=False)).fit(X, y)
    held_out_loss = clf.history_[clf.best_epoch_ - 1]["valid_loss"]
    assert held_out_loss == min(row["valid_loss"] for row in clf.history_)
    stopped = clone(clf).set_params(n_iter_no_change=clf.best_epoch_).fit(X, y)
    assert stopped.net_.module_.top.share == clf.net_.module_.top.share


@pytest.mark.parametrize(
    ("Estimator", "last", "kept"),
    [(MultimodalRegressor, 0.01, 1), (MultimodalRegressor, 0, 0), (MultimodalClassifier, 0, 1)],
    ids=["lasts", "is lost", "of classes"],
)
def test_a_gain_by_the_deep_part_of_numbers_is_believed_if_it_lasts(monkeypatch, Estimator, last, kept):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = np.sign(X[:, 0] * X[:, 1])
    shares = iter([1, 1, 1, 1, 1, last])
    monkeypatch.setattr("sklearn_mm.networks._objectives.settle_share", lambda *_: next(shares))
    reg = Estimator(wide=WideLinear(trees=False), early_stopping=True, max_epochs=6, random_state=0).fit(X, y)
    assert reg.best_epoch_ < 6
    assert reg.net_.module_.top.share == kept


def test_rows_that_were_held_out_are_known_to_the_wide_part_in_the_end(linear):
    X, y = linear
    X = np.column_stack([X, np.arange(360)])
    reg = MultimodalRegressor(random_state=0, max_epochs=1).fit(X[:60], y[:60])
    wide, rows = reg.net_.module_.top.wide, reg.transformer_.transform(X[:60])
    before = reg.predict(X)
    objective = reg.net_.criterion_
    known = reg._read_rows(X[:60], y[:60], reg._encode_target(y[:60], "y"), None, fitted=True)
    # all rows of the fit, once more: the search goes on from where it ended
    objective.refit(reg.net_.module_, known.dataset(reg._target, objective))
    np.testing.assert_allclose(reg.predict(X), before, atol=1e-3)
    assert wide.block_names == list(rows)


def test_rows_that_were_held_out_are_known_to_the_trees_in_the_end(monkeypatch):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(1300, 5))
    y = np.sign(numbers[:, 0] * numbers[:, 1]) + numbers[:, 2] + 0.1 * rng.normal(size=1300)
    X = pd.DataFrame(numbers).add_prefix("x").assign(name=rng.choice(["a thing", "a part"], 1300))
    X, X_new, y, y_new = X[:300], X[300:], y[:300], y[300:]
    seen, regrow = [], Trees.regrow

    def noting(trees, features, target, weight, n_codes):
        seen.append((features.numpy(), target.numpy()))
        regrow(trees, features, target, weight, n_codes)

    reg = MultimodalRegressor(text="name", random_state=0, max_epochs=1).fit(X, y)
    monkeypatch.setattr(Trees, "regrow", noting)
    again = clone(reg).fit(X, y)
    [(features, target)] = seen
    assert features.shape == (300, 7)
    assert np.corrcoef(features[:, 5], X["x2"])[0, 1] > 0.9  # what the linear model says of these very rows
    for column, expected in ((features[:, 0], X["x0"]), (target[:, 0], y)):
        np.testing.assert_array_equal(column.argsort(), np.argsort(expected))
    np.testing.assert_array_equal(again.predict(X), reg.predict(X))
    monkeypatch.setattr(Trees, "regrow", lambda *args: None)
    known_in_part = clone(reg).fit(X, y)
    assert reg.score(X_new, y_new) > known_in_part.score(X_new, y_new) + 0.01


def test_trees_of_a_table_alone_see_its_cells_and_nothing_else(monkeypatch):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"size": rng.normal(size=300), "kind": rng.choice(["one", "two"], 300)})
    y = X["size"] + (X["kind"] == "two") + 0.1 * rng.normal(size=300)
    seen, grow = [], Trees.grow

    def noting(trees, features, *rows, **options):
        seen.append(features.numpy())
        return grow(trees, features, *rows, **options)

    monkeypatch.setattr(Trees, "grow", noting)
    MultimodalRegressor(wide=WideLinear(deep_share=0.5), random_state=0, max_epochs=1).fit(X, y)
    [features] = seen
    order = np.lexsort([X["size"], X["kind"]])
    np.testing.assert_array_equal(np.lexsort([features[:, 1], features[:, 0]]), order)
    assert features.shape == (300, 2)


@pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])
def test_one_step_is_two(table, numeric_target, Estimator):
    X, y = table
    y = y if Estimator is MultimodalClassifier else numeric_target
    whole = Estimator(**SHORT).fit(X, y)
    blocks = ModalityTransformer(image=None).fit_transform(X, y)
    in_two = Estimator(**SHORT).fit(blocks, y)
    np.testing.assert_array_equal(whole.predict(X), in_two.predict(blocks))


def test_a_pickle_predicts_the_same(table):
    X, y = table
    clf = MultimodalClassifier(**SHORT).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X))


def test_validation_rows_of_the_user_settle_the_share(table):
    X, y = table
    clf = MultimodalClassifier(**SHORT).fit(X[:70], y[:70], X_val=X[70:], y_val=y[70:])
    assert 0 <= clf.net_.module_.top.share <= 1
    assert "valid_loss" in clf.history_[0]


def test_without_rows_that_tell_a_fixed_share_of_the_deep_part_is_added(table, numeric_target):
    X, y = table
    clf = MultimodalClassifier(**SHORT, early_stopping=False).fit(X, y)
    reg = MultimodalRegressor(**SHORT, early_stopping=False).fit(X, numeric_target)
    assert (clf.net_.module_.top.share, reg.net_.module_.top.share) == (0.25, 1)
    assert "valid_loss" not in clf.history_[0]
    assert clf.fit(X, y, groups=np.arange(len(y)) // 2).net_.module_.top.share == 0.5


def test_no_rows_are_held_out_to_tell_classes(table, numeric_target):
    X, y = table
    clf = MultimodalClassifier(max_epochs=1, random_state=0).fit(X, y)
    assert clf.net_.module_.top.share == 0.25
    assert "valid_loss" not in clf.history_[0]
    assert "valid_loss" in MultimodalRegressor(max_epochs=1, random_state=0).fit(X, numeric_target).history_[0]


def test_few_rows_are_not_held_out(table, numeric_target):
    X, _ = table
    reg = MultimodalRegressor(**SHORT).fit(X[:20], numeric_target[:20])
    assert "valid_loss" not in reg.history_[0]


def test_training_goes_on_beside_the_same_wide_part(table):
    X, y = table
    clf = MultimodalClassifier(**SHORT, warm_start=True).fit(X, y)
    weight = clf.net_.module_.top.wide.models[0].weight.clone()
    clf.fit(X, y)
    np.testing.assert_allclose(clf.net_.module_.top.wide.models[0].weight, weight, atol=2e-3)
    assert clf.n_epochs_ > 3


def test_training_that_goes_on_holds_out_rows_that_the_wide_part_does_not_know():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 40)), rng.normal(size=90)  # noise: who knows a row predicts it better
    reg = MultimodalRegressor(warm_start=True, max_epochs=1, lr=1e-9, random_state=0).fit(X, y)
    first = reg.history_[-1]["valid_loss"]
    reg.fit(X, y)
    assert reg.history_[-1]["valid_loss"] == pytest.approx(first, rel=0.02)


def test_the_share_is_settled_by_averaged_weights(table, monkeypatch):
    averaged, compute = [], MultimodalNet.map

    def noting(net, *args):
        averaged.extend(callback.averaged_ for _, callback in net.callbacks_ if isinstance(callback, WeightAveraging))
        return compute(net, *args)

    monkeypatch.setattr(MultimodalNet, "map", noting)
    MultimodalClassifier(**SHORT, early_stopping=True, weight_averaging="ema").fit(*table)
    assert averaged == [True] * 3  # one for each epoch


def test_rows_by_and_by_are_learnt_without(table):
    X, y = table
    clf = MultimodalClassifier(image=None, random_state=0).partial_fit(X, y, classes=np.unique(y))
    assert clf.net_.module_.top.wide is None
    clf = MultimodalClassifier(**SHORT).fit(X, y).partial_fit(X, y)
    assert clf.net_.module_.top.wide is not None


def test_it_is_a_parameter_like_any_other(table):
    X, y = table
    search = GridSearchCV(
        MultimodalClassifier(**SHORT, wide=WideLinear()), {"wide__n_folds": [2, 4]}, cv=2, error_score="raise"
    ).fit(X, y)
    assert search.best_estimator_.net_.module_.top.wide.n_folds in (2, 4)
    with pytest.raises(ValueError, match="Unknown wide part 'deep'"):
        MultimodalClassifier(**SHORT, wide="deep").fit(X, y)
    with pytest.raises(ValueError, match="n_folds"):
        MultimodalClassifier(**SHORT, wide=WideLinear(n_folds=1)).fit(X, y)


def test_ratings_are_told_apart_by_the_wide_part():
    rng = np.random.default_rng(0)
    words = rng.choice(["good", "fine", "bad", "red", "blue", "old"], size=(500, 6))
    y = np.clip(3 + 2 * (words == "good").sum(1) - 2 * (words == "bad").sum(1), 1, 5).astype(float)
    X = [[" ".join(row)] for row in words]
    reg = MultimodalRegressor(text=[0], **SHORT).fit(X[:400], y[:400])
    assert reg.net_.module_.top.wide.n_scores == len(np.unique(y))
    reg.net_.module_.top.share = 0.0
    predicted = reg.predict(X[400:])
    assert 1 <= predicted.min() <= predicted.max() <= 5
    linear = MultimodalRegressor(text=[0], **SHORT).fit(X[:400], y[:400] + 1e-3 * rng.normal(size=400))
    linear.net_.module_.top.share = 0.0
    assert reg.score(X[400:], y[400:]) > linear.score(X[400:], y[400:]) + 0.05
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reg)).predict(X[400:]), predicted)


@pytest.mark.parametrize("n_rows", [3, 5, 9, 10, 11, 20, 30])
def test_few_rows_of_a_number_are_no_ratings(n_rows):
    X = np.arange(n_rows, dtype=float).reshape(-1, 1)
    reg = MultimodalRegressor(random_state=0).fit(X, 3 * X[:, 0])
    assert reg.net_.module_.top.wide.n_scores == 1
    assert np.abs(reg.predict(X) - 3 * X[:, 0]).max() < 1
    if n_rows > 10:  # between the rows, and beyond them
        assert np.abs(reg.predict(X + 0.5) - 3 * (X[:, 0] + 0.5)).max() < 1.5


def test_a_rating_of_five_values_needs_two_hundred_rows_at_most():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.clip(np.round(3 + X[:, 0] + 0.5 * rng.normal(size=200)), 1, 5)
    assert MultimodalRegressor(max_epochs=1, random_state=0).fit(X, y).net_.module_.top.wide.n_scores == 5


def test_training_goes_on_with_ratings_that_were_not_there_before():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3)), rng.integers(1, 4, size=120).astype(float)
    reg = MultimodalRegressor(warm_start=True, **SHORT).fit(X, y)
    assert reg.net_.module_.top.wide.n_scores == 3
    assert np.isfinite(reg.fit(X, y + 2).predict(X)).all()


def test_the_share_of_the_deep_part_and_the_width_of_texts_can_be_fixed(table, numeric_target):
    X, y = table
    fixed = WideLinear(deep_share=0.6, text_width=5)
    clf = MultimodalClassifier(**SHORT, wide=fixed).fit(X[:70], y[:70], X_val=X[70:], y_val=y[70:])
    assert clf.net_.module_.top.share == 0.6  # whatever validation rows say
    assert clf.net_.module_.encoders["title"].embedding_dim == 5
    reg = MultimodalRegressor(**SHORT, wide=fixed).fit(X, numeric_target)
    assert reg.net_.module_.top.share == 0.6
    assert "valid_loss" not in reg.history_[0]  # there is nothing to settle


def test_how_many_rows_are_held_out_is_a_parameter(linear):
    X, y = linear

    def n_held_out(n_rows, **parameters):
        held_out = []

        def note(estimator, X, y):
            held_out.append(len(y))
            return 0.0

        reg = MultimodalRegressor(max_epochs=1, scoring=note, wide=WideLinear(**parameters), random_state=0)
        reg.fit(X[:n_rows], y[:n_rows])
        return held_out[-1] if held_out else 0

    assert [n_held_out(n_rows) for n_rows in (29, 30, 60, 200, 360)] == [0, 10, 20, 50, 50]
    assert [n_held_out(n_rows, min_rows_split=61) for n_rows in (60, 61)] == [0, 21]
    assert n_held_out(200, min_rows_held_out=40) == 40
    assert n_held_out(200, min_rows_held_out=5) == 20  # by validation_fraction


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deep_share", 1.5),
        ("deep_share", "some"),
        ("hidden_share", 1.5),
        ("text_width", 0),
        ("n_landmarks", -1),
        ("min_rows_split", 1),
        ("min_rows_held_out", "a"),
    ],
)
def test_parameters_of_the_wide_part_are_checked_before_rows_are_held_out(table, numeric_target, name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of WideLinear must be"):
        MultimodalRegressor(**SHORT, wide=WideLinear(**{name: value})).fit(table[0], numeric_target)
