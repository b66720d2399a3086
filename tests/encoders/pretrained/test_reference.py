"""What a `PretrainedEncoder` says of a row is what transformers and sentence-transformers say with the same weights."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.encoders.pretrained._spectra import make_spectra
from sklearn_mm.inputs import Input
from sklearn_mm.preprocessing import BlockSpec, BlockTransformer

transformers = pytest.importorskip("transformers")

TEXTS = ["a small quiet cat", "birds", "the old black dog runs in the rainy yard", "naïve café, 42 red apples!"]
N_SAMPLES = 16_000


class AudioTransformer(BlockTransformer):
    """Cut or pad waves to the same number of samples; they have the right rate."""

    def __init__(self, rate=16_000, seconds=1.0):
        self.rate = rate
        self.seconds = seconds

    def fit_read(self, X, y=None):
        self.spec_ = BlockSpec(kind="audio", shape=(int(self.rate * self.seconds),))
        return self.read(X)

    def read(self, X):
        waves = list(X)
        samples = np.zeros((len(waves), *self.spec_.shape), dtype=np.float32)
        for row, cell in enumerate(waves):
            if cell is not None:
                samples[row, : len(cell)] = cell[: samples.shape[1]]
        return samples, np.array([cell is not None for cell in waves])


class AudioInput(Input):
    kind = "audio"
    default_transformer = AudioTransformer
    example_spec = BlockSpec(kind="audio", shape=(16_000,))

    def __init__(self, columns="auto", transformer="auto", encoder="auto"):
        self.columns = columns
        self.transformer = transformer
        self.encoder = encoder


INPUTS = {"text": TextInput, "image": ImageInput, "audio": AudioInput}


def encode(folder, kind, cells, batch=None, **settings):
    """Return the built encoder of a column, and the vectors, tokens and mask of its cells."""
    input_ = INPUTS[kind]("cell", encoder=PretrainedEncoder(folder, **settings))
    blocks = ModalityTransformer(inputs=[("block", input_)]).fit_transform(pd.DataFrame({"cell": list(cells)}))
    encoder = PretrainedEncoder(folder, **settings).for_kind(kind).build(blocks.specs["cell"]).eval()
    size = batch or len(cells)
    with torch.no_grad():
        parts = [
            encoder(encoder.prepare(torch.from_numpy(blocks["cell"][start : start + size])))
            for start in range(0, len(cells), size)
        ]
    assert encoder.out_features == parts[0].pooled.shape[1]
    return encoder, parts if batch else parts[0]


def auto(name, folder):
    return getattr(transformers, name).from_pretrained(folder, local_files_only=True)


def assert_close(actual, expected):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def pictures():
    """Pictures of exactly the models' size."""
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def waves():
    """Waves of a second: tones with noise, of which one ends early."""
    rng, time = np.random.default_rng(0), np.arange(N_SAMPLES) / N_SAMPLES
    waves = [np.sin(2 * np.pi * pitch * time) + rng.normal(0, 0.1, N_SAMPLES) for pitch in (220, 440, 880)]
    waves[2][9000:] = 0
    return np.stack(waves).astype(np.float32)


def tokens_of(name, folder):
    """Return what transformers makes of the texts: the last layer's vectors, and which tokens are there."""
    ids = auto("AutoTokenizer", folder)(TEXTS, padding=True, truncation=True, return_tensors="pt")
    model = auto("T5EncoderModel" if name == "t5_encoder" else "AutoModel", folder).eval()
    with torch.no_grad():
        hidden = model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"]).last_hidden_state
    return hidden, ids["attention_mask"].bool()


