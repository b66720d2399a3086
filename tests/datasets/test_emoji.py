import errno
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm.datasets import clear_data_home, get_data_home, load_emoji

LANGUAGES = ["de", "es", "fr", "ja", "ko", "pt", "ru", "zh"]
COUNTS = {
    "Activities": 85,
    "Animals & Nature": 159,
    "Flags": 270,
    "Food & Drink": 131,
    "Objects": 264,
    "People & Body": 350,
    "Smileys & Emotion": 169,
    "Symbols": 224,
    "Travel & Places": 218,
}


@pytest.fixture(scope="module")
def emoji():
    return load_emoji(languages=LANGUAGES)


def group_of(emoji, *names):
    return {emoji.groups[emoji.data["text"].tolist().index(name)] for name in names}


# What is in it


def test_bunch(emoji):
    columns = ["image", "text", *(f"text_{language}" for language in LANGUAGES)]
    assert emoji.data.shape == (1870, 10)
    assert emoji.data.columns.tolist() == emoji.feature_names == columns
    assert emoji.frame.columns.tolist() == [*columns, "category"]
    pd.testing.assert_frame_equal(emoji.frame[columns], emoji.data)
    pd.testing.assert_series_equal(emoji.frame["category"], emoji.target)
    assert emoji.groups.shape == (1870,)
    assert emoji.groups.dtype == np.int64


def test_classes(emoji):
    assert emoji.target.value_counts().to_dict() == COUNTS
    assert emoji.target_names == sorted(COUNTS)


def test_description_tells_the_truth(emoji):
    told = dict(re.findall(r"^    (\w[\w& ]*\w) +(\d+)$", emoji.DESCR, flags=re.MULTILINE))
    assert {name: int(count) for name, count in told.items()} == COUNTS
    sizes = pd.Series(emoji.groups).value_counts()
    assert f"``groups`` holds {len(sizes):,} numbers" in emoji.DESCR
    assert f"{(sizes > 1).sum()} groups have more than one member; the largest has {sizes.max()}" in emoji.DESCR
    assert "six in the eight other languages" in emoji.DESCR
    assert emoji.data.isna().to_numpy().sum() == 6
    for licence in ("Apache License 2.0", "MIT", "Unicode License v3"):
        assert licence in emoji.DESCR


def test_first_rows_are_a_fair_sample(emoji):
    assert set(emoji.target[:100]) == set(COUNTS)


def test_no_emoji_twice(emoji):
    assert emoji.data["image"].is_unique
    twice = emoji.frame[emoji.frame["text"].duplicated(keep=False)]
    assert sorted(twice["text"]) == sorted(["baby", "hole", "rainbow", "transgender"] * 2)
    assert not twice.duplicated(["text", "category"]).any()


def test_every_text_says_something(emoji):
    assert emoji.data["text"].map(lambda text: text == text.strip() != "").all()
    for language in LANGUAGES:
        texts = emoji.data[f"text_{language}"]
        assert texts.map(lambda text: text is None or (text == text.strip() != "")).all()
        assert texts.notna().sum() >= 1868


def test_no_text_holds_a_word_of_a_class_name(emoji):
    plural = {word.lower() for name in emoji.target_names for word in re.findall(r"\w+", name)}
    singular = {re.sub(r"ies$", "y", word) for word in plural} | {word.removesuffix("s") for word in plural}
    assert {"flag", "flags", "activity", "symbol", "people"} <= plural | singular
    words = emoji.data["text"].str.lower().str.findall(r"\w+")
    assert not [text for text in words if set(text) & (plural | singular)]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "flagge|fahne|symbol"),
        ("es", "bandera|símbolo"),
        ("fr", "drapeau|symbole"),
        ("ja", "旗|フラッグ|シンボル|記号"),
        ("ko", "깃발|국기|기호"),
        ("pt", "bandeira|símbolo"),
        ("ru", "флаг|символ"),
        ("zh", "旗|符号"),
    ],
)
def test_translations_hold_no_word_for_flag_and_symbol(emoji, language, words):
    texts = emoji.data[f"text_{language}"]
    assert not texts.str.contains(words, case=False, na=False).any()
    flags = texts[emoji.target == "Flags"]
    assert not flags.str.contains("[:：]", na=False).any()
    assert flags.nunique() > 260


