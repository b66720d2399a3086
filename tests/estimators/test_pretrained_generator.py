"""An encoder-decoder of transformers stands in for the whole generator, and writes what it writes there."""

import json
import pickle
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_mm import MultimodalGenerator, TabularInput, TextInput
from sklearn_mm.decoders import BeamSearch, PretrainedDecoder
from sklearn_mm.decoders._writer import Limits, Writer
from sklearn_mm.encoders import PretrainedEncoder, SelfAttentionEncoder
from sklearn_mm.preprocessing import TextTransformer

transformers = pytest.importorskip("transformers")

KINDS = {"t5": "text", "marian": "text", "vision_encoder_decoder": "image", "blip": "image", "speech": "audio"}
OF_TEXTS = ["t5", "marian"]
N_TOKENS = 12
TITLES = ["a cat", "the old black dog", "two birds", "snow falls at night", "42 red apples!", "a green bicycle"]
TEXTS = ["a dog", "the warm roof", "snow", "rainy yard", "apples", "a small cat"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in TITLES]
    calls = [(rng.integers(-9999, 9999, 16_000 - 2000 * n, dtype=np.int16), 16_000) for n in range(len(TITLES))]
    return {
        "text": pd.DataFrame({"title": TITLES}),
        "image": pd.DataFrame({"photo": photos}),
        "audio": pd.DataFrame({"call": pd.Series(calls, dtype=object)}),
    }


def rows_of(name, rows):
    return rows[KINDS[name]]


@pytest.fixture(scope="module")
def fitted(tiny_model, rows):
    """Return a generator that was fitted with a tiny model, by its name."""
    made = {}

    def fit(name):
        if name not in made:
            made[name] = generator(tiny_model(name)).fit(rows_of(name, rows), TEXTS)
        return made[name]

    return fit


def generator(model, *, max_new_tokens=N_TOKENS, search="greedy", random_state=0, **parameters):
    settings = {"max_new_tokens": max_new_tokens, "search": search, "random_state": random_state}
    names = ("trainable", "weights", "prompt", "lr")
    of_decoder = {name: parameters.pop(name) for name in names if name in parameters}
    return MultimodalGenerator(decoder=PretrainedDecoder(model, **of_decoder), **settings, **parameters)


def theirs(folder):
    """Return the model of transformers."""
    name = json.loads((folder / "config.json").read_text())["architectures"][0]
    return getattr(transformers, name).from_pretrained(folder).eval()


def inputs_of(name, folder, X):
    """Return what transformers calls the model with."""
    if name in OF_TEXTS:
        tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
        encoded = tokenizer(X["title"].tolist(), padding=True, return_tensors="pt")
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}
    if name == "speech":
        extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder)
        waves = [samples / np.float32(32768) for samples, _ in X["call"]]
        return {"input_features": extractor(waves, sampling_rate=16_000, return_tensors="pt").input_features}
    told = json.loads((folder / "preprocessor_config.json").read_text())
    pixels = torch.from_numpy(np.stack(X["photo"])).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(told[key]).view(1, 3, 1, 1) for key in ("image_mean", "image_std"))
    return {"pixel_values": (pixels - mean) / std}


def decoder_of(generator):
    return generator.net_.module_.top.decoder


def written_by(generator, X, search, caches=True):
    """Return the model's own ids of texts, -1 after the end, and their scores."""
    decoder, target = decoder_of(generator), generator._target
    limits = Limits(target.start_id, target.end_id, N_TOKENS, 0, decoder.never, decoder.never_first)

    def write(network, batch):
        memory = network.top.decoder.remember(*network.encoders.encode(batch))
        ids, scores = search.write(Writer(network.top.decoder, memory, caches), limits, None)
        return torch.where(ids > 0, decoder.written[ids], -1), scores

    return generator._map(X, write)


