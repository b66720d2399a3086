"""`MultimodalGenerator` writes what it has learnt, and is an estimator like any other."""

import copy
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, MultimodalGenerator, TextInput
from sklearn_mm.decoders import BeamSearch, Sampling, TransformerDecoder
from sklearn_mm.encoders import CNNEncoder, ModuleEncoder, SelfAttentionEncoder
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

WORDS = {"red": "roter", "blue": "blauer", "green": "grüner"}
THINGS = {"dog": "Hund", "fish": "Fisch", "bear": "Bär"}
COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 200, 30)}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    colour, thing = rng.choice(list(WORDS), 60), rng.choice(list(THINGS), 60)
    photos = [np.clip(rng.normal(COLOURS[name], 10, (8, 8, 3)), 0, 255).astype(np.uint8) for name in colour]
    X = pd.DataFrame({"photo": photos, "title": [f"the {c} {t}" for c, t in zip(colour, thing, strict=True)]})
    return X, np.array([f"Ein {WORDS[c]} {THINGS[t]}!" for c, t in zip(colour, thing, strict=True)], dtype=object)


def generator(**parameters):
    settings = {
        "image": None,
        "text": TextInput("title", transformer=TextTransformer("word")),
        "decoder": TransformerDecoder(width=32, n_layers=1, dropout=0.0),
        "max_epochs": 20,
        "lr": 5e-3,
        "random_state": 0,
    }
    return MultimodalGenerator(**{**settings, **parameters})


@pytest.fixture(scope="module")
def fitted(rows):
    return generator().fit(*rows)


def test_it_writes_what_it_has_learnt(fitted, rows):
    X, y = rows
    texts = fitted.predict(X)
    assert texts.shape == (60,)
    assert texts.dtype == object
    assert (texts == y).all()
    assert fitted.score(X, y) == pytest.approx(100)
    assert fitted.score(X, y[::-1]) < 80


def test_pictures_say_what_texts_do_not(rows):
    X, y = rows
    blind = X.assign(title=X["title"].str.split().str[-1])
    photo = ImageInput("photo", transformer=ImageTransformer(size=8), encoder=CNNEncoder(channels=(8,)))
    captions = generator(image=photo).fit(blind, y)
    assert np.mean(captions.predict(blind) == y) > 0.95
    assert np.mean(captions.predict(blind.assign(photo=X["photo"].to_numpy()[::-1])) == y) < 0.7


def test_rows_may_lack_blocks_and_all_of_them(fitted, rows):
    X, _ = rows
    emptied = X.astype(object)
    emptied.iloc[3] = None
    texts = fitted.predict(emptied)
    assert isinstance(texts[3], str)
    assert (np.delete(texts, 3) == np.delete(fitted.predict(X), 3)).all()


def test_texts_are_scored(fitted, rows):
    X, y = rows
    texts, scores = fitted.generate(X, 4)
    assert texts.shape == scores.shape == (60, 4)
    np.testing.assert_allclose(scores[:, 0], fitted.score_text(X, texts[:, 0]), atol=1e-3)
    one, other = (fitted.score_text(X, texts[:, place]) for place in (0, 1))
    np.testing.assert_allclose(fitted.score_text(X, texts[:, :2].tolist()), (one + other) / 2, atol=1e-3)
    assert (fitted.score_text(X, y) > fitted.score_text(X, y[::-1])).mean() > 0.7
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 2\]"):
        fitted.score_text(X, y[:2])


def test_batches_do_not_matter(fitted, rows):
    X, _ = rows
    texts, scores = fitted.generate(X, 2)
    other = pickle.loads(pickle.dumps(fitted))
    for size in (1, 7, 60):
        other.net_.batch_size = size
        np.testing.assert_array_equal(other.generate(X, 2)[0], texts)
    np.testing.assert_array_equal(other.generate(X[::-1], 2)[0], texts[::-1])
    np.testing.assert_allclose(other.generate(X[::-1], 2)[1], scores[::-1], atol=1e-4)


def test_search_and_limits_may_be_set_after_fit(fitted, rows):
    X, y = rows
    other = pickle.loads(pickle.dumps(fitted)).set_params(search="greedy")
    assert (other.predict(X) == y).all()
    with pytest.raises(ValueError, match=r"n_texts=2.*GreedySearch.*writes 1"):
        other.generate(X, 2)
    other.set_params(max_new_tokens=2)
    assert all(
        len(text) < len(whole) and whole.startswith(text) for text, whole in zip(other.predict(X), y, strict=True)
    )
    other.set_params(search=Sampling(temperature=3.0, n_texts=2), random_state=1, max_new_tokens="auto")
    first = other.generate(X)[0]
    np.testing.assert_array_equal(other.generate(X)[0], first)
    assert (other.set_params(random_state=2).generate(X)[0] != first).any()


