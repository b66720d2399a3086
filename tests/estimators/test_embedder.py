"""The embedder: what it learns by, what belongs together, blocks alone, missing ones, and scikit-learn's tools."""

import copy
import pickle
import warnings
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_mm import ModalityTransformer, MultimodalEmbedder, TabularInput
from sklearn_mm.encoders import MLPEncoder, VectorEncoder
from sklearn_mm.estimators._pair_target import PairTarget, content_codes
from sklearn_mm.networks import _canonical, _contrastive
from sklearn_mm.networks._canonical import canonical_space
from sklearn_mm.training._frozen import _FrozenBlock
from sklearn_mm.training._gradient_caching import cached_backward

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven"]
N = 192


@pytest.fixture(scope="module")
def pairs():
    """Numbers near one of eight corners of a cube, and the name of the corner with a word of its own."""
    rng = np.random.default_rng(0)
    which = np.tile(np.arange(8), N // 8)
    X = pd.DataFrame(((which[:, None] >> np.arange(3)) & 1) + 0.1 * rng.normal(size=(N, 3)), columns=["a", "b", "c"])
    X["word"] = [f"the number {WORDS[number]} of {row % 5} and {row}" for row, number in enumerate(which)]
    return X, which


def embedder(**parameters):
    model = MultimodalEmbedder(text="word", n_components=8, batch_size=32, max_epochs=20, lr=0.02, random_state=0)
    return model.set_params(early_stopping=False).set_params(**parameters)


@pytest.fixture(scope="module")
def fitted(pairs):
    return embedder().fit(pairs[0])


def purity(vectors, which):
    """Return the share of rows of the first vectors whose nearest of the second is of the same corner."""
    nearest = (vectors[0] @ vectors[1].T).argmax(1)
    return np.mean(which[nearest] == which)


@pytest.mark.parametrize("loss", ["infonce", "siglip"])
@pytest.mark.parametrize("hardness", [0.0, 0.5])
def test_blocks_of_a_row_come_together(loss, hardness, pairs):
    X, which = pairs
    max_epochs = 30 if loss == "infonce" else 60
    model = embedder(loss=loss, hard_negatives=hardness, max_epochs=max_epochs).fit(X)
    words, numbers = model.transform(X, "word"), model.transform(X, blocks=["tabular"])
    assert purity((words, numbers), which) > 0.9
    assert model.history_[-1]["train_loss"] < 0.6 * model.history_[0]["train_loss"]
    assert model.score(X) > 3 * (1 + 5 + 10) / 3 / N


def test_vectors(fitted, pairs):
    X = pairs[0]
    vectors = fitted.transform(X)
    assert vectors.shape == (N, 8)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    words, numbers = fitted.transform(X[["word"]], "word"), fitted.transform(X[["c", "b", "a"]], "tabular")
    both = words + numbers
    np.testing.assert_allclose(vectors, both / np.linalg.norm(both, axis=1, keepdims=True), atol=1e-5)
    assert fitted.get_feature_names_out().tolist() == [f"multimodalembedder{k}" for k in range(8)]
    frame = clone(fitted).set_output(transform="pandas").set_params(max_epochs=1).fit_transform(X)
    assert list(frame.columns) == fitted.get_feature_names_out().tolist()
    assert frame.index.equals(X.index)


def test_rows_are_embedded_from_what_they_have(fitted, pairs):
    X = pairs[0][:6].astype(object)
    X.loc[0, "word"] = None
    X.loc[1, ["a", "b", "c"]] = np.nan
    X.loc[2] = None
    vectors = fitted.transform(X)
    np.testing.assert_allclose(vectors[0], fitted.transform(pairs[0][:6], "tabular")[0], atol=1e-5)
    np.testing.assert_allclose(vectors[1], fitted.transform(pairs[0][:6], "word")[1], atol=1e-5)
    assert not vectors[2].any()
    assert not fitted.transform(X, "word")[0].any()


def test_rows_that_lack_a_block_change_nothing_of_a_pair(pairs):
    """Half of the rows have one block only; the loss is that of the others."""
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(10, 2, 4), dim=2)
    present = torch.ones(10, 2, dtype=torch.bool)
    present[5:, 1] = False
    codes = torch.arange(30).reshape(10, 3)
    objective = _contrastive.Contrastive()
    top = embedder(max_epochs=1).fit(pairs[0]).net_.module_.top

    def loss(rows):
        batch = {"target": codes[rows], "weight": torch.ones(len(rows), 3)}
        return objective.loss((vectors[rows], present[rows]), batch, top).item()

    assert loss(torch.arange(10)) == pytest.approx(loss(torch.arange(5)))
    assert loss(torch.arange(4, 10)) == 0.0  # one row alone has nothing to be told from


