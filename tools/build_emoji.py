"""Regenerate the data of `sklearn_mm.datasets.load_emoji` from the npm packages that it comes from.

    python tools/build_emoji.py                           # `npm pack` into a temporary folder (100 MB)
    python tools/build_emoji.py --packages node_modules   # from packages that are unpacked already

Writes ``emoji.csv`` and ``emoji.tar.xz`` into ``sklearn_mm/datasets/data``, or into the folder ``--output``. The same
packages give the same bytes: of the table and the tar everywhere, of its compression under the same liblzma.
"""

import argparse
import csv
import hashlib
import io
import json
import lzma
import re
import struct
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

from PIL import Image

VERSIONS = {"emoji-datasource": "16.0.0", "emoji-datasource-google": "16.0.0", "emojibase-data": "17.0.0"}
OUTPUT = Path(__file__).resolve().parent.parent / "sklearn_mm" / "datasets" / "data"

# By language, what is taken out of every name, whatever its row's class: the words of the names of the classes, with
# the function words that would be left dangling. English has all words of all class names; the other languages have
# their words for the same, as far as they occur in their names.
CLASS_WORDS = {
    "en": r"\b(?:(?:of|with) )?(?:smileys?|emotions?|people|bod(?:y|ies)|animals?|nature|foods?|drinks?|travels?"
    r"|places?|activit(?:y|ies)|objects?|symbols?|flags?)\b:?(?: (?:of|in|for)\b)?",
    "de": r"(?:\bmit )?(?:flaggen?|fahne|symbol(?:en?)?|\bessen)\b:?",
    "es": r"\b(?:con (?:la )?|de )?(?:personas|(?:banderas?|banderín|símbolos?|comida|bebida|lugar)\b:?"
    r"(?: (?:de la|del|de)\b)?)",
    "fr": r"\b(?:avec des |d’|de )?(?:drapeaux?|symboles?|animaux|aliments|boisson|lieu|personnes)\b(?: ?:)?"
    r"(?: (?:de la |de l’|de |d’|à ))?",
    "ja": r"の?(?:旗|フラッグ|シンボル|記号|スマイリー|飲み物):?の?",
    "ko": r"(?:깃발|국기|기호|사람들|음식을?|음료수?|여행용):?",
    "pt": r"\b(?:com )?(?:bandeiras?|símbolos?|comida|bebida|pessoas)\b:?(?: (?:de|da|do|no)\b)?",
    "ru": r"\b(?:флаги?|символ(?:ов)?|люди|животного|(?:для )?ед(?:ой|ы)|напиток|без эмоций)\b[:,]?",
    "zh": r"(?:有?符号的?|食物的?|食品|饮料|的?笑脸|场所|活动|旗):?",
}
LANGUAGES = tuple(language for language in CLASS_WORDS if language != "en")
UNSPACED = {"ja", "zh"}  # written without spaces between words

# What tells variants of one concept apart in their English names, besides whatever stands behind a colon.
VARIANTS = {
    "gender": "man men man’s men’s woman women woman’s women’s person people male female",
    "direction": "left right up down leftwards rightwards upwards downwards left-facing right-facing left-right "
    "up-down up-left up-right down-left down-right horizontal vertical horizontally vertically oncoming tilted pointed",
    "part": "face",
    "colour": "red orange yellow green blue purple brown pink grey white black",
    "size": "large medium medium-small small low high",
    "rank": "1st 2nd 3rd",
    "state": "open closed raised lowered done not increasing decreasing",
    "phase of the moon": "new waxing first quarter gibbous full waning last crescent",
    "currency": "yen dollar euro pound",
}
VARIANT_WORDS = {word for words in VARIANTS.values() for word in words.split()}
# Variants that share no words, by what remains of their names.
CONCEPTS = {
    "boy": "child",
    "girl": "child",
    "older": "old",
    "light heart": "heart",
    "and holding hands": "holding hands",
    "prince": "with crown",
    "princess": "with crown",
    "Santa Claus": "Claus",
    "Mrs. Claus": "Claus",
    "Mx Claus": "Claus",
    "mermaid": "merman",
    "breast-feeding": "feeding baby",
    "muted speaker": "speaker volume",
    "bell with slash": "bell",
    "unlocked": "locked",
    "airplane arrival": "airplane departure",
    "counterclockwise arrows button": "clockwise arrows",
    "reverse button": "play button",
    "fast reverse button": "fast-forward button",
    "next track button": "track button",
}


def fetch_packages(folder):
    """Download the packages with npm and unpack them into ``folder``, each under its name."""
    specs = [f"{name}@{version}" for name, version in VERSIONS.items()]
    subprocess.run(["npm", "pack", "--silent", *specs], check=True, cwd=folder)
    for name, version in VERSIONS.items():
        with tarfile.open(folder / f"{name}-{version}.tgz") as archive:
            # Python before 3.11.4 has no filters.
            safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            archive.extractall(folder / f"{name}-unpacked", **safely)
        (folder / f"{name}-unpacked" / "package").rename(folder / name)


def check_packages(folder):
    """Raise where ``folder`` does not hold the packages in the versions that the data is made from."""
    for name, version in VERSIONS.items():
        found = json.loads((folder / name / "package.json").read_text("utf-8"))["version"]
        if found != version:
            raise SystemExit(f"build_emoji needs {name} {version}, got {found} in {folder / name}.")