@pytest.mark.parametrize("name", KINDS)
def test_logits_are_those_of_transformers(name, fitted, tiny_model, rows):
    X, model = rows_of(name, rows), theirs(tiny_model(name))
    decoder, target = decoder_of(fitted(name)), fitted(name)._target
    ids = torch.tensor([[target.start_id, 7, 12, 9, 30, 8]])

    def scores(network, batch):
        memory = decoder.remember(*network.encoders.encode(batch))
        vectors, _ = decoder(ids.expand(len(TITLES), -1), memory)
        return decoder.scores(vectors).log_softmax(-1)

    ours = torch.from_numpy(fitted(name)._map(X, scores))
    arguments = inputs_of(name, tiny_model(name), X)
    with torch.no_grad():
        if name == "blip":
            seen = model.vision_model(**arguments).last_hidden_state
            logits = model.text_decoder(decoder.read[ids].expand(6, -1), encoder_hidden_states=seen).logits
        else:
            logits = model(**arguments, decoder_input_ids=decoder.read[ids].expand(6, -1)).logits
    wanted = logits.log_softmax(-1)[..., decoder.written]
    assert decoder.is_written.sum() > 40
    torch.testing.assert_close(ours[..., decoder.is_written], wanted[..., decoder.is_written], atol=1e-4, rtol=0)
    assert ours[..., ~decoder.is_written].max() < -40


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("name", KINDS)
def test_texts_are_those_of_generate(name, width, fitted, tiny_model, rows):
    X, model = rows_of(name, rows), theirs(tiny_model(name))
    settings = {} if width == 1 else {"num_return_sequences": width, "length_penalty": 1.0, "early_stopping": True}
    # Whisper's own way cuts sounds into windows, and BLIP's begins texts otherwise.
    generate = model.generate if name == "blip" else partial(transformers.GenerationMixin.generate, model)
    ids = generate(
        **inputs_of(name, tiny_model(name), X),
        max_new_tokens=N_TOKENS,
        do_sample=False,
        num_beams=width,
        forced_eos_token_id=None,
        **settings,
    )[:, 1:]
    search = BeamSearch(width)
    ours, _ = written_by(fitted(name), X, search)
    end = model.config.text_config.sep_token_id if name == "blip" else model.generation_config.eos_token_id
    for text, reference in zip(ours.reshape(-1, N_TOKENS).tolist(), ids.tolist(), strict=True):
        ended = reference[: reference.index(end)] if end in reference else reference
        assert [token for token in text if token >= 0] == ended
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(tiny_model(name))
    told = tokenizer.batch_decode(ids[::width], skip_special_tokens=True)
    fitted(name).set_params(search=search)
    assert [text.strip() for text in fitted(name).predict(X)] == [text.strip() for text in told]
    assert len(set(told)) > 1, told


@pytest.mark.parametrize("name", KINDS)
def test_caches_batches_and_order_do_not_matter(name, fitted, rows):
    X, estimator = rows_of(name, rows), fitted(name)
    for search in (BeamSearch(1), BeamSearch(3)):
        ids, scores = written_by(estimator, X, search)
        without_ids, without = written_by(estimator, X, search, caches=False)
        np.testing.assert_array_equal(without_ids, ids)
        np.testing.assert_allclose(without, scores, atol=1e-3)
    estimator.set_params(search=BeamSearch(3))
    texts, scores = estimator.generate(X, 3)
    other = pickle.loads(pickle.dumps(estimator))
    for size in (1, 4):
        other.net_.batch_size = size
        np.testing.assert_array_equal(other.generate(X[::-1], 3)[0], texts[::-1])
    np.testing.assert_allclose(other.generate(X, 3)[1], scores, atol=1e-3)
    np.testing.assert_allclose(other.score_text(X, TEXTS), estimator.score_text(X, TEXTS), atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_texts_are_scored_as_by_transformers(name, fitted, tiny_model, rows):
    X, model = rows_of(name, rows), theirs(tiny_model(name))
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(tiny_model(name))
    arguments = inputs_of(name, tiny_model(name), X)
    start = decoder_of(fitted(name)).read[-1:].tolist()
    end = decoder_of(fitted(name)).read[-2:-1].tolist()
    scores = fitted(name).score_text(X, TEXTS)
    for row, text in enumerate(TEXTS):
        ids = tokenizer(text, add_special_tokens=False).input_ids + end
        of_row = {key: value[row : row + 1] for key, value in arguments.items()}
        before = torch.tensor([start + ids[:-1]])
        with torch.no_grad():
            if name == "blip":
                seen = model.vision_model(**of_row).last_hidden_state
                logits = model.text_decoder(before, encoder_hidden_states=seen).logits
            else:
                logits = model(**of_row, decoder_input_ids=before).logits
        wanted = logits[0].log_softmax(-1).gather(1, torch.tensor(ids).unsqueeze(1)).sum()
        assert scores[row] == pytest.approx(float(wanted), abs=1e-3)


def test_many_rows_are_held_out_for_nothing(tiny_model, rows):
    X = pd.concat([rows_of("t5", rows)] * 40, ignore_index=True)
    estimator = generator(tiny_model("t5"), text="title", max_epochs=3).fit(X, TEXTS * 40)
    assert (estimator.n_epochs_, estimator.best_epoch_) == (0, 0)
    assert estimator.partial_fit(X, TEXTS * 40).n_epochs_ == 0
    assert estimator.predict(X).shape == (240,)


def test_nothing_is_trained_where_nothing_can_be(fitted, tiny_model):
    estimator = fitted("t5")
    assert estimator.n_epochs_ == 0
    before, after = theirs(tiny_model("t5")).state_dict(), decoder_of(estimator).network.layers.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in after)
    assert set(before) - set(after) == {name for name in before if name.startswith("encoder.")}