def test_training_with_missing_blocks(pairs):
    X = pairs[0].astype({"word": object})
    X.loc[X.index[::3], "word"] = None
    X.loc[X.index[1::3], ["a", "b", "c"]] = np.nan
    X.loc[X.index[2::6], ["a", "b", "c"]] = np.nan  # only every sixth row has both
    model = embedder(max_epochs=3).fit(X)
    assert np.isfinite([row["train_loss"] for row in model.history_]).all()
    assert np.isfinite(model.score(X))


def test_no_row_with_two_blocks(fitted, pairs):
    X = pairs[0][:8].astype({"word": object})
    X["word"] = None
    with pytest.raises(ValueError, match="needs rows that have two blocks, and none of the 8 rows has"):
        fitted.score(X)


def test_one_block_alone_is_an_error(pairs):
    with pytest.raises(ValueError, match=r"needs two blocks or more: got \['tabular'\] alone\. Name further columns"):
        MultimodalEmbedder().fit(pairs[0][["a", "b"]])


def test_three_blocks(pairs):
    X, which = pairs
    X = X.assign(again=[f"corner {WORDS[number]}" for number in which])
    model = embedder(text=["word", "again"]).fit(X)
    assert list(model.specs_) == ["word", "again", "tabular"]
    for first, second in [("word", "again"), ("again", "tabular")]:
        assert purity((model.transform(X, first), model.transform(X, second)), which) > 0.9
    two = model.transform(X[["word", "again"]], ["again", "word"])
    np.testing.assert_array_equal(two, model.transform(X, ["word", "again"]))
    with pytest.raises(ValueError, match=r"transform takes names of blocks, each once, which are .* got \['words'\]"):
        model.transform(X, "words")


def test_labels_bring_rows_together(pairs):
    """Nothing in the blocks tells which rows belong together: labels do."""
    rng = np.random.default_rng(0)
    y = np.repeat(["left", "right"], 40)
    X = pd.DataFrame({"a": rng.normal(size=80), "word": [f"{'up' if k % 2 else 'down'} {k}" for k in range(80)]})
    X["b"] = (y == "left") + 0.1 * rng.normal(size=80)
    X["word"] = [f"{word} {'l' if side == 'left' else 'r'}" for word, side in zip(X["word"], y, strict=True)]

    def within(model):
        vectors = model.transform(X)
        similar = vectors @ vectors.T
        same = y[:, None] == y
        return similar[same].mean() - similar[~same].mean()

    supervised, alone = embedder(max_epochs=15).fit(X, y), embedder(max_epochs=15).fit(X)
    assert within(supervised) > within(alone) + 0.2
    unknown = embedder(max_epochs=15).fit(X, np.full(80, np.nan))  # labels that are all missing say nothing
    np.testing.assert_array_equal(unknown.transform(X), alone.transform(X))


def test_labels_must_be_labels(pairs):
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        embedder().fit(pairs[0], np.linspace(0, 1, N))
    assert PairTarget("me").fit(["x", None, "y", None, "x"]).tolist() == [0, -2, 1, -4, 0]


