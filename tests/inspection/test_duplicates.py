import functools
import io
import itertools
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFile
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from sklearn_mm import ImageInput, find_duplicates
from sklearn_mm.datasets import load_emoji
from sklearn_mm.inspection import Duplicates
from sklearn_mm.preprocessing import ImageTransformer


def draw(seed, size=(120, 90)):
    """Return a picture with structure at all sizes, as photographs have."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize(size, Image.BICUBIC), float)
        for n in (3, 6, 12, 24)
    ]
    return Image.fromarray(np.average(layers, axis=0, weights=[8, 4, 2, 1]).astype(np.uint8))


def file_of(picture, kind="JPEG", **options):
    with io.BytesIO() as file:
        picture.save(file, kind, **options)
        return file.getvalue()


def turned_with_tag(picture):
    exif = Image.Exif()
    exif[0x112] = 6
    return file_of(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


def cut(picture, left, upper, right, lower):
    width, height = picture.size
    return picture.crop((left * width, upper * height, (1 - right) * width, (1 - lower) * height))


CHANGES = {
    "compressed": lambda picture: file_of(picture, quality=20),
    "webp": lambda picture: file_of(picture, "WEBP", quality=60),
    "smaller": lambda picture: picture.resize((50, 40)),
    "larger": lambda picture: picture.resize((300, 220)),
    "cut around": lambda picture: cut(picture, 0.04, 0.04, 0.04, 0.04),
    "cut on one side": lambda picture: cut(picture, 0.08, 0, 0, 0),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "lower in contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.75),
    "orientation in a tag": turned_with_tag,
    "array": np.asarray,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_copies_of_pictures_are_found_and_nothing_else(change):
    pictures = [draw(seed) for seed in range(40)]
    X = pd.DataFrame({"photo": [*pictures, *map(change, pictures)]})
    found = find_duplicates(X, image="photo")
    assert sorted(zip(found.pairs["first"], found.pairs["second"], strict=True)) == [(i, 40 + i) for i in range(40)]
    assert found.pairs["photo"].between(0.75, 1).all()
    np.testing.assert_array_equal(found.groups, np.tile(np.arange(40), 2))
    np.testing.assert_array_equal(found.first_rows, np.arange(40))


def test_different_flat_drawings_are_mostly_told_apart():
    emoji = load_emoji()
    found = find_duplicates(emoji.data[["image"]])
    near = found.pairs[found.pairs["image"] < 1]
    variants = emoji.groups[near["first"]] == emoji.groups[near["second"]]
    assert len(near) < 100  # of 1,747,515 pairs
    assert (~variants).sum() < 50
    same = found.pairs[found.pairs["image"] == 1]
    names = emoji.data["text"].to_numpy()
    assert ("Bouvet Island", "Norway") in {
        tuple(sorted(names[list(pair)])) for pair in same[["first", "second"]].to_numpy()
    }
    paired = emoji.data[["image"]].iloc[np.unique(found.pairs[["first", "second"]])]
    assert len(find_duplicates(paired, image_threshold=1).pairs) == len(same) > 10


def test_default_type_of_torch_changes_nothing():
    X = pd.DataFrame({"photo": [draw(0), draw(1), draw(0).resize((50, 40))]})
    expected = find_duplicates(X).pairs
    torch.set_default_dtype(torch.float64)
    try:
        pd.testing.assert_frame_equal(find_duplicates(X).pairs, expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_blank_pictures_are_duplicates_only_if_equal():
    shades = [np.full((20, 20, 3), shade, dtype=np.uint8) for shade in (0, 120, 255, 120)]
    found = find_duplicates(pd.DataFrame({"photo": shades}), image="photo")
    assert found.groups.tolist() == [0, 1, 2, 1]


SENTENCE = "Two dogs are running along the beach towards the sea."


@pytest.mark.parametrize(
    ("text", "similarity"),
    [
        ("TWO DOGS are running\n along the  beach towards the sea", 1),
        ("two dogs — are running — along the beach — towards the sea!!", 1),
        ("Two dogs are runing along the beach towards the sea.", None),
        ("Two dogs are running along a beach towards the sea.", None),
        ("Two big dogs are running along the beach towards the sea.", None),
    ],
)
def test_changed_copies_of_texts_are_found(text, similarity):
    others = [
        f"{who} {what}" for who in ("A man in red", "Some girls", "An old lady") for what in ("jumps", "sings a song")
    ]
    found = find_duplicates(pd.DataFrame({"caption": [SENTENCE, *others, text]}), text="caption")
    assert found.pairs[["first", "second"]].to_numpy().tolist() == [[0, 7]]
    if similarity is None:
        assert 0.65 <= found.pairs["caption"].item() < 1
    else:
        assert found.pairs["caption"].item() == similarity


def test_short_texts_of_punctuation_are_not_all_the_same():
    found = find_duplicates(pd.DataFrame({"text": [":)", ":(", "yes", "no", "Yes.", "C", "D"]}), text="text")
    assert found.groups.tolist() == [0, 1, 2, 3, 2, 4, 5]


@functools.cache
def similar_texts():
    """Return texts of which some are alike, and how alike each pair of them is, found one by one."""
    rng = np.random.default_rng(0)
    words = ["dog", "dogs", "beach", "sea", "red", "running", "a", "the", "two", "sleeps"]
    texts = {" ".join(rng.choice(words, rng.integers(3, 7))) for _ in range(150)}
    long = " ".join(rng.choice(words, 60))
    texts = sorted(texts | {f"{long} {word}" for word in words})  # alike enough for any threshold
    sets = [{f"\x02 {text} \x03"[i : i + 4] for i in range(len(text) + 1)} for text in texts]
    counts = Counter(gram for grams in sets for gram in grams)
    weight = {gram: math.log((1 + len(texts)) / (1 + count)) + 1 for gram, count in counts.items()}

    def sum_of(grams):
        return math.fsum(weight[gram] for gram in grams)

    return texts, {
        (i, j): sum_of(a & b) / sum_of(a | b) for (i, a), (j, b) in itertools.combinations(enumerate(sets), 2)
    }


@pytest.mark.parametrize("threshold", [0.3, 0.65, 0.9])
def test_no_similar_text_is_overlooked(threshold):
    texts, similarities = similar_texts()
    found = find_duplicates(pd.DataFrame({"t": texts}), text="t", text_threshold=threshold).pairs.sort_values(
        ["first", "second"]
    )
    expected = {pair: similarity for pair, similarity in similarities.items() if similarity >= threshold}
    assert len(expected) > 10
    assert list(zip(found["first"], found["second"], strict=True)) == list(expected)
    np.testing.assert_allclose(found["t"], list(expected.values()), rtol=1e-5)


def test_missing_cells_are_duplicates_of_nothing():
    X = pd.DataFrame({"photo": [None, None, draw(0)], "text": [None, "", "a word or two"]})
    found = find_duplicates(X, image="photo", text="text")
    assert len(found.pairs) == 0
    assert found.groups.tolist() == [0, 1, 2]
    assert list(found.pairs) == ["first", "second", "photo", "text"]


def test_hundred_copies_are_99_pairs_in_one_group():
    found = find_duplicates(pd.DataFrame({"text": ["nothing else", *["no description yet"] * 100]}), text="text")
    assert (found.pairs["first"] == 1).all()
    assert found.pairs["second"].tolist() == list(range(2, 101))
    assert found.groups.tolist() == [0] + [1] * 100


def test_pairs_tell_which_block_says_so():
    a, b, c = map(draw, range(3))
    X = pd.DataFrame({"photo": [a, a, b, c], "text": ["one dog", "a cat asleep", "one dog", "no animal at all"]})
    pairs = find_duplicates(X, image="photo", text="text").pairs.set_index(["first", "second"])
    assert pairs.loc[(0, 1), "photo"] == pairs.loc[(0, 2), "text"] == 1
    assert np.isnan(pairs.loc[(0, 1), "text"])
    assert np.isnan(pairs.loc[(0, 2), "photo"])


def test_all_blocks_must_agree_on_request():
    a, b = map(draw, range(2))
    small = a.resize((50, 40))
    X = pd.DataFrame(
        {
            "photo": [b, a, small, a, a, None, None, a],
            "text": ["one dog", "one dog", "One dog!", "one dog", "a cat", "one dog", "one dog", None],
            "price": [1.0, 1, 1, 2, 1, 1, 1, 1],
        }
    )
    told = {"image": "photo", "text": "text", "tabular": "price"}
    assert find_duplicates(X, **told).groups.max() == 0
    found = find_duplicates(X, **told, match="all")
    assert sorted(map(tuple, found.pairs[["first", "second"]].to_numpy())) == [(1, 2), (5, 6)]
    assert list(found.pairs) == ["first", "second", "photo", "text", "tabular"]
    without = find_duplicates(X, image="photo", text="text", tabular=None, match="all")
    assert without.groups.tolist() == [0, 1, 1, 1, 2, 3, 3, 4]


def test_all_agrees_with_pairs_one_by_one():
    rng = np.random.default_rng(0)
    texts = ["one dog on the beach", "one dog at the beach", "a cat asleep", "two cats asleep", None]
    X = pd.DataFrame({name: rng.choice(np.array(texts, dtype=object), 60) for name in ("a", "b")})
    distinct = {name: X[name].drop_duplicates().tolist() for name in X}
    one = {
        name: find_duplicates(pd.DataFrame({name: distinct[name]}), text=name, text_threshold=0.3)
        .pairs[["first", "second"]]
        .to_numpy()
        .tolist()
        for name in X
    }

    def alike(name, i, j):
        if pd.isna(i) or pd.isna(j):
            return pd.isna(i) and pd.isna(j)
        pair = sorted([distinct[name].index(i), distinct[name].index(j)])
        return pair[0] == pair[1] or pair in one[name]

    groups = find_duplicates(X, text=["a", "b"], text_threshold=0.3, match="all").groups
    rows = list(X.itertuples(index=False))
    connected = np.eye(60, dtype=bool)
    for i, row in enumerate(rows):
        for j, other in enumerate(rows):
            some = any(map(pd.notna, row))
            connected[i, j] |= some and alike("a", row.a, other.a) and alike("b", row.b, other.b)
    for _ in range(6):
        connected = connected @ connected
    np.testing.assert_array_equal(groups[:, None] == groups, connected)


def test_columns_named_as_those_of_the_result_are_not_overwritten():
    X = pd.DataFrame({"tabular": ["one dog at sea", "a cat", "One dog at sea"], "n": [1, 2, 1]})
    assert find_duplicates(X, text="tabular").groups.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match=r"columns 'first', 'second', 'tabular' of its own: rename \['tabular'\]"):
        find_duplicates(X, text="tabular", match="all")


def test_cells_of_tables_may_be_containers():
    cells = [{"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 2]}]
    assert find_duplicates(pd.DataFrame({"d": cells}), tabular="d").groups.tolist() == [0, 1, 0]


def test_tables_of_numbers_have_equal_rows():
    X = pd.DataFrame({"a": [1.0, 2, 1, np.nan, np.nan, np.nan], "b": ["x", "x", "x", "y", "y", None]})
    assert find_duplicates(X).groups.tolist() == [0, 1, 0, 2, 2, 3]


def test_columns_are_found_and_files_are_read_as_elsewhere(tmp_path):
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        draw(seed).save(tmp_path / f"{name}.png")
    X = pd.DataFrame({"photo": ["a.png", "b.png", "c.png", "lost.png"], "title": ["one", "two", "three", "four"]})
    image = ImageInput(transformer=ImageTransformer(root=tmp_path, on_error="ignore"))
    assert find_duplicates(X, image=image).groups.tolist() == [0, 1, 0, 2]
    with pytest.raises(ValueError, match="cannot read 1 of 4 cells of column 'photo'"):
        find_duplicates(X, image=ImageInput(transformer=ImageTransformer(root=tmp_path)))


def test_memory_keeps_the_small_pictures(tmp_path, monkeypatch):
    X = pd.DataFrame({"photo": [file_of(draw(seed)) for seed in (0, 1, 0, 2)]})
    expected = find_duplicates(X).pairs
    pd.testing.assert_frame_equal(find_duplicates(X, memory=tmp_path).pairs, expected)
    decoded = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda picture: decoded.append(picture) or load(picture))
    pd.testing.assert_frame_equal(find_duplicates(X, memory=tmp_path).pairs, expected)
    assert not decoded
    find_duplicates(X)
    assert decoded


MANY_PICTURES = """
from pathlib import Path
import numpy as np
from PIL import Image
from sklearn_mm.inspection._similar_pictures import similar_pictures