def test_texts_belong_to_the_pictures(emoji):
    rows = emoji.data.set_index(emoji.data["image"].map(os.path.basename))
    assert rows.loc["1f469-200d-1f3eb.png", ["text", "text_de"]].tolist() == ["woman teacher", "Lehrerin"]
    assert rows.loc["1f1ef-1f1f5.png", ["text", "text_fr", "text_zh"]].tolist() == ["Japan", "Japon", "日本"]


# Groups


@pytest.mark.parametrize(
    "names",
    [
        ("teacher", "man teacher", "woman teacher"),
        ("man: red hair", "woman: bald", "person"),
        ("family: man, woman, boy", "family: woman, girl, girl", "family: adult, child"),
        ("man walking", "woman walking: facing right"),
        ("one o’clock", "twelve-thirty"),
        ("left arrow", "up-right arrow"),
        ("red heart", "light blue heart"),
        ("keycap: #", "keycap: 10"),
        ("cat", "cat face"),
        ("prince", "princess"),
        ("Norway", "Bouvet Island"),
    ],
)
def test_variants_share_a_group(emoji, names):
    assert len(group_of(emoji, *names)) == 1


@pytest.mark.parametrize(
    "names", [("man teacher", "man student"), ("dog", "cat"), ("Norway", "Sweden"), ("man", "boy"), ("key", "locked")]
)
def test_concepts_have_groups_of_their_own(emoji, names):
    assert len(group_of(emoji, *names)) == len(names)


def test_groups_stay_within_a_class(emoji):
    assert (emoji.target.groupby(emoji.groups).nunique() == 1).all()


def test_equal_pictures_share_a_group(emoji):
    contents = emoji.data["image"].map(lambda path: hashlib.sha256(Path(path).read_bytes()).digest())
    assert contents.nunique() < len(contents)
    assert (pd.Series(emoji.groups).groupby(contents).nunique() == 1).all()


def test_groups_split(emoji):
    for train, test in StratifiedGroupKFold(5).split(emoji.data, emoji.target, emoji.groups):
        assert not set(emoji.groups[train]) & set(emoji.groups[test])
        assert set(emoji.target[test]) == set(COUNTS)


# Parameters


def test_arrays(emoji):
    bunch = load_emoji(as_frame=False, languages=["de"])
    assert isinstance(bunch.data, np.ndarray)
    assert bunch.data.dtype == bunch.target.dtype == object
    assert bunch.frame is None
    np.testing.assert_array_equal(bunch.data, emoji.data[["image", "text", "text_de"]].to_numpy())
    np.testing.assert_array_equal(bunch.target, emoji.target)


@pytest.mark.parametrize("as_frame", [True, False])
def test_data_and_target_alone(emoji, as_frame):
    X, y = load_emoji(return_X_y=True, as_frame=as_frame)
    assert isinstance(X, pd.DataFrame) == isinstance(y, pd.Series) == as_frame
    assert X.shape == (1870, 2)
    np.testing.assert_array_equal(y, emoji.target)


def test_languages_come_in_the_order_asked_for():
    assert load_emoji(languages=("zh", "de", "zh")).feature_names == ["image", "text", "text_zh", "text_de"]


def test_missing_translation_is_none(emoji):
    row = emoji.data["text"].tolist().index("input")
    assert emoji.data.loc[row, "text_ko"] is None
    assert emoji.data.loc[row, "text_de"] == "Eingabe Sonderzeichen"


def test_unknown_language():
    with pytest.raises(
        ValueError, match=r"no names in the languages \['en', 'xx'\].*'de', 'es', 'fr', 'ja', 'ko', 'pt'"
    ):
        load_emoji(languages=["de", "en", "xx"])


def test_language_as_a_string():
    with pytest.raises(ValueError, match=r"needs `languages` to be a sequence, got the string 'de'; write \['de'\]"):
        load_emoji(languages="de")


# Pictures and the data home


def test_every_picture_opens(emoji):
    for path in emoji.data["image"]:
        assert os.path.isabs(path)
        assert os.path.dirname(path) == emoji.image_dir
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (64, 64))
            assert image.getchannel("A").getextrema()[1] == 255


def test_data_home_of_the_environment(data_home, emoji):
    assert os.path.dirname(emoji.image_dir) == get_data_home() == os.path.abspath(data_home)


