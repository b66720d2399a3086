"""Texts to token ids: what each parameter does, in every script, and what hostile cells do."""

import copy
import os
import pickle
import subprocess
import sys
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from tokenizers import Tokenizer, models, pre_tokenizers

from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import TextTransformer

pl = pytest.importorskip("polars")

TRAINED = ["word", "bpe", "wordpiece", "unigram", "char", "ngram"]
TEXTS = [
    "The cat sat on the mat.",
    "Über naïve café!",
    "it's 5 o'clock — don't panic",
    "我爱北京天安门",
    "東京タワーはきれい",
    "สวัสดี ครับ",
    "हिन्दी में",
    "👨‍👩‍👧 and 🇫🇷!",
    "nan [PAD] [UNK]",
]


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def tokens(texts, **params):
    """The tokens of each text as the fitted vocabulary names them."""
    transformer = TextTransformer(**params).fit(texts)
    names = {i: token for token, i in transformer.vocabulary_.items()}
    return [[names[i] for i in row if i] for row in transformer.transform(texts)]


def word_level(vocabulary, unknown="<unk>"):
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


# what a token is


def test_words():
    assert tokens(["The cat_1, the DOG?  don't"]) == [["the", "cat_1", ",", "the", "dog", "?", "don", "'", "t"]]


def test_signs_of_scripts_without_spaces_are_words():
    assert tokens(["我爱tea", "タワーは"]) == [["我", "爱", "tea"], ["タワー", "は"]]


def test_a_sequence_of_code_points_that_is_one_sign_is_one_word():
    assert tokens(["👨‍👩‍👧🇫🇷"]) == [["👨‍👩‍👧", "🇫🇷"]]


def test_characters():
    assert tokens(["ab a"], tokenizer="char") == [["a", "b", " ", "a"]]


def test_subwords_spell_unseen_words():
    texts = ["walk walks walked walking talk talks talked talking"] * 3
    for kind in ("bpe", "wordpiece", "unigram"):
        transformer = TextTransformer(kind, vocab_size=30, max_length=30).fit(texts)
        ids = transformer.transform(["talked walks", "walkalk"])
        assert not (ids == 1).any(), kind
        assert transformer.inverse_transform(ids).tolist() == ["talked walks", "walkalk"]
        assert 1 in transformer.transform(["zq"])


def test_subwords_merge_what_is_frequent():
    texts = ["walk walks walked walking talk talks talked talking"] * 3
    for kind in ("bpe", "wordpiece", "unigram"):
        vocabulary = TextTransformer(kind, vocab_size=30).fit(texts).vocabulary_
        assert {"walk", "talk"} <= {token.lstrip("▁") for token in vocabulary}, kind


def test_ngrams():
    params = {"tokenizer": "ngram", "char_ngram_range": (3, 3), "word_ngram_range": (1, 2)}
    assert tokens(["where is"], **params) == [
        ["<where>", "<is>", "<where is>", "<wh", "whe", "her", "ere", "re>", "<is", "is>"]
    ]


def test_unseen_ngrams_are_dropped():
    transformer = TextTransformer("ngram", char_ngram_range=(3, 3), word_ngram_range=None).fit(["where"])
    names = {i: token for token, i in transformer.vocabulary_.items()}
    assert [names[i] for i in transformer.transform(["there"])[0] if i] == ["her", "ere", "re>"]
    assert transformer.transform(["xyz"]).tolist() == [[1, 0, 0, 0, 0]]


def test_callable():
    assert tokens(["b a", "a-b a"], tokenizer=str.split) == [["b", "a"], ["a-b", "a"]]
    assert tokens(["Ab c"], tokenizer=list, lowercase=False) == [["A", "b", "c"]]


class Cutter:
    def __init__(self):
        self.lock = threading.RLock()

    def cut(self, text):
        return text.split("-")


cut = Cutter().cut  # as jieba offers its lcut


