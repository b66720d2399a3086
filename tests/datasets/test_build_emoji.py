import csv
import importlib.util
import io
import json
import lzma
import os
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from sklearn_mm import datasets

TOOL = Path(__file__).parents[2] / "tools" / "build_emoji.py"
if not TOOL.exists():
    pytest.skip("tools/ is in the repository only", allow_module_level=True)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("build_emoji", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def packages(tool, tmp_path):
    """Packages with five emoji, of which three are to be kept, in modes and spellings that occur."""
    folder = tmp_path / "packages"
    rows = [
        # code points, name, category, subcategory, order, mode of the picture
        ("2691-FE0F", "flag: Japan", "Flags", "country-flag", 3, "P"),
        ("1F468-200D-1F3EB", "man teacher", "People & Body", "person-role", 2, "LA"),
        ("1F469-200D-1F3EB", "woman teacher", "People & Body", "person-role", 1, "RGBA"),
        ("1F3FB", "light skin tone", "Component", "skin-tone", 4, "RGBA"),
        ("1F46E", "police officer", "People & Body", "person-role", 5, "RGBA"),
    ]
    images = folder / "emoji-datasource-google" / "img" / "google" / "64"
    images.mkdir(parents=True)
    entries = []
    for points, _, category, subcategory, order, mode in rows:
        entry = {"unified": points, "image": f"{points.lower()}.png", "category": category}
        entries.append({**entry, "subcategory": subcategory, "sort_order": order})
        Image.new("RGBA", (64, 64), (40 * order, 0, 200, 50 * order)).convert(mode).save(images / entry["image"])
    entries[-1]["obsoleted_by"] = "1F46E-200D-2642-FE0F"
    (folder / "emoji-datasource").mkdir()
    (folder / "emoji-datasource" / "emoji.json").write_text(json.dumps(entries))
    for language in tool.CLASS_WORDS:
        data = [{"hexcode": points.replace("-FE0F", ""), "label": name} for points, name, *_ in rows]
        path = folder / "emojibase-data" / language / "data.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(data[:1] if language == "de" else data))
    for name, version in tool.VERSIONS.items():
        (folder / name / "package.json").write_text(json.dumps({"version": version}))
    return folder


def read_output(folder):
    rows = list(csv.DictReader(io.StringIO((folder / "emoji.csv").read_text("utf-8"))))
    with tarfile.open(folder / "emoji.tar.xz") as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}
    return {row["image"]: row for row in rows}, files


def test_builds_table_and_archive(tool, packages, tmp_path):
    tool.main(["--packages", str(packages), "--output", str(tmp_path)])
    rows, files = read_output(tmp_path)
    assert list(files) == ["1f469-200d-1f3eb.png", "1f468-200d-1f3eb.png", "2691-fe0f.png"]
    assert set(rows) == set(files)
    assert rows["2691-fe0f.png"]["category"] == "Flags"
    assert rows["2691-fe0f.png"]["text"] == "Japan"
    assert rows["1f469-200d-1f3eb.png"]["text"] == "woman teacher"
    assert rows["1f469-200d-1f3eb.png"]["text_de"] == ""
    assert rows["1f469-200d-1f3eb.png"]["group"] == rows["1f468-200d-1f3eb.png"]["group"]
    assert {row["group"] for row in rows.values()} == {"0", "1"}
    images = packages / "emoji-datasource-google" / "img" / "google" / "64"
    for name, content in files.items():
        with Image.open(images / name) as source, Image.open(io.BytesIO(content)) as built:
            assert built.mode == "RGBA"
            assert built.tobytes() == source.convert("RGBA").tobytes()


def test_same_packages_same_bytes(tool, packages, tmp_path):
    outputs = [tmp_path / "first", tmp_path / "second"]
    for output in outputs:
        output.mkdir()
        tool.main(["--packages", str(packages), "--output", str(output)])
        for path in packages.rglob("*.png"):
            os.utime(path, (1, 1))
    for name in ("emoji.csv", "emoji.tar.xz"):
        assert (outputs[0] / name).read_bytes() == (outputs[1] / name).read_bytes()