@pytest.mark.parametrize("name", ["t5", "vision_encoder_decoder"])
def test_adapters_alone_are_trained(name, tiny_model, rows):
    pytest.importorskip("peft")
    X = rows_of(name, rows)
    before = generator(tiny_model(name)).fit(X, TEXTS)
    estimator = generator(tiny_model(name), trainable="lora", max_epochs=40, lr=1e-2, label_smoothing=0.0).fit(X, TEXTS)
    assert estimator.history_[-1]["train_loss"] < 0.8 * estimator.history_[0]["train_loss"]
    assert estimator.score_text(X, TEXTS).mean() > before.score_text(X, TEXTS).mean() + 1
    trained = dict(decoder_of(estimator).network.named_parameters())
    wanted = {name for name, weight in trained.items() if weight.requires_grad}
    assert wanted
    assert all("lora_" in name for name in wanted)
    frozen = decoder_of(before).network.state_dict()
    for name, weight in trained.items():
        if "lora_" not in name:
            assert torch.equal(weight, frozen[name.replace(".base_layer", "")]), name
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict(X), estimator.predict(X))


def test_all_is_trained(tiny_model, rows):
    X = rows_of("t5", rows)
    estimator = generator(tiny_model("t5"), trainable="all", max_epochs=60, lr=3e-2, label_smoothing=0.0).fit(X, TEXTS)
    assert estimator.history_[-1]["train_loss"] < 0.6 * estimator.history_[0]["train_loss"]
    before = theirs(tiny_model("t5"))
    network = estimator.net_.module_
    for layers, of_before in (
        (network.top.decoder.network.layers.decoder, before.decoder),
        (network.encoders["title"].whole.layers, before.encoder),
    ):
        assert not any(map(torch.equal, layers.parameters(), of_before.parameters()))


def test_other_blocks_join(tiny_model, rows):
    X = rows_of("t5", rows).assign(amount=np.arange(6.0), note=["x", "y", None, "x", "y", "z"])
    note = TextInput("note", transformer=TextTransformer("word"), encoder=SelfAttentionEncoder(width=8))
    inputs = [("title", TextInput("title")), ("note", note), ("table", TabularInput("amount"))]
    estimator = generator(tiny_model("t5"), inputs=inputs, max_epochs=2).fit(X, TEXTS)
    decoder = decoder_of(estimator)
    assert decoder._own_blocks == ["title"]
    assert len(decoder.projections) == 2
    assert estimator.n_epochs_ == 2
    first = estimator.score_text(X, TEXTS)
    assert np.abs(first - estimator.score_text(X.assign(amount=9.0), TEXTS)).max() > 1e-4
    assert np.abs(first - estimator.score_text(X.assign(note="z"), TEXTS)).max() > 1e-4
    np.testing.assert_allclose(estimator.score_text(X[2:3], TEXTS[2:3]), first[2:3], atol=1e-4)