def read_entries(packages):
    """Return the entries of emoji-datasource that are kept, in the order of the Unicode charts.

    Left out are obsolete entries (the neutral emoji that one of the genders replaces) and the skin tones; variants
    in other skin tones are not entries of their own.
    """
    entries = json.loads((packages / "emoji-datasource" / "emoji.json").read_text("utf-8"))
    entries = [entry for entry in entries if "obsoleted_by" not in entry and entry["category"] != "Component"]
    return sorted(entries, key=lambda entry: entry["sort_order"])


def code_points(sequence):
    """Return a sequence in hexadecimal without the variation selector, which not all packages write."""
    return "-".join(point for point in sequence.split("-") if point != "FE0F")


def read_names(packages, language):
    """Return the names of emojibase-data, which are those of the Unicode CLDR, by code points."""
    rows = json.loads((packages / "emojibase-data" / language / "data.json").read_text("utf-8"))
    return {code_points(row["hexcode"]): row["label"] for row in rows}


def clean_name(name, language):
    """Return ``name`` without the words that name a class, or None where nothing remains."""
    name = " ".join(name.split())  # no-break spaces as well
    name = re.sub(CLASS_WORDS[language], "" if language in UNSPACED else " ", name, flags=re.IGNORECASE)
    return " ".join(name.split()).strip(" -") or None


def find_concept(name, subcategory):
    """Return what the variants of one concept have in common, from the English name as it is in the source."""
    if name.endswith(("o’clock", "-thirty")):
        concept = "clock face"
    elif name.endswith("button (blood type)"):
        concept = "blood type"
    elif name.startswith("globe showing"):
        concept = "globe"
    elif name.startswith("flag: "):
        concept = name
    else:
        concept = " ".join(word for word in name.split(":")[0].split() if word not in VARIANT_WORDS)
    return subcategory, CONCEPTS.get(concept, concept)


def number_groups(*keys):
    """Return one number per row, equal for rows that are equal in any of the ``keys``, by order of appearance."""
    numbers = list(range(len(keys[0])))
    for column in keys:
        first = {}
        for row, key in enumerate(column):
            low, high = sorted((numbers[row], numbers[first.setdefault(key, row)]))
            if low != high:
                numbers = [low if number == high else number for number in numbers]
    order = {number: i for i, number in enumerate(dict.fromkeys(numbers))}
    return [order[number] for number in numbers]


def encode_png(image):
    """Return the bytes of an RGBA picture as an uncompressed PNG file.

    Uncompressed, because the archive compresses better than PNG does what pictures have in common (4.5 MB instead of
    6.0), and because the bytes then depend on no version of zlib.
    """

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    width, height = image.size
    pixels = image.convert("RGBA").tobytes()
    lines = b"".join(b"\0" + pixels[i : i + 4 * width] for i in range(0, len(pixels), 4 * width))  # \0: no filter
    stored = b"\x01" + struct.pack("<HH", len(lines), len(lines) ^ 0xFFFF) + lines  # one final, stored deflate block
    stream = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(lines))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)  # 8 bits, RGBA
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


def make_archive(pictures):
    """Return the bytes of a tar.xz of the files ``pictures``, a dict of bytes by name, without dates and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in pictures.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return lzma.compress(buffer.getvalue(), preset=9)


def make_table(columns):
    """Return the bytes of a CSV file of ``columns``, a dict of lists by name; None is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return buffer.getvalue().encode("utf-8")


def build(packages):
    """Return the bytes of the files, by name, that are made from the unpacked ``packages``."""
    entries = read_entries(packages)
    folder = packages / "emoji-datasource-google" / "img" / "google" / "64"
    pictures = {}
    for entry in entries:
        with Image.open(folder / entry["image"]) as image:
            pictures[entry["image"]] = encode_png(image)
    names = {language: read_names(packages, language) for language in CLASS_WORDS}

    # The pictures are archived in the order of the charts, in which neighbours have much in common; the rows come in
    # an order without meaning, so that the first rows, and folds that are not shuffled, are fair samples.
    entries = sorted(entries, key=lambda entry: hashlib.sha256(entry["image"].encode()).digest())
    sequences = [code_points(entry["unified"]) for entry in entries]
    concepts = [find_concept(names["en"][s], entry["subcategory"]) for s, entry in zip(sequences, entries, strict=True)]
    columns = {
        "image": [entry["image"] for entry in entries],
        "category": [entry["category"] for entry in entries],
        "group": number_groups(concepts, [pictures[entry["image"]] for entry in entries]),
    }
    for language in CLASS_WORDS:
        texts = [clean_name(names[language][s], language) if s in names[language] else None for s in sequences]
        columns["text" if language == "en" else f"text_{language}"] = texts
    return {"emoji.csv": make_table(columns), "emoji.tar.xz": make_archive(pictures)}


def main(arguments=None):
    """Build from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="folder with the unpacked packages, each under its name")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder to write to")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        packages = options.packages or Path(temporary)
        if options.packages is None:
            fetch_packages(packages)
        check_packages(packages)
        files = build(packages)
    for name, content in files.items():
        (options.output / name).write_bytes(content)
        print(f"{options.output / name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