def test_several_texts_of_a_row_are_all_learnt(rows):
    X, y = rows
    references = [[text, f"{text} Ja."] if row % 3 else text for row, text in enumerate(y)]
    fitted = generator().fit(X, references)
    several = np.arange(60) % 3 > 0
    longer = y + " Ja."
    shuffled = np.roll(longer, 1)
    differ = shuffled != longer
    assert (fitted.score_text(X, longer) > fitted.score_text(X, shuffled) + 1)[differ].all()
    assert np.mean([text in (one, other) for text, one, other in zip(fitted.predict(X), y, longer, strict=True)]) > 0.9
    assert fitted.score(X[several], [texts for texts in references if len(texts) == 2]) > 95
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fitted.score(X, references[:-1])


@pytest.mark.parametrize(
    ("cell", "error", "message"),
    [
        (None, ValueError, "a missing or blank text in 1 of 60 rows .row 4.. First: None"),
        (np.nan, ValueError, "a missing or blank text in 1 of 60 rows"),
        ("  ", ValueError, "a missing or blank text in 1 of 60 rows"),
        (3.5, TypeError, "no text in 1 of 60 rows .row 4.. First: 3.5 of type float"),
        ([], ValueError, "an empty list in row 4"),
        (["a", None], ValueError, "a missing or blank text"),
    ],
)
def test_what_is_no_text_is_named(rows, cell, error, message):
    X, y = rows
    y = y.copy()
    y[4] = cell
    with pytest.raises(error, match=message):
        generator().fit(X, y)


def test_wrong_parameters(rows):
    with pytest.raises(ValueError, match=r"Unknown decoder 'transfomer'. Did you mean 'transformer'"):
        generator(decoder="transfomer").fit(*rows)
    with pytest.raises(ValueError, match=r"Unknown search 'beams'. Did you mean 'beam'"):
        generator(search="beams", max_epochs=1).fit(*rows).predict(rows[0])
    with pytest.raises(ValueError, match="reads them as a bag of n-grams"):
        generator(target_transformer=TextTransformer("ngram")).fit(*rows)
    with pytest.raises(ValueError, match="'width' parameter of BeamSearch"):
        generator(search=BeamSearch(0), max_epochs=1).fit(*rows).predict(rows[0])


def test_it_is_searched_over(rows):
    X, y = rows
    search = GridSearchCV(generator(max_epochs=2), {"decoder__width": [8, 32], "search": ["greedy"]}, cv=2).fit(X, y)
    assert search.cv_results_["mean_test_score"].shape == (2,)
    assert cross_val_score(generator(), X, y, cv=2).mean() > 75


def test_validation_by_texts(rows):
    X, y = rows
    fitted = generator(early_stopping=True, scoring="chrf", max_epochs=30, search="greedy").fit(X, y)
    assert "valid_chrf" in fitted.history_[0]
    assert fitted.history_[fitted.best_epoch_ - 1]["valid_chrf"] == max(row["valid_chrf"] for row in fitted.history_)
    assert fitted.n_epochs_ < 30  # all is right before


def test_weights_and_more_rows(rows):
    X, y = rows
    weight = np.arange(60) % 3 > 0
    others = np.where(weight, y, "Nein?")
    assert (generator(max_epochs=40).fit(X, others, sample_weight=weight).predict(X) == y).mean() > 0.9
    more = generator(max_epochs=3).partial_fit(X, y)
    before = more.score_text(X, y).mean()
    for _ in range(8):
        more.partial_fit(X, y)
    assert more.score_text(X, y).mean() > before


@pytest.fixture(scope="module")
def names():
    """Sentences about things of which each occurs once, and the tokens of all of them."""
    rng = np.random.default_rng(0)
    names = ["".join(rng.choice(list("abcdefgh"), 5)) for _ in range(260)]
    X = pd.DataFrame({"note": [f"we saw {name} today" for name in names]})
    y = np.array([f"{name} was seen" for name in names], dtype=object)
    return X, y, TextTransformer(TextTransformer("word").fit([*X["note"], *y]).tokenizer_)


def writer_of_names(tokens, encoder=None, **parameters):
    encoder = SelfAttentionEncoder(width=32, n_layers=1, n_heads=2) if encoder is None else encoder
    settings = {
        "text": TextInput("note", transformer=tokens, encoder=encoder),
        "target_transformer": tokens,
        "early_stopping": False,
        "search": "greedy",
    }
    return generator(**{**settings, **parameters})