@pytest.mark.parametrize(("loss", "function"), [("infonce", "info_nce"), ("siglip", "sigmoid_loss")])
def test_captions_of_one_picture_are_no_negatives(loss, function, pairs, monkeypatch):
    """In each step, those rows match that show one picture, have one caption, or one label."""
    X = pairs[0][:40].copy()
    X[["a", "b", "c"]] = X[["a", "b", "c"]].to_numpy()[np.arange(40) // 5 * 5]
    y = np.full(40, None)
    y[[0, 39]] = "the same"
    compute, seen = getattr(_contrastive, function), []

    def spy(logits, matches, *others):
        seen.append(matches)
        return compute(logits, matches, *others)

    monkeypatch.setattr(_contrastive, function, spy)
    embedder(loss=loss, batch_size=40, max_epochs=1).fit(X, y)
    picture = np.arange(40) // 5
    expected = picture[:, None] == picture
    expected[[0, 39], [39, 0]] = True
    assert sorted(seen[0].sum(1).tolist()) == sorted(expected.sum(1).tolist())
    assert (seen[0] == seen[0].T).all()


def test_content_is_recognised(tmp_path, pairs):
    """Equal pictures, texts and lists are, however they are stored; missing cells are unlike all others."""
    rng = np.random.default_rng(0)
    shades = [rng.integers(256, size=(8, 8, 3), dtype=np.uint8) for _ in range(2)]
    X = pd.DataFrame(
        {
            "photo": [shades[0], shades[1], shades[0].copy(), None, None],
            "title": ["one two", "three", "three", "four", "five"],
            "tags": [["x y", "z"], ["z"], ["x y", "z"], ["x y"], []],
        }
    )
    blocks = ModalityTransformer(text=["title", "tags"]).fit_transform(X)
    without = copy.copy(blocks)
    without.content_keys = None
    stored = ModalityTransformer(text=["title", "tags"], memory=tmp_path).fit_transform(X)
    for rows in (blocks, without, stored):
        equal = (content_codes(rows)[:, None] == content_codes(rows)).transpose(2, 0, 1) & ~np.eye(5, dtype=bool)
        pairs_of = {name: np.argwhere(np.triu(same)).tolist() for name, same in zip(rows, equal, strict=True)}
        assert pairs_of == {"photo": [[0, 2]], "title": [[1, 2]], "tags": [[0, 2]]}


def test_held_out_rows_share_no_content_with_training_rows(pairs, monkeypatch):
    X = pairs[0][:60].copy()
    X[["a", "b", "c"]] = np.repeat(X[["a", "b", "c"]].to_numpy()[::5], 5, axis=0)  # five captions each
    from sklearn_mm.training._trainer import Trainer

    seen, train = {}, Trainer.train

    def spy(self, build, objective, target, rows, validation, *others):
        seen.update(kept=rows.target, held_out=validation.target)
        seen["numbers"] = [set(map(bytes, part.blocks["tabular"]["numbers"])) for part in (rows, validation)]
        return train(self, build, objective, target, rows, validation, *others)

    monkeypatch.setattr(Trainer, "train", spy)
    model = embedder(early_stopping=True, validation_fraction=0.2, max_epochs=3).fit(X)
    assert not seen["numbers"][0] & seen["numbers"][1]
    assert len(seen["kept"]) + len(seen["held_out"]) == 60
    assert len(seen["held_out"]) == 15  # of three of twelve
    assert max(row["valid_recall"] for row in model.history_) == model.history_[model.best_epoch_ - 1]["valid_recall"]
    with pytest.raises(ValueError, match="Early stopping needs at least 2 rows that share nothing"):
        embedder(early_stopping=True).fit(X[:1])


def test_small_tables_hold_nothing_out_and_larger_ones_do(pairs):
    X = pairs[0]
    assert "valid_recall" not in embedder(early_stopping="auto", max_epochs=1).fit(X).history_[0]
    larger = pd.concat([X, X.assign(a=X["a"] + 0.01)], ignore_index=True)
    assert "valid_recall" in embedder(early_stopping="auto", max_epochs=1).fit(larger).history_[0]


def test_rows_that_pair_nothing_are_not_held_out(pairs):
    X = pairs[0]
    rare = pd.concat([X[:10], *[X.assign(word=None)] * 2], ignore_index=True)
    for seed in range(3):
        by_default = embedder(early_stopping="auto", max_epochs=1, random_state=seed).fit(rare)
        assert "valid_recall" not in by_default.history_[0]
        held_out = embedder(early_stopping=True, max_epochs=1, random_state=seed).fit(rare)
        assert held_out.history_[0]["valid_recall"] > 0


def test_weights_are_averaged(pairs):
    X = pairs[0]
    averaged = embedder(weight_averaging="ema", max_epochs=3).fit(X)
    assert averaged.score(X) > 0
    assert not np.allclose(averaged.transform(X), embedder(max_epochs=3).fit(X).transform(X))


@pytest.fixture(scope="module")
def with_terms(pairs):
    """An embedder of 240 rows, half of whose components are a space of what linear models see."""
    X = pd.concat([pairs[0], pairs[0][:48]], ignore_index=True)
    return X, embedder(max_epochs=1).fit(X)


def test_a_space_of_terms_is_beside_what_is_trained(with_terms, pairs):
    X, model = with_terms
    top = model.net_.module_.top
    assert top.terms.n_components == 4
    blocks = model.transformer_.transform(X)
    for name in ("word", "tabular"):
        own = model.transform(X, name)
        terms = {
            "word": lambda: torch.from_numpy(blocks["word"].astype(np.int64)),
            "tabular": lambda: {
                key: torch.from_numpy(blocks["tabular"][key].copy()) for key in blocks["tabular"].dtype.names
            },
        }[name]()
        with torch.no_grad():
            expected = top.terms(name, terms)
        np.testing.assert_allclose(own[:, 4:], 0.75**0.5 * expected, atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(own[:, :4], axis=1), 0.25**0.5, atol=1e-4)
    words, numbers = model.transform(X, "word")[:192, 4:], model.transform(X, "tabular")[:192, 4:]
    assert purity((words, numbers), pairs[1]) > 0.9  # without any training


def test_a_space_of_terms_stays_where_training_goes_on(with_terms):
    X, model = with_terms
    again = copy.deepcopy(model).set_params(warm_start=True).fit(X)
    assert again.n_epochs_ == 2
    np.testing.assert_allclose(again.transform(X, "word")[:, 4:], model.transform(X, "word")[:, 4:], atol=1e-5)
    assert np.abs(again.transform(X, "word")[:, :4] - model.transform(X, "word")[:, :4]).max() > 1e-3
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(X), model.transform(X))
    np.testing.assert_allclose(
        clone(model).set_params(batch_size=60).fit(X).transform(X[:7], "word")[:, 4:],
        model.transform(X, "word")[:7, 4:],
        atol=1e-4,
    )