@pytest.mark.filterwarnings("ignore:TextTransformer cut 1 of 4 texts")
@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "t5_encoder"])
def test_texts_are_the_mean_of_their_tokens(name, tiny_model):
    hidden, mask = tokens_of(name, tiny_model(name))
    mean = (hidden * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
    _, features = encode(tiny_model(name), "text", TEXTS)
    assert torch.equal(features.mask, mask)
    assert_close(features.tokens[mask], hidden[mask])
    assert_close(features.pooled, mean)
    _, single = encode(tiny_model(name), "text", TEXTS, batch=1)
    assert_close(torch.cat([part.pooled for part in single]), mean)
    _, first = encode(tiny_model(name), "text", TEXTS, pooling="first")
    assert_close(first.pooled, hidden[:, 0])


def test_sentences_are_as_sentence_transformers_encodes_them(tiny_model):
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(str(tiny_model("sentence_bert")), local_files_only=True)
    _, features = encode(tiny_model("sentence_bert"), "text", TEXTS)
    assert_close(features.pooled, model.encode(TEXTS))


def test_sentences_of_real_weights(minilm_folder):
    library = pytest.importorskip("sentence_transformers")
    texts = [*TEXTS, "An emoji 😀 — and a long sentence, which has so many words that others are padded to its length."]
    expected = library.SentenceTransformer(str(minilm_folder), local_files_only=True).encode(texts)
    _, features = encode(minilm_folder, "text", texts)
    assert_close(features.pooled, expected)


@pytest.mark.parametrize("name", ["vit", "dinov2", "convnext"])
def test_pictures(name, tiny_model, pictures):
    model = auto("AutoModel", tiny_model(name)).eval()
    reading = auto("AutoImageProcessor", tiny_model(name))
    same = np.stack([pictures[0]] * 2)  # only to see that nothing is scaled where sides are right already
    assert reading(list(same), return_tensors="np")["pixel_values"].shape == (2, 3, 32, 32)
    encoder, features = encode(tiny_model(name), "image", pictures)
    pixels = reading(list(pictures), return_tensors="pt")["pixel_values"]
    if name == "vit":
        assert_close(encoder.whole.arguments(encoder.prepare(torch.from_numpy(pictures)))[0]["pixel_values"], pixels)
    with torch.no_grad():
        output = model(pixels)
    tokens = output.last_hidden_state
    if name == "convnext":
        tokens = tokens.flatten(2).transpose(1, 2)
    assert_close(features.tokens, tokens)
    assert_close(features.pooled, tokens[:, 0] if name == "vit" else output.pooler_output)


@pytest.mark.filterwarnings("ignore:TextTransformer cut 1 of 4 texts")
@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_both_towers_of_dual_encoders(name, tiny_model, pictures):
    model = auto("AutoModel", tiny_model(name)).eval()
    pixels = auto("AutoImageProcessor", tiny_model(name))(list(pictures), return_tensors="pt")["pixel_values"]
    padding = {"padding": "max_length", "max_length": 24} if name == "siglip" else {"padding": True}
    ids = auto("AutoTokenizer", tiny_model(name))(TEXTS, return_tensors="pt", truncation=True, **padding)
    arguments = {"input_ids": ids["input_ids"]}
    if name == "clip":
        arguments["attention_mask"] = ids["attention_mask"]
    with torch.no_grad():
        of_pictures = model.get_image_features(pixels).pooler_output
        of_texts = model.get_text_features(**arguments).pooler_output
    assert_close(encode(tiny_model(name), "image", pictures)[1].pooled, of_pictures)
    assert_close(encode(tiny_model(name), "text", TEXTS)[1].pooled, of_texts)
    single = encode(tiny_model(name), "text", TEXTS, batch=1)[1]
    assert_close(torch.cat([part.pooled for part in single]), of_texts)


@pytest.mark.parametrize("layers", [1, 2, [0, 1, 3], -1], ids=str)
def test_layers_are_those_of_hidden_states(layers, tiny_model):
    ids = auto("AutoTokenizer", tiny_model("bert"))(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        states = auto("AutoModel", tiny_model("bert")).eval()(**ids, output_hidden_states=True).hidden_states
    mask = ids["attention_mask"].bool()
    expected = torch.stack([states[layer] for layer in np.atleast_1d(layers)]).mean(0)
    _, features = encode(tiny_model("bert"), "text", TEXTS, layers=layers)
    assert_close(features.tokens[mask], expected[mask])


@pytest.mark.parametrize("trainable", ["last", "lora", "all"])
@pytest.mark.parametrize(("name", "kind"), [("bert", "text"), ("sentence_bert", "text"), ("vit", "image")])
def test_before_training_all_ways_say_the_same(name, kind, trainable, tiny_model, pictures):
    if trainable == "lora":
        pytest.importorskip("peft")
    cells = TEXTS if kind == "text" else pictures
    _, frozen = encode(tiny_model(name), kind, cells)
    _, tuned = encode(tiny_model(name), kind, cells, trainable=trainable, n_layers=1)
    assert_close(tuned.pooled, frozen.pooled)
    assert_close(tuned.tokens[frozen.mask], frozen.tokens[frozen.mask])


def test_spectra_are_those_of_whisper(tiny_model, waves):
    extractor = auto("AutoFeatureExtractor", tiny_model("whisper"))
    spectra = make_spectra(extractor.to_dict())
    loud = waves * 30_000
    for some in (waves, waves[:, :7000], loud, np.zeros_like(waves)):
        expected = extractor(list(some), sampling_rate=16_000, return_tensors="pt")["input_features"]
        assert_close(spectra(torch.from_numpy(some)), expected)


def test_real_spectra(whisper_folder, waves):
    extractor = auto("AutoFeatureExtractor", whisper_folder)
    expected = extractor(list(waves[:1]), sampling_rate=16_000, return_tensors="pt")["input_features"]
    assert expected.shape == (1, 80, 3000)
    assert_close(make_spectra(extractor.to_dict())(torch.from_numpy(waves[:1])), expected)


def test_speech_is_as_whisper_hears_it(tiny_model, waves):
    inputs = auto("AutoFeatureExtractor", tiny_model("whisper"))(list(waves), sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        expected = auto("WhisperModel", tiny_model("whisper")).eval().encoder(inputs["input_features"])
    _, features = encode(tiny_model("whisper"), "audio", waves)
    tokens = expected.last_hidden_state
    assert_close(features.tokens, tokens)
    assert features.mask.sum(1).tolist() == [50, 50, 29]  # of 320 samples each, of which the last wave has 9,000
    assert_close(features.pooled, torch.stack([tokens[0].mean(0), tokens[1].mean(0), tokens[2, :29].mean(0)]))


@pytest.mark.parametrize("settings", [{"trainable": "last", "n_layers": 1}, {"pooling": "attention"}], ids=str)
@pytest.mark.parametrize("name", ["whisper", "wav2vec2"])
def test_what_is_trained_above_knows_where_sound_ends(name, settings, tiny_model, waves):
    _, frozen = encode(tiny_model(name), "audio", waves)
    encoder, features = encode(tiny_model(name), "audio", waves, **settings)
    assert encoder.partly_frozen
    assert torch.equal(features.mask, frozen.mask)
    assert_close(features.tokens, frozen.tokens)


def test_silence_that_fills_up_counts_nothing(tiny_model, waves):
    short = waves[:, :8000]
    _, features = encode(tiny_model("whisper"), "audio", short)
    assert features.mask.sum(1).tolist() == [25] * 3
    assert_close(features.pooled, features.tokens[:, :25].mean(1))
    _, silent = encode(tiny_model("whisper"), "audio", np.zeros_like(waves))
    assert silent.mask.all()


def test_speech_is_as_wav2vec2_hears_it(tiny_model, waves):
    extractor = auto("AutoFeatureExtractor", tiny_model("wav2vec2"))
    inputs = extractor(list(waves), sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        expected = auto("AutoModel", tiny_model("wav2vec2")).eval()(inputs["input_values"]).last_hidden_state
    _, features = encode(tiny_model("wav2vec2"), "audio", waves)
    assert_close(features.tokens, expected)
    assert features.mask[:2].all()
    assert 54 <= features.mask[2].sum() <= 58  # 9,000 of 16,000 samples, of 99 tokens
    assert_close(features.pooled[:2], expected[:2].mean(1))
    assert_close(features.pooled[2], expected[2][features.mask[2]].mean(0))


@pytest.fixture(scope="module")
def clips():
    """Rows of low and high tones, some missing."""
    rng, time = np.random.default_rng(0), np.arange(N_SAMPLES) / N_SAMPLES
    high = rng.integers(2, size=24)
    pitches = np.where(high, 2000, 200) * rng.uniform(0.9, 1.1, 24)
    waves = [np.sin(2 * np.pi * pitch * time).astype(np.float32) for pitch in pitches]
    waves[5] = None
    return pd.DataFrame({"clip": pd.Series(waves, dtype=object)}), np.where(high, "high", "low")


def test_sound_as_a_modality_of_ones_own(tiny_model, clips):
    X, y = clips
    encoder = PretrainedEncoder(tiny_model("whisper"))
    clf = MultimodalClassifier(
        inputs=[("sound", AudioInput("clip", encoder=encoder))], wide=None, max_epochs=3, random_state=0
    )
    clf.fit(X, y)
    assert clf.transformer_.transformers_["clip"].rate == 16_000
    assert clf.encode(X)["clip"].shape == (24, 16)
    grid = {"sound__encoder__layers": [-1, [1, 2]], "sound__encoder__pooling": ["own", "max"]}
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    loaded = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(loaded.predict_proba(X), search.best_estimator_.predict_proba(X))


@pytest.mark.slow
def test_real_whisper_embeds_and_is_searched_over(whisper_folder, clips):
    X, y = clips[0][1:5], clips[1][1:5]
    encoder = PretrainedEncoder(whisper_folder, layers=[2, 3])
    clf = MultimodalClassifier(
        inputs=[("sound", AudioInput("clip", encoder=encoder))], wide=None, max_epochs=1, random_state=0
    )
    reader = ModalityTransformer(inputs=clf.inputs)
    blocks = reader.fit_transform(X)
    search = GridSearchCV(clf, {"fusion": ["concat", "sum"]}, cv=2, error_score="raise").fit(blocks, y)
    assert search.best_estimator_.encode(blocks)["clip"].shape == (4, 384)