def test_data_home_in_the_users_home(monkeypatch, tmp_path):
    monkeypatch.delenv("SKLEARN_MM_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert get_data_home() == str(tmp_path / "sklearn_mm_data")
    assert get_data_home("~/other") == str(tmp_path / "other")
    assert sorted(os.listdir(tmp_path)) == ["other", "sklearn_mm_data"]


def test_data_home_as_a_relative_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert get_data_home(Path("data")) == str(tmp_path / "data")


def test_unpacks_once(tmp_path):
    path = Path(load_emoji(data_home=tmp_path).data["image"][0])
    before = path.stat().st_mtime_ns
    load_emoji(data_home=tmp_path)
    assert path.stat().st_mtime_ns == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.parent.name]
    assert re.fullmatch(r"emoji-[0-9a-f]{12}", path.parent.name)


def test_repairs_what_is_missing_or_cut(tmp_path):
    missing, cut, untouched = (Path(path) for path in load_emoji(data_home=tmp_path).data["image"][:3])
    contents, before = [missing.read_bytes(), cut.read_bytes()], untouched.stat().st_mtime_ns
    missing.unlink()
    cut.write_bytes(b"")
    load_emoji(data_home=tmp_path)
    assert [missing.read_bytes(), cut.read_bytes()] == contents
    assert untouched.stat().st_mtime_ns == before
    assert os.listdir(tmp_path) == [missing.parent.name]


def test_data_home_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OSError, match=r"cannot write to the data home .*file.*Pass data_home=, or set .*SKLEARN_MM_DATA"
    ):
        load_emoji(data_home=tmp_path / "file" / "data")


def test_read_only_data_home(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(OSError, match=r"cannot write to the data home .*: Permission denied\. Pass data_home="):
        load_emoji(data_home=tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="file permissions do not bind this user")
def test_read_only_data_home_is_enough_once_unpacked(tmp_path):
    expected = load_emoji(data_home=tmp_path).image_dir
    os.chmod(tmp_path, 0o500)
    assert load_emoji(data_home=tmp_path).image_dir == expected


def test_full_disk_leaves_nothing_half_done(monkeypatch, tmp_path):
    write, written = Path.write_bytes, []

    def write_some(path, content):
        if len(written) == 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_some)
        with pytest.raises(OSError, match="No space left on device"):
            load_emoji(data_home=tmp_path)
    assert os.listdir(tmp_path) == []
    assert all(map(os.path.exists, load_emoji(data_home=tmp_path).data["image"]))


def test_two_processes_at_once(tmp_path):
    program = (
        "import os, sys; from sklearn_mm.datasets import load_emoji; print('ready', flush=True); sys.stdin.readline()\n"
        "print(sum(os.path.getsize(path) == 16516 for path in load_emoji(data_home=sys.argv[1]).data['image']))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], **pipes) as other:
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("\n")
        other.stdin.flush()
        here = load_emoji(data_home=tmp_path).data["image"]
        assert sum(os.path.getsize(path) == 16516 for path in here) == 1870
        assert other.communicate(timeout=60)[0] == "1870\n"
    assert len(os.listdir(tmp_path)) == 1


def test_clear_data_home_takes_only_its_own(tmp_path):
    own = ["emoji-0123456789ab", ".emoji-0123456789ab-x1y2z3"]
    others = ["emoji-photographs", "models"]
    for name in own + others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
    clear_data_home(tmp_path)
    assert sorted(os.listdir(tmp_path)) == others


def test_clear_data_home_removes_an_empty_folder(tmp_path):
    (tmp_path / "data" / "emoji-0123456789ab").mkdir(parents=True)
    clear_data_home(tmp_path / "data")
    assert os.listdir(tmp_path) == []
    clear_data_home(tmp_path / "data")


# What ships


def test_ships_small_and_with_its_licences():
    data = files("sklearn_mm.datasets") / "data"
    shipped = [path for path in Path(str(data)).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in shipped) < 6_000_000
    licences = {path.name: path.read_text("utf-8") for path in shipped if path.parent.name == "licences"}
    assert "Cal Henderson" in licences["emoji-datasource-MIT.txt"]
    assert "Miles Johnson" in licences["emojibase-data-MIT.txt"]
    assert "Apache License" in licences["noto-emoji-Apache-2.0.txt"]
    assert "Unicode, Inc." in licences["cldr-Unicode-3.0.txt"]