def test_terms_do_not_tell_of_labels_nor_of_rows_to_come(pairs):
    X = pd.concat([pairs[0], pairs[0][:48]], ignore_index=True)
    assert embedder(max_epochs=1).fit(X, np.arange(240) % 3).net_.module_.top.terms is None
    assert embedder().partial_fit(X).net_.module_.top.terms is None
    assert embedder(max_epochs=1).fit(pairs[0]).net_.module_.top.terms is None  # few rows
    assert embedder(max_epochs=1, n_components=1).fit(X).net_.module_.top.terms is None


def test_terms_of_rows_that_lack_blocks(with_terms):
    X = with_terms[0].astype({"word": object})
    X.loc[X.index[::3], "word"] = None
    X.loc[X.index[1::3], ["a", "b", "c"]] = np.nan
    model = embedder(max_epochs=1).fit(X)
    assert model.net_.module_.top.terms is not None
    vectors = model.transform(X)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[1], model.transform(X, "word")[1], atol=1e-5)
    assert model.score(X) > 0.1


EXACT = MLPEncoder(dropout=0.0)
TABLES = [("ab", TabularInput(["a", "b"], encoder=EXACT)), ("c", TabularInput(["c"], encoder=EXACT))]


@pytest.mark.parametrize("loss", ["infonce", "siglip"])
def test_gradients_of_1024_rows_in_parts_are_those_of_the_whole_batch(loss):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(1024, 3)), columns=list("abc"))
    X.loc[::7, "c"] = np.nan
    model = MultimodalEmbedder(inputs=TABLES, loss=loss, dropout=0.0, batch_size=1024, random_state=0)
    model.set_params(optimizer="sgd", max_epochs=1, early_stopping=False).fit(X)
    assert (model.net_.batch_size, model.net_.gradient_accumulation_steps) == (128, 8)
    network, objective = model.net_.module_.float().train(), model.net_.criterion_
    rows = model._read_rows(X, None, None, None, fitted=True)
    dataset = rows.dataset(model._target, objective)
    seen = []

    def gradients(step):
        network.zero_grad()
        step()
        return [p.grad.clone() for p in network.parameters() if p.grad is not None]

    def whole():
        batch = dataset[np.arange(1024)]
        objective.loss(network(batch), batch, network.top).backward()

    def in_parts():
        def forward(rows):
            seen.append(len(rows))
            return network(dataset[rows])

        def backward(outputs):
            loss = objective.loss(outputs, dataset[np.arange(1024)], network.top)
            loss.backward()
            return loss

        cached_backward(network, lambda: iter(np.split(np.arange(1024), 8)), forward, backward)

    first, second = gradients(whole), gradients(in_parts)
    assert set(seen) == {128}
    assert len(first) == len(second) > 6
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4 * one.abs().max().item())