@pytest.mark.parametrize("roundtrip", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_method_that_a_module_offers_as_a_function_is_copied_by_name(roundtrip):
    transformer = TextTransformer(cut).fit(["a-b", "b-c"])
    twin = roundtrip(transformer)
    assert twin.tokenizer is clone(transformer).tokenizer is cut
    assert twin.transform(["c-a"]).tolist() == copy.copy(transformer).transform(["c-a"]).tolist() == [[4, 3]]
    assert copy.copy(transformer).fit(["a-b"]).vocabulary_.keys() == {"[PAD]", "[UNK]", "a", "b"}


@pytest.mark.parametrize(
    ("result", "got"),
    [
        (3, "an object of type int"),
        ("a b", "an object of type str"),
        ({"input_ids": [1]}, "an object of type dict"),
        (None, "an object of type NoneType"),
        (["a", 1], "a list with an element of type int"),
    ],
)
def test_callable_that_gives_something_else(result, got):
    with pytest.raises(TypeError, match=f"returned {got} for 'a b'"):
        TextTransformer(lambda text: result).fit(["a b"])


def test_tokenizer_object_is_left_as_it_was():
    tokenizer = word_level({"<unk>": 7, "a": 1, "b": 4})
    tokenizer.enable_truncation(1)
    tokenizer.enable_padding(length=9)
    before = tokenizer.to_str()
    transformer = TextTransformer(tokenizer).fit(["a b c A"])
    assert transformer.transform(["a b c A", "b"]).tolist() == [[2, 3, 1, 2], [3, 0, 0, 0]]
    assert transformer.vocabulary_ == {"<unk>": 1, "a": 2, "b": 3}
    assert transformer.inverse_transform([[2, 3, 1]]).tolist() == ["a b <unk>"]
    assert (transformer.spec_.vocab_size, transformer.spec_.tokenizer) == (4, "custom")
    assert tokenizer.to_str() == before


def test_tokenizer_file(tmp_path):
    tokenizer = word_level({"<unk>": 0, "Cat": 1, "cat": 2})
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for path in (tmp_path / "tokenizer.json", str(tmp_path / "tokenizer.json")):
        assert TextTransformer(path, lowercase=False).fit_transform(["Cat cat"]).tolist() == [[2, 3]]
    assert TextTransformer(path, stop_words=["cat"]).fit_transform(["Cat dog"]).tolist() == [[1]]


def test_trained_tokenizer_of_another_transformer_as_a_file(tmp_path):
    first = TextTransformer("bpe").fit(TEXTS)
    first._token_ids.tokenizer.save(str(tmp_path / "bpe.json"))
    second = TextTransformer(tmp_path / "bpe.json").fit(TEXTS)
    np.testing.assert_array_equal(second.inverse_transform(second.transform(TEXTS)), [t.lower() for t in TEXTS])


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}', b'{"model": {"type": "x"}}', b'{"\xe9": 1}', b"[]"])
def test_file_that_holds_no_tokenizer(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read the tokenizer file '.*tokenizer\.json'"):
        TextTransformer(path).fit(["a"])


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot find the tokenizer file '.*nowhere\.json'"):
        TextTransformer(tmp_path / "nowhere.json").fit(["a"])


def test_tokenizer_without_its_unknown_token():
    with pytest.raises(ValueError, match="lacks the token that it calls unknown, '<unk>'"):
        TextTransformer(word_level({"a": 0})).fit(["a"])


@pytest.mark.parametrize(("name", "hint"), [("wrod", "Did you mean 'word'"), ("xyz", r"must be one of \['bpe'")])
def test_unknown_name(name, hint):
    with pytest.raises(ValueError, match=f"unknown tokenizer '{name}'.*{hint}"):
        TextTransformer(name).fit(["a"])


# form of the text


def test_lowercase():
    assert tokens(["Cat cat"]) == [["cat", "cat"]]
    assert tokens(["Cat cat"], lowercase=False) == [["Cat", "cat"]]


def test_strip_accents_of_european_scripts_alone():
    assert tokens(["é e ñ ά ё"], strip_accents=True) == [["e", "e", "n", "α", "е"]]
    assert tokens(["é e"]) == [["é", "e"]]
    for text in ("ガ", "が", "हिन्दी", "ครับ", "한글"):
        assert "".join(tokens([text], strip_accents=True, tokenizer="char")[0]) == text


def test_equal_texts_in_other_code_points_are_equal():
    ids = TextTransformer().fit_transform(["café ﬁn Ａ", "cafe\u0301  fin\u00a0\n\tA"])
    np.testing.assert_array_equal(ids[0], ids[1])


def test_stop_words():
    assert tokens(["The cat and THE hat"], stop_words="english") == [["cat", "hat"]]
    assert tokens(["The cat and the hat"], stop_words=["Cat", "HAT"]) == [["the", "and", "the"]]
    assert tokens(["The the"], stop_words=["the"], lowercase=False) == [["The"]]
    assert tokens(["I don't know"], stop_words=["don't"]) == [["i", "know"]]
    assert tokens(["a b c"], stop_words=["b"], tokenizer=str.split) == [["a", "c"]]
    assert tokens(["我爱北京"], stop_words=["爱", "北京"]) == [["我"]]


@pytest.mark.parametrize("kind", TRAINED)
def test_stop_words_for_every_tokenizer(kind):
    texts = ["the cat", "a cat of the house", "cat house"]
    transformer = TextTransformer(kind, stop_words="english").fit(texts)
    assert transformer.inverse_transform(transformer.transform(texts)).tolist() == ["cat", "cat house", "cat house"]


def test_text_of_stop_words_only_is_there_but_unknown():
    ids, present = TextTransformer(stop_words="english").fit_read(["of the", "cat", None])
    assert ids.tolist() == [[1], [2], [0]]
    assert present.tolist() == [True, True, False]


@pytest.mark.parametrize("params", [{"stop_words": "english"}, {"min_frequency": 9}])
def test_nothing_left_to_learn(params):
    with pytest.raises(ValueError, match="found no token of column 'title' to put into the vocabulary"):
        TextTransformer(**params).fit(pd.Series(["of the", "and the"], name="title"))


def test_stop_words_that_are_no_words():
    with pytest.raises(TypeError, match="stop_words of type str, got 1"):
        TextTransformer(stop_words=["a", 1]).fit(["a"])


# size of the vocabulary


@pytest.mark.parametrize("kind", TRAINED)
@pytest.mark.parametrize("vocab_size", [6, 10, 50])
def test_vocab_size_is_an_upper_bound(kind, vocab_size):
    transformer = TextTransformer(kind, vocab_size=vocab_size).fit(TEXTS)
    ids = transformer.transform([*TEXTS, "quite other words"])
    assert ids.max() < transformer.spec_.vocab_size == len(transformer.vocabulary_) <= vocab_size
    assert sorted(transformer.vocabulary_.values()) == list(range(transformer.spec_.vocab_size))


def test_the_most_frequent_tokens_stay():
    texts = ["d c b a", "d c b", "d c a", "e d", "f"]
    for kind in ("word", str.split):
        assert list(TextTransformer(kind, vocab_size=6).fit(texts).vocabulary_)[2:] == ["d", "c", "a", "b"]


@pytest.mark.parametrize("kind", ["word", "char", "ngram", str.split])
def test_min_frequency(kind):
    transformer = TextTransformer(kind, min_frequency=2, char_ngram_range=None).fit(["a a b"])
    assert "a" in {token.strip("<>") for token in transformer.vocabulary_}
    assert "b" not in {token.strip("<>") for token in transformer.vocabulary_}


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram"])
def test_min_frequency_of_characters(kind):
    transformer = TextTransformer(kind, min_frequency=3).fit(["ab ab abz"])
    assert not any("z" in token for token in transformer.vocabulary_)


@pytest.mark.parametrize("kind", TRAINED)
def test_texts_of_fit_are_known(kind):
    assert not (TextTransformer(kind).fit_transform(TEXTS) == 1).any()


@pytest.mark.parametrize("kind", TRAINED)
def test_vocabulary_depends_on_the_texts_alone(kind):
    reference = TextTransformer(kind, vocab_size=80).fit(TEXTS * 3)
    again = TextTransformer(kind, vocab_size=80).fit((TEXTS * 3)[::-1])
    assert again.vocabulary_ == reference.vocabulary_
    np.testing.assert_array_equal(again.transform(TEXTS), reference.transform(TEXTS))


def test_vocabulary_is_the_same_in_another_process(tmp_path):
    joblib.dump(TEXTS, tmp_path / "texts")
    sizes = [*((kind, 80) for kind in TRAINED), ("byte_bpe", 300)]
    code = (
        "import joblib, sys; from sklearn_mm.preprocessing import TextTransformer\n"
        "texts = joblib.load(sys.argv[1] + '/texts')\n"
        f"found = [TextTransformer(k, vocab_size=n).fit(texts).vocabulary_ for k, n in {sizes}]\n"
        "joblib.dump(found, sys.argv[2])\n"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"  # sets are in another order than here
    command = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "found")]
    subprocess.run(command, env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}, check=True)
    here = [TextTransformer(kind, vocab_size=size).fit(TEXTS).vocabulary_ for kind, size in sizes]
    assert joblib.load(tmp_path / "found") == here