def test_names_that_were_never_written_are_copied(names):
    X, y, tokens = names
    train, test = slice(0, 200), slice(200, None)
    plain = writer_of_names(tokens).fit(X[train], y[train])
    assert (plain.predict(X[test]) == y[test]).mean() < 0.1
    copying = writer_of_names(tokens, copy_from="note").fit(X[train], y[train])
    assert (copying.predict(X[test]) == y[test]).mean() > 0.9
    texts, scores = copying.set_params(search=BeamSearch(3)).generate(X[test])
    np.testing.assert_allclose(copying.score_text(X[test], texts[:, 0]), scores[:, 0], atol=1e-3)
    np.testing.assert_array_equal(copying.set_params(batch_size=7).predict(X[test]), texts[:, 0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(copying)).predict(X[test]), texts[:, 0])


def test_frozen_texts_are_copied_from_too(names, tmp_path):
    X, y, tokens = names
    embedding = torch.nn.Embedding(tokens.fit(X["note"]).spec_.vocab_size, 32, padding_idx=0)
    text = TextInput("note", transformer=tokens, encoder=ModuleEncoder(embedding))
    frozen = writer_of_names(tokens, text=text, copy_from="note", memory=tmp_path).fit(X[:200], y[:200])
    assert (frozen.predict(X[200:]) == y[200:]).mean() > 0.9


def test_an_embedding_is_shared(names):
    X, y, tokens = names
    shared = writer_of_names(tokens, share_embeddings="note", copy_from="note").fit(X[:200], y[:200])
    encoder, top = shared.net_.module_.encoders["note"], shared.net_.module_.top
    assert top.decoder.embedding.shared is encoder.embedding
    assert top.decoder.embedding.more.shape == (2, 32)  # for the start and the end of texts
    assert (shared.predict(X[200:]) == y[200:]).mean() > 0.9
    copied = pickle.loads(pickle.dumps(shared)).net_.module_
    assert copied.top.decoder.embedding.shared is copied.encoders["note"].embedding
    more = shared.set_params(warm_start=True, max_epochs=1).fit(X[:200], y[:200]).net_.module_
    assert more.top.decoder.embedding.shared is more.encoders["note"].embedding


def test_what_cannot_be_copied_or_shared(names):
    X, y, tokens = names
    with pytest.raises(ValueError, match=r"copy_from='title'\) names no column .*; these are \['note'\]"):
        writer_of_names(tokens, copy_from="title").fit(X, y)
    with pytest.raises(ValueError, match=r"only copy what is cut into tokens as the texts .* are by tokenizer='char'"):
        writer_of_names(tokens, copy_from="note", target_transformer=TextTransformer("char")).fit(X, y)
    with pytest.raises(ValueError, match=r"needs one vocabulary .*; got two"):
        writer_of_names(TextTransformer("word"), share_embeddings="note").fit(X, y)
    with pytest.raises(ValueError, match="cannot share the embedding of an encoder that is 64 wide"):
        writer_of_names(tokens, SelfAttentionEncoder(width=64), share_embeddings="note").fit(X, y)
    with pytest.raises(ValueError, match="needs an encoder with an embedding that is trained"):
        writer_of_names(tokens, ModuleEncoder(torch.nn.Embedding(1000, 32)), share_embeddings="note").fit(X, y)
    blocks = ModalityTransformer(text=TextInput("note", transformer=tokens)).fit_transform(X)
    with pytest.raises(ValueError, match="needs to know what words ids stand for"):
        generator(text="auto", copy_from="note").fit(blocks, y)


def test_rows_that_are_written_are_counted_on_a_screen(fitted, rows, monkeypatch, capsys):
    X, _ = rows
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = copy.copy(fitted).set_params(verbose=1, batch_size=20)
    capsys.readouterr()
    shown.predict(X)
    assert "| 0/60 " in capsys.readouterr().err
    shown.set_params(verbose=0).predict(X)
    assert capsys.readouterr().err == ""


def test_it_does_not_offer_to_transform(fitted):
    for method in ("transform", "fit_transform", "get_feature_names_out", "set_output"):
        assert not hasattr(fitted, method)
        assert hasattr(MultimodalClassifier(), method)


def test_weights_are_averaged_over_steps(rows):
    X, y = rows
    scheduled = generator(lr_schedule="inverse_sqrt")
    assert (clone(scheduled).fit(X, y).predict(X) == y).mean() > 0.9
    scheduled.set_params(max_epochs=3)
    averaged, last = (clone(scheduled).set_params(weight_averaging=way).fit(X, y) for way in ("auto", None))
    assert not np.allclose(averaged.score_text(X, y), last.score_text(X, y))