def test_training_in_parts_is_training_with_whole_batches():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 3)), columns=list("abc"))
    model = MultimodalEmbedder(inputs=TABLES, dropout=0.0, batch_size=150, max_epochs=2, random_state=0)
    model.set_params(early_stopping=False, optimizer="sgd")
    whole = clone(model).set_params(rows_at_once=None).fit(X)
    parts = clone(model).set_params(rows_at_once=40).fit(X)
    assert (whole.net_.batch_size, parts.net_.batch_size) == (150, 38)
    np.testing.assert_allclose(parts.transform(X), whole.transform(X), atol=1e-3)
    assert parts.history_[0]["train_loss"] == pytest.approx(whole.history_[0]["train_loss"], rel=1e-4)


def test_temperature_and_bias_begin_as_published_and_stay_bounded(pairs):
    X = pairs[0]

    def top(**parameters):
        return embedder(max_epochs=1, lr=1e-12, **parameters).fit(X).net_.module_.top

    siglip = top(loss="siglip")
    assert siglip.scale.item() == pytest.approx(10, rel=1e-4)
    assert siglip.bias.item() == pytest.approx(-np.log(31))
    assert top().scale.item() == pytest.approx(1 / 0.07, rel=1e-4)
    assert top(temperature=0.2).scale.item() == pytest.approx(5, rel=1e-4)
    learnt = embedder().fit(X).net_.module_.top
    assert learnt.scale.item() != pytest.approx(1 / 0.07, rel=1e-3)
    with torch.no_grad():
        for value in (-1e3, 1e3):
            learnt.scale_share.fill_(value)
            assert 1 <= learnt.scale.item() <= 100