# length of a row


def test_max_length():
    with pytest.warns(
        UserWarning, match=r"cut 1 of 2 texts of column 'title' \(50\.0%\) at max_length=2 tokens; .* 3\."
    ) as caught:
        transformer = TextTransformer(max_length=2).fit(pd.Series(["a b c", "a", None], name="title"))
    assert len(caught) == 1
    assert transformer.transform(["c b a", "a"]).tolist() == [[4, 3], [2, 0]]  # and no warning


def test_longer_max_length_pads():
    assert TextTransformer(max_length=4).fit_transform(["b a"]).tolist() == [[3, 2, 0, 0]]


def test_auto_length_is_that_of_the_longest():
    assert TextTransformer().fit(["a"] * 200 + ["a a"]).spec_.shape == (2,)


def test_auto_length_leaves_outliers_aside():
    with pytest.warns(UserWarning, match=r"cut 1 of 200 texts \(0\.5%\) at max_length=2"):
        assert TextTransformer().fit(["a b"] * 199 + ["a b c d e"]).spec_.shape == (2,)


@pytest.mark.parametrize(("kind", "length"), [("word", 512), ("char", 2048), ("ngram", 4096)])
def test_auto_length_is_bounded(kind, length):
    with pytest.warns(UserWarning, match=r"cut 1 of 1 texts \(100\.0%\)"):
        assert TextTransformer(kind).fit(["ab " * 5_000]).spec_.shape == (length,)