def peak():  # and not that of the process that this one was made by, which getrusage counts
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024

rng = np.random.default_rng(0)
coarse = rng.integers(0, 256, (25_000, 6, 6, 3), dtype=np.uint8)
pictures = np.stack([np.asarray(Image.fromarray(picture).resize((32, 32))) for picture in coarse])
before = peak()
assert not len(similar_pictures(pictures, 0.75)[0])
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells there how much memory a process had")
def test_memory_does_not_grow_with_the_pairs():
    done = subprocess.run([sys.executable, "-c", MANY_PICTURES], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 25_000**2 / 2**20 / 2  # half a byte per pair, in MB


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_tables(kind):
    pytest.importorskip(kind)
    X = pd.DataFrame({"text": ["one dog at sea", "a cat asleep", "One dog at sea!"]})
    X = (
        pytest.importorskip("polars").from_pandas(X)
        if kind == "polars"
        else pytest.importorskip("pyarrow").table(dict(X))
    )
    assert find_duplicates(X, text="text").groups.tolist() == [0, 1, 0]


def test_groups_go_to_the_splitters_and_no_pair_is_parted():
    X = pd.DataFrame(
        {"text": [f"number {i // 3} of {i // 3 * 7919 % 1000} things, {i // 3 * 104729}" for i in range(90)]}
    )
    groups = find_duplicates(X, text="text").groups
    things = np.arange(90) // 3
    for splitter in (GroupKFold(5), StratifiedGroupKFold(5)):
        for train, test in splitter.split(X, things % 2, groups):
            assert not set(things[train]) & set(things[test])


def test_table_is_left_alone_and_the_result_does_not_depend_on_order():
    X = pd.DataFrame({"text": ["one dog at sea", "a cat asleep", "One dog at sea!", None]}, index=[5, 5, 7, 8])
    before = X.copy()
    found = find_duplicates(X, text="text")
    pd.testing.assert_frame_equal(X, before)
    assert len(find_duplicates(X[::-1], text="text").pairs) == len(found.pairs) == 1
    assert repr(found) == "Duplicates(4 rows; 1 pairs; 2 rows in 1 groups of two or more)"
    assert isinstance(found, Duplicates)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"match": "some"}, ValueError, "'match' parameter of find_duplicates"),
        ({"image_threshold": 0}, ValueError, "'image_threshold' parameter of find_duplicates"),
        ({"text_threshold": 1.5}, ValueError, "'text_threshold' parameter of find_duplicates"),
        ({"text": "tittle"}, ValueError, "find_duplicates: `text` names column 'tittle'"),
        ({"text": "first"}, ValueError, "rename"),
        ({"text": "tags"}, ValueError, r"X.explode\('tags'\)"),
        ({"text": "numbers"}, TypeError, "reads strings"),
    ],
    ids=str,
)
def test_errors_name_the_way_out(parameters, error, message):
    X = pd.DataFrame({"title": ["a", "b"], "first": ["a", "b"], "tags": [["a", "b"], ["c"]], "numbers": [1, 2]})
    with pytest.raises(error, match=message):
        find_duplicates(X, **{"image": None, "text": "title", "tabular": None, **parameters})