def test_fetches_packages_with_npm(tool, packages, tmp_path, monkeypatch):
    def pack(command, *, check, cwd):
        assert command[:2] == ["npm", "pack"]
        for spec in command[3:]:
            name, version = spec.split("@")
            with tarfile.open(cwd / f"{name}-{version}.tgz", "w:gz") as archive:
                archive.add(packages / name, arcname="package")

    monkeypatch.setattr(tool.subprocess, "run", pack)
    tool.main(["--output", str(tmp_path)])
    rows, files = read_output(tmp_path)
    assert len(rows) == len(files) == 3


def test_refuses_other_versions(tool, packages, tmp_path):
    (packages / "emojibase-data" / "package.json").write_text('{"version": "1.2.3"}')
    with pytest.raises(SystemExit, match=r"needs emojibase-data 17\.0\.0, got 1\.2\.3"):
        tool.main(["--packages", str(packages), "--output", str(tmp_path)])
    assert not list(tmp_path.glob("emoji.*"))


@pytest.mark.parametrize(
    ("language", "name", "expected"),
    [
        ("en", "flag: Côte d’Ivoire", "Côte d’Ivoire"),
        ("en", "pirate flag", "pirate"),
        ("en", "shallow pan of food", "shallow pan"),
        ("en", "Japanese symbol for beginner", "Japanese beginner"),
        ("en", "keycap: #", "keycap: #"),
        ("en", "antibody flagpole", "antibody flagpole"),
        ("de", "Piratenflagge", "Piraten"),
        ("de", "Transgender-Flagge", "Transgender"),
        ("de", "Flagge: Jemen", "Jemen"),
        ("es", "Bandera: España", "España"),
        ("es", "símbolos", None),
        ("fr", "drapeau\u202f: Îles Cook", "Îles Cook"),
        ("fr", "symbole de l’atome", "atome"),
        ("ja", "旗: 日本", "日本"),
        ("ja", "海賊旗", "海賊"),
        ("ko", "깃발: 안도라", "안도라"),
        ("pt", "bandeira do arco-íris", "arco-íris"),
        ("ru", "люди, держащиеся за руки", "держащиеся за руки"),
        ("zh", "旗: 日本", "日本"),
    ],
)
def test_clean_name(tool, language, name, expected):
    assert tool.clean_name(name, language) == expected


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("woman running: facing right", "running"),
        ("kiss: woman, man", "kiss"),
        ("light blue heart", "heart"),
        ("eleven-thirty", "clock face"),
        ("AB button (blood type)", "blood type"),
        ("flag: South Korea", "flag: South Korea"),
        ("NEW button", "NEW button"),
        ("locked with key", "locked with key"),
    ],
)
def test_find_concept(tool, name, concept):
    assert tool.find_concept(name, "subcategory") == ("subcategory", concept)


def test_number_groups_joins_over_all_keys(tool):
    assert tool.number_groups(["a", "b", "c", "b", "d"], ["x", "y", "x", "z", "y"]) == [0, 1, 0, 1, 1]
    assert tool.number_groups(["a", "b", "c"], ["x", "y", "y"]) == [0, 1, 1]


@pytest.mark.slow
@pytest.mark.skipif(
    "SKLEARN_MM_EMOJI_PACKAGES" not in os.environ,
    reason="SKLEARN_MM_EMOJI_PACKAGES does not name a folder with the unpacked npm packages",
)
def test_rebuilds_what_ships(tool):
    built = tool.build(Path(os.environ["SKLEARN_MM_EMOJI_PACKAGES"]))
    shipped = {name: (Path(datasets.__file__).parent / "data" / name).read_bytes() for name in built}
    assert built["emoji.csv"] == shipped["emoji.csv"]
    assert lzma.decompress(built["emoji.tar.xz"]) == lzma.decompress(shipped["emoji.tar.xz"])