def test_new_texts_take_no_more_room():
    transformer = TextTransformer().fit(["a b"])
    assert transformer.transform(["a b c d", "b"]).tolist() == [[2, 3], [3, 0]]


# and back


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_inverse_is_the_text(kind):
    transformer = TextTransformer(kind, lowercase=False).fit(TEXTS)
    assert transformer.inverse_transform(transformer.transform(TEXTS)).tolist() == TEXTS


@pytest.mark.parametrize("kind", ["word", "wordpiece", "ngram", str.split])
def test_inverse_is_the_words(kind):
    texts = ["the cat sat", "a dog asleep"]
    transformer = TextTransformer(kind).fit(texts)
    assert transformer.inverse_transform(transformer.transform(texts)).tolist() == texts


def test_inverse_of_padding_and_unknown():
    transformer = TextTransformer().fit(["a b"])
    assert transformer.inverse_transform([[2, 1, 0], [0, 0, 0], [0, 3, 0]]).tolist() == ["a [UNK]", "", "b"]
    assert transformer.inverse_transform(np.empty((0, 3), dtype=int)).shape == (0,)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2], r"of shape \(n, length\), got int64 of shape \(2,\)"),
        ([[1.5]], "got float64"),
        ([["a"]], "takes an array of ints"),
        ([[4]], "ids from 0 to 3, got ids from 4 to 4"),
        ([[-1, 2]], "got ids from -1 to 2"),
    ],
)
def test_inverse_of_what_are_no_ids(ids, message):
    with pytest.raises(ValueError, match=message):
        TextTransformer().fit(["a b"]).inverse_transform(ids)


# cells


