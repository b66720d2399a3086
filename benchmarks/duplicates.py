"""Near-duplicates: what `find_duplicates` finds again of changed copies, what it mistakes for one, and what it costs.

Copies of pictures and texts are made, so that it is known which there are. The emoji that ship with the package are
flat drawings, of which many differ in little; ``--pictures`` takes folders of photographs, ``--texts`` files with a
text a line. Time is that of one process, of comparing beside reading.

    python benchmarks/duplicates.py --pictures FOLDER ... --texts FILE
"""

import argparse
import gzip
import io
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageEnhance

from sklearn_mm import ImageInput, find_duplicates
from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import ImageTransformer

THRESHOLDS = (0.6, 0.7, 0.75, 0.8, 0.9)
TEXT_THRESHOLDS = (0.5, 0.6, 0.65, 0.7, 0.8)


def opened(path):
    """Return a picture on white."""
    picture = Image.open(path).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def file_of(picture, kind="JPEG", **options):
    with io.BytesIO() as file:
        picture.save(file, kind, **{"quality": 90, **options})
        return file.getvalue()


def cut(picture, left, upper, right, lower):
    width, height = picture.size
    return picture.crop(
        (round(left * width), round(upper * height), round((1 - right) * width), round((1 - lower) * height))
    )


def scaled(picture, factor, resample=Image.Resampling.BICUBIC):
    return picture.resize([max(8, round(side * factor)) for side in picture.size], resample)


