"""JPEG files to small pictures: `ImageTransformer` beside other libraries, and beside bare decoding.

Each way reads the same files in memory and gives a picture of ``--size`` pixels, cut to a square and filtered. "bare"
decodes to the smallest of libjpeg-turbo's scales that suffices, and does nothing else: no way can be faster. Packages
that are not installed are left out (``pip install simplejpeg PyTurboJPEG opencv-python-headless kornia-rs``;
PyTurboJPEG needs the library libturbojpeg too).

    python benchmarks/decoders.py
"""

import argparse
import importlib
import io
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import joblib
import numpy as np
from PIL import Image

from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.image._decode import decode
from sklearn_mm.preprocessing.image._framing import Framing

ORIGINAL = (1024, 768)


def make_files(n_files, rng):
    """Return JPEG files of pictures whose detail falls off with its frequency, as that of photographs does."""
    width, height = ORIGINAL
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width)) + 1 / width
    files = []
    for _ in range(n_files):
        waves = rng.normal(size=(3, *frequency.shape)) + 1j * rng.normal(size=(3, *frequency.shape))
        picture = np.fft.irfft2(waves / frequency**1.2, (height, width)).transpose(1, 2, 0)
        picture = 127 + 45 * (picture - picture.mean()) / picture.std()
        files.append(io.BytesIO())
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(files[-1], "JPEG", quality=85)
    return [file.getvalue() for file in files]


def square(image, size):
    """Return a Pillow image cut to a square of that size."""
    side = min(image.size)
    left, upper = (image.width - side) / 2, (image.height - side) / 2
    box = (left, upper, left + side, upper + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0))


def pillow(content, size):
    return square(Image.open(io.BytesIO(content)).convert("RGB"), size)


def simplejpeg(content, size, library):
    return square(Image.fromarray(library.decode_jpeg(content, "RGB", min_height=2 * size, min_width=2 * size)), size)


def bare(content, size, library):
    return library.decode_jpeg(content, "RGB", min_height=2 * size, min_width=2 * size)


def turbojpeg(content, size, library):
    scale = (1, 1)
    while scale[1] < 8 and min(ORIGINAL) / (2 * scale[1]) >= 2 * size:
        scale = (1, 2 * scale[1])
    return square(Image.fromarray(library.decode(content, library.RGB, scaling_factor=scale)), size)


def opencv(content, size, library):
    flag = library.IMREAD_COLOR
    for factor in (2, 4, 8):
        if min(ORIGINAL) / factor >= 2 * size:
            flag = getattr(library, f"IMREAD_REDUCED_COLOR_{factor}")
    picture = library.imdecode(np.frombuffer(content, np.uint8), flag)
    side = min(picture.shape[:2])
    upper, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    small = library.resize(picture[upper : upper + side, left : left + side], (size, size), interpolation=3)
    return library.cvtColor(small, library.COLOR_BGR2RGB)


def kornia(content, size, library):
    picture = library.io.decode_image_jpegturbo(content, "rgb")
    return square(Image.fromarray(np.asarray(picture)), size)


def ways(size):
    """Return the ways whose packages are there."""
    framing = Framing((size, size), "crop", None, 0.0, "RGB", (255, 255, 255))
    found = {"sklearn-mm": lambda content: decode(content, framing), "Pillow": partial(pillow, size=size)}
    for name, module, function in [
        ("bare", "simplejpeg", bare),
        ("simplejpeg", "simplejpeg", simplejpeg),
        ("PyTurboJPEG", "turbojpeg", turbojpeg),
        ("OpenCV", "cv2", opencv),
        ("kornia-rs", "kornia_rs", kornia),
    ]:
        try:
            library = importlib.import_module(module)
            if name == "PyTurboJPEG":
                library = library.TurboJPEG()
                library.RGB = importlib.import_module(module).TJPF_RGB
            elif name == "OpenCV":
                library.setNumThreads(1)
            found[name] = partial(function, size=size, library=library)
        except (ImportError, RuntimeError) as error:
            print(f"{name} is left out: {error}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--folder", type=Path, help="JPEG files to read instead of generated ones")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()

    if arguments.folder is None:
        files = make_files(arguments.files, np.random.default_rng(0))
    else:
        files = [path.read_bytes() for path in sorted(arguments.folder.glob("*.jpg"))[: arguments.files]]
    n_cores = joblib.cpu_count()
    found = ways(arguments.size)
    whole = ImageTransformer(arguments.size).fit(files[:1])
    seconds = {name: ([], []) for name in [*found, "ImageTransformer"]}
    with ThreadPoolExecutor(n_cores) as pool:
        for _ in range(arguments.repeats):
            for name, way in found.items():
                start = time.perf_counter()
                for content in files:
                    way(content)
                between = time.perf_counter()
                list(pool.map(way, files))
                seconds[name][0].append(between - start)
                seconds[name][1].append(time.perf_counter() - between)
            start = time.perf_counter()
            whole.transform(files)
            seconds["ImageTransformer"][1].append(time.perf_counter() - start)

    medians = {name: [statistics.median(part) if part else None for part in parts] for name, parts in seconds.items()}
    reference = medians.get("bare", medians["Pillow"])
    print(f"{len(files)} files of {sum(map(len, files)) / len(files) / 1e3:.0f} kB to {arguments.size} pixels")
    print(
        f"| way | ms per picture, 1 thread | ms, {n_cores} threads | time / bare, 1 thread | "
        f"time / bare, {n_cores} threads |\n|---|---|---|---|---|"
    )
    for name, values in medians.items():
        times = ["" if value is None else f"{value / len(files) * 1e3:.2f}" for value in values]
        ratios = ["" if v is None else f"{v / r:.2f}" for v, r in zip(values, reference, strict=True)]
        print(f"| {name} | {' | '.join(times + ratios)} |")


if __name__ == "__main__":
    main()