@pytest.mark.parametrize(
    "column",
    [
        ["a", None, np.nan, pd.NA, "", " \n", "b"],
        pd.Series(["a", None, np.nan, pd.NA, "", " ", "b"], dtype=object),
        pd.Series(["a", None, None, None, "", " ", "b"], dtype="string"),
        pd.Series(["a", None, None, None, "", " ", "b"], dtype="string[pyarrow]"),
        pd.Series(["a", None, None, None, "", " ", "b"], dtype="category"),
        pd.DataFrame({"x": ["a", None, None, None, "", " ", "b"]}),
        pl.Series(["a", None, None, None, "", " ", "b"]),
        np.array([["a"], [None], [np.nan], [None], [""], [" "], ["b"]], dtype=object),
    ],
    ids=lambda column: f"{type(column).__module__}.{type(column).__name__} {getattr(column, 'dtype', '')}",
)
@pytest.mark.parametrize("kind", ["word", "ngram", "bpe"])
def test_missing_cells_are_zeros_and_no_words(column, kind):
    transformer = TextTransformer(kind)
    ids, present = transformer.fit_read(column)
    assert present.tolist() == [True, False, False, False, False, False, True]
    assert (ids != 0).any(axis=1).tolist() == present.tolist()
    assert not {"nan", "none", "<na>", "<nan>", "<none>"} & set(transformer.vocabulary_)
    np.testing.assert_array_equal(transformer.transform(column), ids)
    assert ids.dtype == np.int32


def test_the_word_nan_is_a_word():
    assert tokens(["nan none", "nan"]) == [["nan", "none"], ["nan"]]


@pytest.mark.parametrize("kind", [*TRAINED, str.split])
def test_reserved_names_in_a_text_are_not_padding(kind):
    ids = TextTransformer(kind).fit_transform(["[PAD] [UNK] [pad]", "[PAD]"])
    assert ids[1, 0] != 0
    transformer = TextTransformer(kind, lowercase=False)
    assert transformer.fit_transform(["[PAD] x", "[PAD]"])[1, 0] != 0


@pytest.mark.parametrize("bad", [3, 2.5, b"bytes", {"set"}, True, {"a": 1}])
def test_cells_that_are_no_texts(bad):
    column = pd.Series(["a", None, bad, "b", bad], name="title")
    message = rf"2 of 5 cells of column 'title' are something else \(rows 2, 4\).*{type(bad).__name__}.*astype"
    with pytest.raises(TypeError, match=message):
        TextTransformer().fit(column)
    with pytest.raises(TypeError, match=message):
        TextTransformer().fit(["a"]).transform(column)


def test_all_missing():
    column = pd.Series([None, "", np.nan], name="title", dtype=object)
    with pytest.raises(ValueError, match="all 3 cells of column 'title' are missing or blank"):
        TextTransformer().fit(column)
    ids, present = TextTransformer().fit(["a b"]).read(column)
    assert not ids.any()
    assert not present.any()


@pytest.mark.parametrize("column", [[], pd.Series([], dtype=object), np.empty((0, 1), dtype=object)])
def test_no_rows(column):
    for read in (TextTransformer().fit, TextTransformer().fit(["a"]).transform):
        with pytest.raises(ValueError, match="0 sample"):
            read(column)


def test_a_string_is_no_column():
    with pytest.raises(TypeError, match=r"To read a single cell, put it in a list"):
        TextTransformer().fit("a text")


@pytest.mark.parametrize("kind", TRAINED)
def test_hostile_texts(kind):
    texts = ["half a pair \ud800", "\x00 \x1b[0m", "x" * 100_000, "́" * 1_000, "\u202eabc\u200b", "a" * 99 + " " * 999]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="TextTransformer cut")
        transformer = TextTransformer(kind, vocab_size=200).fit(texts)
    ids = transformer.transform([*texts, "plain"])
    assert ids[:, 0].all()
    assert all(isinstance(text, str) for text in transformer.inverse_transform(ids))


