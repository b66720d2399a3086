"""A joint space by the number of rows: what `MultimodalEmbedder` and `MultimodalRetriever` take, and how good they are.

Rows are vectors of emoji and of their names, of frozen networks (EfficientNet-lite0, all-MiniLM-L6-v2), with which a
fit begins after these have been run. *Recall* is that of a sixth of them, which is held out, by the number of rows
that were learnt from. For *times* there are as many rows as are asked for: the same vectors again and again, with
noise. More rows than 50,000 are not learnt from, and are indexed by parts in files (``folder=``).

    OMP_NUM_THREADS=1 python benchmarks/sizes.py
"""

import argparse
import re
import tempfile
import time
from pathlib import Path

import numpy as np
from _pretrained import as_blocks, embed_pictures, embed_texts
from sklearn.model_selection import GroupShuffleSplit

from sklearn_mm import MultimodalEmbedder, MultimodalRetriever
from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import ImageTransformer

AT_ONCE, TEST_SHARE = 50_000, 0.16


def show(*cells):
    """Print a row of the table."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def memory(what):
    """Return what Linux says of the memory of this process, in MB."""
    return int(re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


def timed(function):
    """Return what a function returns, its CPU seconds, and by how many MB memory grew at most."""
    Path("/proc/self/clear_refs").write_text("5")  # the largest memory so far is forgotten
    before, start = memory("VmRSS"), time.process_time()
    result = function()
    return result, time.process_time() - start, memory("VmHWM") - before


def read(size, n_rows):
    """Return vectors of pictures and names of emoji, and their groups."""
    emoji = load_emoji()
    rows = emoji.data.iloc[:n_rows]
    start = time.process_time()
    pictures = embed_pictures(ImageTransformer(size=size).fit_transform(rows["image"]))
    middle = time.process_time()
    names = embed_texts(rows["text"])
    took = [1000 * seconds / len(rows) for seconds in (middle - start, time.process_time() - middle)]
    show("encoders", f"{took[0]:.1f} ms a picture of {size} pixels, {took[1]:.1f} ms a name")
    return {"image": pictures, "text": names}, emoji.groups[: len(rows)]


def show_recall(vectors, groups, numbers):
    """Print how often a picture is among the first ten of those held out, by its name, and the other way."""
    rest, test = next(GroupShuffleSplit(1, test_size=TEST_SHARE, random_state=0).split(groups, groups=groups))
    test_rows = {name: part[test] for name, part in vectors.items()}
    numbers = sorted({min(number, len(rest)) for number in numbers})
    for number in numbers:
        some = rest[:number]
        embedder = MultimodalEmbedder(n_components=64, random_state=0).fit(
            as_blocks({k: v[some] for k, v in vectors.items()})
        )
        at_ten = []
        for item, query in (("image", "text"), ("text", "image")):
            retriever = MultimodalRetriever(embedder, blocks=item).fit(as_blocks({item: test_rows[item]}))
            queries = as_blocks({query: test_rows[query]})
            found = retriever.kneighbors(queries, min(10, len(test)), return_distance=False)
            at_ten.append(np.mean((found == np.arange(len(test))[:, None]).any(1)))
        show(
            f"learnt from {number} rows",
            f"recall@10 among {len(test)}: {at_ten[0]:.2f} by name, {at_ten[1]:.2f} by picture",
        )


def show_times(vectors, n_rows):
    """Print what it takes to learn from, to index and to search so many rows."""

    def part(start, seed):
        rng = np.random.default_rng(seed)
        rows = np.arange(start, min(start + AT_ONCE, n_rows)) % len(vectors["image"])
        noisy = {}
        for name, kept in vectors.items():
            noise = rng.standard_normal((len(rows), kept.shape[1]), dtype=np.float32)
            noisy[name] = kept[rows] + 0.1 * kept.std() * noise
        return as_blocks(noisy)

    first = part(0, 0)
    embedder, seconds, grown = timed(lambda: MultimodalEmbedder(n_components=64, random_state=0).fit(first))
    show(f"{n_rows} rows", f"learnt from {len(first)}: {seconds:.1f} s, {grown:.0f} MB")
    with tempfile.TemporaryDirectory() as folder:
        retriever = MultimodalRetriever(embedder, blocks="image", folder=folder if n_rows > AT_ONCE else None)
        seconds = 0
        for start in range(0, n_rows, AT_ONCE):
            rows = part(start, start)
            seconds += timed(lambda rows=rows: retriever.partial_fit(as_blocks({"image": rows["image"]})))[1]
        on_disk = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
        where = f", {on_disk:.0f} MB in files" if on_disk else ""
        show(f"{n_rows} rows", f"indexed: {seconds:.1f} s{where}")
        for n_queries in (1, 100):
            queries = as_blocks({"text": vectors["text"][:n_queries]})
            retriever.kneighbors(queries)
            runs = [timed(lambda queries=queries: retriever.kneighbors(queries, 10)) for _ in range(3)]
            seconds, grown = min(run[1] for run in runs), max(run[2] for run in runs)
            show(f"{n_rows} rows", f"searched by {n_queries}: {1000 * seconds:.1f} ms, {grown:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 5_000, 500_000])
    parser.add_argument("--learnt", type=int, nargs="+", default=[100, 500, 1500])
    parser.add_argument("--emoji", type=int, default=1870, help="how many of them are read")
    parser.add_argument("--size", type=int, default=64, help="of pictures, in pixels")
    arguments = parser.parse_args()
    print("| what | measured |\n|---|---|")
    vectors, groups = read(arguments.size, arguments.emoji)
    show_recall(vectors, groups, arguments.learnt)
    for n_rows in arguments.rows:
        show_times(vectors, n_rows)


if __name__ == "__main__":
    main()