def test_rows_may_lack_their_blocks(fitted, rows):
    for name in KINDS:
        X = rows_of(name, rows).astype(object)
        emptied = X.copy()
        emptied.iloc[2, 0] = None
        texts = fitted(name).predict(emptied)
        assert isinstance(texts[2], str)
        others = np.delete(np.arange(6), 2)
        np.testing.assert_array_equal(texts[others], fitted(name).predict(X)[others])
        np.testing.assert_array_equal(fitted(name).predict(emptied[2:3]), texts[2:3])


def test_weights_are_once_in_a_pickle(fitted, tiny_model, rows):
    n_weights = sum(weight.numel() for weight in theirs(tiny_model("t5")).parameters())
    n_bytes = len(pickle.dumps(fitted("t5").net_.module_))
    assert n_bytes < 4 * n_weights + 60_000  # of which most are modules without their weights
    X = rows_of("t5", rows)
    referring = generator(tiny_model("t5"), weights="reference").fit(X, TEXTS)
    assert len(pickle.dumps(referring.net_.module_)) < n_bytes - 2 * n_weights
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(referring)).predict(X), referring.predict(X))


def test_a_reference_says_what_is_missing(tiny_model, rows, tmp_path):
    folder = shutil.copytree(tiny_model("t5"), tmp_path / "moved")
    estimator = generator(folder, weights="reference").fit(rows_of("t5", rows), TEXTS)
    pickled = pickle.dumps(estimator)
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match=r'pickled with weights="reference".*moved'):
        pickle.loads(pickled).predict(rows_of("t5", rows))


def test_loaded_models(tiny_model, rows):
    X = rows_of("t5", rows)
    model = theirs(tiny_model("t5"))
    estimator = generator(model).fit(X, TEXTS)
    np.testing.assert_array_equal(estimator.predict(X), generator(tiny_model("t5")).fit(X, TEXTS).predict(X))
    with torch.no_grad():
        model.lm_head.weight.zero_()
    assert decoder_of(estimator).network.layers.lm_head.weight.abs().max() > 0


def test_encoders_may_be_named(tiny_model, rows):
    X = rows_of("t5", rows)
    named = generator(tiny_model("t5"), pretrained=PretrainedEncoder(tiny_model("t5")), trainable="lora", max_epochs=1)
    decoder = decoder_of(named.fit(X, TEXTS))
    assert decoder._own_blocks == ["title"]
    assert named.net_.module_.encoders["title"].frozen
    other = generator(tiny_model("t5"), pretrained=PretrainedEncoder(tiny_model("marian")), max_epochs=1)
    with pytest.warns(UserWarning, match=r"none of the blocks \['title'\] is read by the encoder of .*t5'"):
        other.fit(X, TEXTS)
    assert decoder_of(other)._own_blocks == []


def test_frozen_tokens_are_found_again(tiny_model, rows, tmp_path):
    X = rows_of("t5", rows)
    estimator = generator(tiny_model("t5"), memory=tmp_path / "store").fit(X, TEXTS)
    np.testing.assert_array_equal(estimator.predict(X), generator(tiny_model("t5")).fit(X, TEXTS).predict(X))
    assert any((tmp_path / "store").rglob("*"))


def test_what_cannot_write_is_told(tiny_model, rows, tmp_path):
    X = rows_of("t5", rows)
    for name in ("bert", "t5_encoder", "vit"):
        with pytest.raises(ValueError, match=r"does not write texts.*takes encoder-decoders such as T5"):
            generator(tiny_model(name)).fit(X, TEXTS)
    with pytest.raises(ValueError, match=r"PretrainedDecoder\(BertModel\): it does not write texts"):
        generator(transformers.BertModel.from_pretrained(tiny_model("bert"))).fit(X, TEXTS)
    with pytest.raises(ValueError, match=r"PretrainedDecoder writes with <BPE tokenizer.*Leave it 'auto'"):
        generator(tiny_model("t5"), target_transformer=TextTransformer("byte_bpe")).fit(X, TEXTS)
    with pytest.raises(ValueError, match="max_new_tokens=24 at most"):
        generator(tiny_model("marian"), max_new_tokens=40).fit(X, TEXTS).predict(X)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        generator(tmp_path / "nowhere").fit(X, TEXTS)