def turned_with_tag(picture, rng):
    exif = Image.Exif()
    exif[0x112] = 6
    return file_of(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


def marked(picture, rng):
    picture = picture.copy()
    place = picture.width * 0.05, picture.height * 0.9
    ImageDraw.Draw(picture).text(place, "© shop.example.com", fill="white", stroke_width=1, stroke_fill="black")
    return file_of(picture)


def several(picture, rng):
    picture = scaled(cut(picture, *rng.uniform(0, 0.06, 4)), rng.uniform(0.4, 1.5))
    return file_of(ImageEnhance.Brightness(picture).enhance(rng.uniform(0.8, 1.2)), quality=int(rng.integers(40, 90)))


def one_side(share):
    return lambda picture, rng: file_of(cut(picture, *np.where(np.arange(4) == rng.integers(4), share, 0)))


def enhanced(kind, factor):
    return lambda picture, rng: file_of(kind(picture).enhance(factor))


CHANGES = {
    "JPEG, quality 75": lambda picture, rng: file_of(picture, quality=75),
    "JPEG, quality 30": lambda picture, rng: file_of(picture, quality=30),
    "JPEG, quality 10": lambda picture, rng: file_of(picture, quality=10),
    "WebP, quality 50": lambda picture, rng: file_of(picture, "WEBP", quality=50),
    "half the size": lambda picture, rng: file_of(scaled(picture, 0.5)),
    "a third, unfiltered": lambda picture, rng: file_of(scaled(picture, 1 / 3, Image.Resampling.NEAREST)),
    "twice the size": lambda picture, rng: file_of(scaled(picture, 2)),
    "orientation in a tag": turned_with_tag,
    "2 % cut off each side": lambda picture, rng: file_of(cut(picture, *[0.02] * 4)),
    "5 % cut off each side": lambda picture, rng: file_of(cut(picture, *[0.05] * 4)),
    "10 % cut off each side": lambda picture, rng: file_of(cut(picture, *[0.1] * 4)),
    "5 % cut off one side": one_side(0.05),
    "10 % cut off one side": one_side(0.1),
    "brightness × 0.7": enhanced(ImageEnhance.Brightness, 0.7),
    "brightness × 1.3": enhanced(ImageEnhance.Brightness, 1.3),
    "contrast × 0.75": enhanced(ImageEnhance.Contrast, 0.75),
    "colour × 0.5": enhanced(ImageEnhance.Color, 0.5),
    "grey": lambda picture, rng: file_of(picture.convert("L")),
    "words across": marked,
    "several of these": several,
}


def typo(text, rng):
    place, letter = rng.integers(len(text)), "abcdefghijklmnopqrstuvwxyz"[rng.integers(26)]
    return text[:place] + (letter, "", letter + text[place : place + 1])[rng.integers(3)] + text[place + 1 :]


def without_a_word(text, rng):
    words = text.split()
    del words[rng.integers(len(words))]
    return " ".join(words) or text


TEXT_CHANGES = {
    "upper case, no punctuation": lambda text, rng: "".join(c for c in text if c.isalnum() or c == " ").upper(),
    "one typo": typo,
    "two typos": lambda text, rng: typo(typo(text, rng), rng),
    "a word less": without_a_word,
    "a word more": lambda text, rng: f"{text} again",
}


def shares(found, n, column, thresholds):
    """Return the share of rows whose copy, n rows on, is found at each threshold."""
    pairs = found.pairs[found.pairs["second"] - found.pairs["first"] == n]
    return [(pairs[column] >= threshold).mean() * len(pairs) / n if len(pairs) else 0.0 for threshold in thresholds]


def report(title, column, originals, changes, sample, thresholds, find):
    """Print what is found among different originals, and of copies of a sample of them, by threshold."""
    pairs = find(originals).pairs
    n = len(originals)
    print(f"\n{title}: {n} rows, {n * (n - 1) // 2} pairs; {(pairs[column] == 1).sum()} of equal ones")
    print("| threshold |", " | ".join(map(str, thresholds)), "|\n|---|" + "---|" * len(thresholds))
    mistaken = [((pairs[column] >= threshold) & (pairs[column] < 1)).sum() for threshold in thresholds]
    print("| other pairs found |", " | ".join(map(str, mistaken)), "|")
    chosen = np.random.default_rng(0).choice(n, min(n, sample), replace=False)
    some = [originals[i] for i in chosen]
    for name, change in changes.items():
        rng = np.random.default_rng(1)
        found = find([*some, *(change(one, rng) for one in some)])
        print(f"| {name} |", " | ".join(f"{share:.3f}" for share in shares(found, len(some), column, thresholds)), "|")


def seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def measure_time(files):
    image = ImageInput("picture", transformer=ImageTransformer(n_jobs=1))
    reading = seconds(lambda: ImageTransformer(32, resize="stretch", n_jobs=1).fit_transform(files))
    whole = seconds(lambda: find_duplicates(pd.DataFrame({"picture": files}), image=image))
    print(f"\n{len(files)} files: {reading:.2f} s to read them, {whole:.2f} s in all, {whole / reading:.2f} times")


def find_pictures(pictures):
    return find_duplicates(pd.DataFrame({"picture": pictures}), image="picture", image_threshold=THRESHOLDS[0])


def find_texts(texts):
    return find_duplicates(pd.DataFrame({"text": texts}), text="text", text_threshold=TEXT_THRESHOLDS[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", nargs="*", default=[], help="folders of photographs")
    parser.add_argument("--texts", nargs="*", default=[], help="files with a text a line, also .gz")
    parser.add_argument("--sample", type=int, default=300, help="originals that are copied")
    parser.add_argument("--emoji", type=int, default=1870, help="emoji that are compared")
    parser.add_argument("--rows", type=int, default=10_000, help="pictures of which the time is measured")
    arguments = parser.parse_args()

    emoji = load_emoji().data[: arguments.emoji]
    sets = {"emoji": list(emoji["image"])}
    sets |= {
        folder: sorted(p for p in Path(folder).rglob("*") if p.suffix in (".jpg", ".png"))
        for folder in arguments.pictures
    }
    for name, paths in sets.items():
        report(name, "picture", [opened(path) for path in paths], CHANGES, arguments.sample, THRESHOLDS, find_pictures)
    lists = {"names of emoji": list(dict.fromkeys(emoji["text"]))}
    for file in arguments.texts:
        with (gzip.open if file.endswith(".gz") else open)(file, "rt", encoding="utf-8") as content:
            lists[file] = list(dict.fromkeys(line.strip() for line in content if line.strip()))
    for name, texts in lists.items():
        report(name, "text", texts, TEXT_CHANGES, 10 * arguments.sample, TEXT_THRESHOLDS, find_texts)
        spent = seconds(lambda texts=texts: find_duplicates(pd.DataFrame({"text": texts}), text="text"))
        print(f"{len(texts)} texts at the default threshold: {spent:.2f} s")

    # Parts of pictures, each another one, so that there are enough.
    paths = next((paths for name, paths in sets.items() if name in arguments.pictures), sets["emoji"])
    originals, rng, files = [opened(path) for path in paths], np.random.default_rng(0), []
    while len(files) < arguments.rows:
        left, upper = rng.uniform(0, 0.5, 2)
        part = cut(originals[len(files) % len(originals)], left, upper, 0.5 - left, 0.5 - upper)
        files.append(file_of(part.resize((256, 192))))
    measure_time(files)


if __name__ == "__main__":
    main()