@pytest.mark.parametrize("kind", TRAINED)
def test_random_texts(kind):
    rng = np.random.default_rng(0)
    ranges = [
        (32, 127),
        (0xA0, 0x250),
        (0x370, 0x600),
        (0x900, 0x980),
        (0x3040, 0x3100),
        (0x4E00, 0x4E80),
        (0x1F300, 0x1F650),
    ]
    letters = [chr(i) for start, stop in ranges for i in range(start, stop)]
    texts = ["".join(rng.choice(letters, size=rng.integers(1, 30))) for _ in range(60)]
    transformer = TextTransformer(kind, max_length=500)
    ids, present = transformer.fit_read(texts)
    assert (ids[:, 0] != 0).tolist() == present.tolist()
    assert ((ids != 0).cumprod(axis=1) == (ids != 0)).all()  # padding is at the end alone
    np.testing.assert_array_equal(transformer.transform(texts), ids)
    for row in (0, 17, 59):  # one by one as all together
        np.testing.assert_array_equal(transformer.transform(texts[row : row + 1]), ids[row : row + 1])


# parameters and scikit-learn


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"vocab_size": 5}, "'vocab_size' parameter"),
        ({"min_frequency": 0}, "'min_frequency' parameter"),
        ({"max_length": 0}, "'max_length' parameter"),
        ({"max_length": "long"}, "'max_length' parameter"),
        ({"lowercase": "yes"}, "'lowercase' parameter"),
        ({"stop_words": 3}, "'stop_words' parameter"),
        ({"pos_tags": 3}, "'pos_tags' parameter"),
        ({"tokenizer": 3}, "'tokenizer' parameter"),
        ({"char_ngram_range": (3,)}, "two ints as char_ngram_range"),
        ({"char_ngram_range": (4, 3)}, "shortest <= longest in char_ngram_range"),
        ({"word_ngram_range": (0, 2)}, "1 <= shortest <= longest in word_ngram_range"),
        ({"word_ngram_range": (1.0, 2)}, "two ints as word_ngram_range"),
        ({"tokenizer": "ngram", "char_ngram_range": None, "word_ngram_range": None}, "found no token"),
    ],
)
def test_parameters_are_checked(params, message):
    with pytest.raises(ValueError, match=message):
        TextTransformer(**params).fit(["a b"])


def test_not_fitted():
    for method in ("transform", "read", "inverse_transform"):
        with pytest.raises(NotFittedError):
            getattr(TextTransformer(), method)([["a"]])


@pytest.mark.parametrize("kind", [*TRAINED, str.split])
def test_clone_and_joblib(kind, tmp_path):
    transformer = TextTransformer(kind, vocab_size=40).fit(TEXTS)
    joblib.dump(transformer, tmp_path / "transformer")
    np.testing.assert_array_equal(joblib.load(tmp_path / "transformer").transform(TEXTS), transformer.transform(TEXTS))
    assert not hasattr(clone(transformer), "vocabulary_")


def test_fitting_again_forgets():
    transformer = TextTransformer().fit(["a b"]).fit(["c"])
    assert transformer.vocabulary_ == {"[PAD]": 0, "[UNK]": 1, "c": 2}
    assert transformer.spec_.shape == (1,)


def test_feeds_scikit_learn():
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import FunctionTransformer

    texts = ["cats sleep", "dogs sleep", None]
    ids = TextTransformer().fit(texts)
    back = FunctionTransformer(ids.inverse_transform)
    counts = make_pipeline(ids, back, CountVectorizer()).fit_transform(texts)
    assert counts.toarray().tolist() == [[1, 0, 1], [0, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("language", ["de", "fr", "zh", "ja"])
@pytest.mark.parametrize("kind", TRAINED)
def test_real_names(language, kind):
    names = load_emoji(languages=(language,)).data[f"text_{language}"]
    transformer = TextTransformer(kind, vocab_size=30_000, max_length=400)
    ids, present = transformer.fit_read(names[::2])
    assert not (ids == 1).any()
    assert present.sum() == names[::2].notna().sum()
    if kind != "word" and language in ("de", "fr"):  # parts of words are known where there is an alphabet
        unseen = transformer.transform(names[1::2])
        assert (unseen == 1).sum() < 0.01 * (unseen != 0).sum()
    if kind in ("bpe", "unigram", "char"):
        texts = names[::2].dropna().str.normalize("NFKC").str.lower().str.split().str.join(" ")
        assert transformer.inverse_transform(ids[present]).tolist() == texts.tolist()