@pytest.fixture(scope="module")
def vectors():
    """Vectors of pictures and of five captions each, as if computed elsewhere; a row is a pair."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(120, 6))
    photos = hidden @ rng.normal(size=(6, 40)) + 2 * rng.normal(size=(120, 40))
    captions = np.repeat(hidden, 5, axis=0) @ rng.normal(size=(6, 30)) + 2 * rng.normal(size=(600, 30))
    return pd.DataFrame({"photo": list(np.repeat(photos, 5, axis=0)), "caption": list(captions)})


def of_vectors(**parameters):
    encoders = VectorEncoder(), VectorEncoder()
    inputs = [(name, TabularInput(name, encoder=own)) for name, own in zip(["photo", "caption"], encoders, strict=True)]
    return MultimodalEmbedder(inputs=inputs, n_components=16, random_state=0, **parameters)


def test_frozen_vectors_are_joined_in_closed_form(vectors):
    """Nothing is trained: the projections are canonical correlations of the training rows."""
    train, test = vectors[:500], vectors[500:]
    model = of_vectors().fit(train)
    assert (model.n_epochs_, model.best_epoch_, model.history_) == (0, 0, [])
    blocks = model.transformer_.transform(train)
    x = {
        name: torch.nn.functional.normalize(torch.from_numpy(blocks[name]["numbers"].copy()), dim=1) for name in blocks
    }
    space = canonical_space(x, torch.from_numpy(blocks.present), 16, content_codes(blocks))
    for column, name in enumerate(blocks):
        weight, mean = space.projections[name]
        expected = torch.nn.functional.normalize((x[name] - mean) @ weight)
        expected = expected if space.hubs is None else space.hubs(column, expected)
        own = model.transform(train[[name]], name)
        np.testing.assert_allclose(own[:, : expected.shape[1]], expected, atol=1e-4)
        assert not own[:, expected.shape[1] :].any()
    by_chance = np.mean([5 / 100, 25 / 100, 50 / 100, 1 / 20, 5 / 20, 10 / 20])
    assert model.score(test) > 2 * by_chance
    assert pickle.loads(pickle.dumps(model)).score(test) == model.score(test)
    np.testing.assert_array_equal(
        clone(model).set_params(early_stopping=True).fit(train).transform(test), model.transform(test)
    )


@pytest.mark.parametrize("is_better", [True, False])
def test_the_closed_form_makes_up_for_hubs_where_that_finds_more(is_better, vectors, monkeypatch):
    """With components for hubs vectors have a nearly constant one, in which others differ."""
    train, test = vectors[:500], vectors[500:]
    monkeypatch.setattr(_canonical, "mean_recall", lambda x, *_: float((x[:, 1, -2].std() < 0.05) == is_better))
    model = of_vectors().fit(train)
    assert (model.net_.module_.top.hubs is not None) == is_better
    photos, captions = (model.transform(test[[name]], name) for name in vectors)
    assert (captions[:, -2].std() < 0.05) == is_better
    np.testing.assert_allclose(np.linalg.norm(photos, axis=1), 1, atol=1e-5)
    assert model.score(test) > 0.3
    assert pickle.loads(pickle.dumps(model)).score(test) == model.score(test)


@pytest.mark.parametrize("projection", ["linear", "mlp"])
def test_training_on_frozen_vectors_keeps_the_closed_form_unless_it_finds_more(projection, vectors, monkeypatch):
    train, test = vectors[:500], vectors[500:]
    closed = of_vectors().fit(train)
    wild = of_vectors(projection=projection, early_stopping=True, lr=1.0, n_iter_no_change=3).fit(train)
    assert wild.best_epoch_ == 0
    assert wild.n_epochs_ == 3
    assert wild.score(test) > 0.9 * closed.score(test)
    by_itself = of_vectors(projection=projection, max_epochs=1, lr=1e-9, dropout=0.0, early_stopping=False).fit(train)
    monkeypatch.setattr(_contrastive, "canonical_space", lambda *known, may_add: canonical_space(*known, may_add=False))
    start = of_vectors().fit(train)
    np.testing.assert_allclose(by_itself.transform(test), start.transform(test), atol=1e-3)


def test_labels_and_partial_fit_train_frozen_vectors(vectors):
    labelled = of_vectors(max_epochs=2).fit(vectors, np.arange(600) // 5 % 3)
    assert labelled.n_epochs_ == 2
    online = of_vectors().partial_fit(vectors).partial_fit(vectors)
    assert online.n_epochs_ == 2
    with pytest.raises(ValueError, match='partial_fit cannot go on with projection="cca"'):
        of_vectors(projection="cca").partial_fit(vectors)
    with pytest.raises(ValueError, match='partial_fit cannot go on with projection="cca"'):
        of_vectors().fit(vectors).partial_fit(vectors)
    with pytest.raises(ValueError, match="goes on with a space that was found without y, in closed form"):
        of_vectors(warm_start=True).fit(vectors).fit(vectors, np.arange(600) // 5 % 3)
    again = of_vectors(warm_start=True).fit(vectors)
    np.testing.assert_allclose(again.fit(vectors).transform(vectors), of_vectors().fit(vectors).transform(vectors))


def test_rows_weigh_in_the_closed_form(vectors):
    unweighed = of_vectors().fit(vectors).transform(vectors)
    weighed = of_vectors().fit(vectors, sample_weight=np.repeat([1.0, 3.0], 300)).transform(vectors)
    assert not np.allclose(np.abs(weighed), np.abs(unweighed), atol=1e-2)
    without = of_vectors().fit(vectors, sample_weight=np.repeat([1.0, 0.0], 300))
    np.testing.assert_array_equal(without.transform(vectors), of_vectors().fit(vectors[:300]).transform(vectors))


def test_more_components_than_there_are_directions_are_zero(vectors):
    model = of_vectors().set_params(n_components=100).fit(vectors)
    own = model.transform(vectors)
    assert own.shape == (600, 100)
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), 1, atol=1e-5)
    assert not own[:, 40:].any()


def test_the_closed_form_may_be_given_rows_to_validate_with(vectors):
    model = of_vectors(early_stopping=True).fit(vectors[:500], X_val=vectors[500:])
    np.testing.assert_array_equal(model.transform(vectors), of_vectors().fit(vectors[:500]).transform(vectors))


def lacking(X, column, rows):
    X = X.copy()
    X[column] = [None if row in rows else cell for row, cell in enumerate(X[column])]
    return X


@pytest.mark.parametrize("projection", ["cca", "linear"])
def test_rows_that_pair_nothing_are_an_error(projection, vectors):
    apart = lacking(lacking(vectors, "photo", range(300)), "caption", range(300, 600))
    with pytest.raises(
        ValueError, match="learns from rows that have two blocks, at least two of them, and got 0 among"
    ):
        of_vectors(projection=projection, early_stopping=False).fit(apart)
    with pytest.raises(ValueError, match="at least two of them, and got 1 among 1 rows"):
        of_vectors(projection=projection, early_stopping=False).fit(vectors[:1])
    constant = vectors.assign(photo=[np.ones(40)] * 600)
    with pytest.raises(
        ValueError, match=r"\['photo', 'caption'\] have nothing in common over 600 rows, or never change"
    ):
        of_vectors(projection=projection, early_stopping=False).fit(constant)
    if projection == "linear":
        with pytest.raises(ValueError, match="nothing to validate by: none of 50 validation rows has two blocks"):
            of_vectors(projection="linear").fit(vectors[:500], X_val=lacking(vectors[500:550], "photo", range(50)))


def test_a_first_score_that_is_no_number_is_no_best_one(vectors):
    values = iter([np.nan, 0.2, 0.4, 0.3])
    model = of_vectors(projection="linear", max_epochs=3, early_stopping=True)
    model.set_params(scoring=lambda estimator, X, y: next(values))
    with pytest.warns(UserWarning, match="gave NaN in epoch 0"):
        assert model.fit(vectors).best_epoch_ == 2


def test_a_batch_of_one_row_is_an_error(pairs):
    with pytest.raises(ValueError, match="tells a row from others of its batch, and batch_size=1 leaves none"):
        embedder(batch_size=1).fit(pairs[0])
    assert embedder(batch_size=1, gradient_accumulation_steps=2, max_epochs=1).fit(pairs[0]).n_epochs_ == 1


@pytest.mark.parametrize("projection", ["cca", None])
def test_what_trains_nothing_needs_frozen_encoders(projection, pairs):
    with pytest.raises(ValueError, match=r"trains nothing with projection=.*encoders of \['word', 'tabular'\] are not"):
        embedder(projection=projection).fit(pairs[0])


def test_vectors_as_they_are_have_one_width(vectors):
    with pytest.raises(ValueError, match=r"projection=None .* one space.*\{'photo': 40, 'caption': 30\}"):
        of_vectors(projection=None).fit(vectors)


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    words = ["cat", "dog", "snow", "apples", "red", "quiet", "old", "white", "birds", "roof"]
    return pd.DataFrame(
        {
            "photo": list(rng.integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)),
            "title": [" ".join(rng.choice(words, 2 + row % 4)) for row in range(12)],
        }
    )


def test_a_pretrained_pair_is_taken_as_it_is(tiny_model, photos, tmp_path):
    """The vectors of CLIP's towers, as transformers gives them."""
    transformers = pytest.importorskip("transformers")
    folder = tiny_model("clip")
    model = MultimodalEmbedder(pretrained=folder, projection=None, image="photo", text="title").fit(photos)
    assert model.n_epochs_ == 0
    clip = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    ids = tokenizer(list(photos["title"]), return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = clip(**processor(list(photos["photo"]), return_tensors="pt"), **ids)
    np.testing.assert_allclose(model.transform(photos[["title"]], "title"), expected.text_embeds, atol=1e-4)
    np.testing.assert_allclose(model.transform(photos[["photo"]], "photo"), expected.image_embeds, atol=1e-4)
    assert model.transform(photos).shape == (12, expected.text_embeds.shape[1])
    kept = clone(model).set_params(memory=tmp_path).fit(photos)
    np.testing.assert_allclose(kept.transform(photos), model.transform(photos), atol=1e-5)
    assert kept.score(photos) == pytest.approx(model.score(photos))


def test_what_is_frozen_is_computed_once_for_each_different_cell(tiny_model, photos):
    """Twelve pictures with five titles each: twelve go through the tower, and none again in a search."""
    rows = photos.loc[np.repeat(np.arange(12), 5)].reset_index(drop=True)
    rows["title"] = [f"{title} {WORDS[row % 5]}" for row, title in enumerate(rows["title"])]
    blocks = ModalityTransformer(pretrained=tiny_model("clip"), image="photo", text="title").fit_transform(rows)
    seen, encode = [], _FrozenBlock._compute

    def spy(self, places, dtype):
        seen.append((self.name, len(places)))
        return encode(self, places, dtype)

    with mock.patch.object(_FrozenBlock, "_compute", spy):
        search = GridSearchCV(MultimodalEmbedder(n_components=4), {"projection": ["cca", "linear"]}, cv=2)
        search.fit(blocks)
    assert sum(n for name, n in seen if name == "photo") == 12


def test_blocks_read_before_are_the_same(fitted, pairs):
    X = pairs[0]
    blocks = ModalityTransformer(text="word").fit_transform(X)
    model = clone(fitted).set_params(text="auto").fit(blocks)
    np.testing.assert_array_equal(model.transform(blocks), fitted.transform(X))
    np.testing.assert_array_equal(model.transform(blocks.select(["word"]), "word"), fitted.transform(X, "word"))
    assert model.score(blocks) == fitted.score(X)


def test_clone_pickle_warm_start_and_partial_fit(fitted, pairs):
    X = pairs[0]
    np.testing.assert_array_equal(clone(fitted).fit(X).transform(X), fitted.transform(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), fitted.transform(X))
    model = embedder(warm_start=True, max_epochs=2).fit(X).fit(X)
    assert model.n_epochs_ == 4
    with pytest.raises(ValueError, match="n_components"):
        model.set_params(n_components=5).fit(X)
    online = embedder(lr=0.01)
    for _ in range(10):
        online.partial_fit(X)
    assert online.history_[-1]["train_loss"] < 0.8 * online.history_[0]["train_loss"]


def test_it_clusters_raw_tables(pairs):
    X, which = pairs
    groups = make_pipeline(embedder(), KMeans(8, n_init=5, random_state=0)).fit_predict(X)
    assert adjusted_rand_score(which, groups) > 0.8
    groups = make_pipeline(embedder(), HDBSCAN(min_cluster_size=5, copy=True)).fit_predict(X)
    assert adjusted_rand_score(which, groups) > 0.5


def test_search_by_its_score(pairs):
    X = pairs[0]
    search = GridSearchCV(embedder(max_epochs=4), {"lr": [1e-6, 0.02]}, cv=2, error_score="raise").fit(X)
    assert search.best_params_ == {"lr": 0.02}
    assert search.best_score_ == pytest.approx(cross_val_score(search.best_estimator_, X, cv=2).mean(), abs=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel = cross_val_score(embedder(max_epochs=1), X, cv=2, n_jobs=2)
    np.testing.assert_allclose(parallel, cross_val_score(embedder(max_epochs=1), X, cv=2), atol=1e-3)


def test_polars(fitted, pairs):
    polars = pytest.importorskip("polars")
    X = polars.from_pandas(pairs[0])
    np.testing.assert_array_equal(clone(fitted).fit(X).transform(X), fitted.transform(pairs[0]))
