"""Ways to keep decoded pictures: what it costs to write one, to find it again, and to read a batch at random.

"segments" is what ``memory=`` does: rows appended to a file, an index with checksums beside it, batches from a memory
map. The others are what one would reach for first: a file per picture, a table of SQLite, a call of `joblib.Memory` per
picture. All write and read the same rows, in turn; "decode" is what keeping saves.

    python benchmarks/stores.py
"""

import argparse
import io
import os
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
from PIL import Image

from sklearn_mm.preprocessing import BlockStore
from sklearn_mm.storage._content_keys import hash_rows
from sklearn_mm.storage._fetch import fetch
from sklearn_mm.storage._segment_folder import _open_folder

BATCH = 64


def in_segments(folder, keys, rows):
    """Keep rows in a `BlockStore`; return a function that finds all, and one that reads some."""

    def find():
        return fetch(BlockStore(folder), "picture", (), rows.dtype, rows.shape[1:], keys, make)

    def make(some):
        there = np.ones(len(some), dtype=bool)
        return rows[some], there, there

    find()
    _open_folder.cache_clear()  # as another process would find them
    return find, lambda found, some: np.asarray(found[some])


def in_segments_without_map(folder, keys, rows):
    """Keep rows as above, and read a batch by a call per row."""
    find, _ = in_segments(folder, keys, rows)

    def read(found, some):
        batch = np.empty((len(some), *rows.shape[1:]), dtype=rows.dtype)
        file = os.open(found.sources[0].path, os.O_RDONLY)
        for row, place in zip(batch, found.rows[some].tolist(), strict=True):
            os.preadv(file, [row], place * row.nbytes)
        os.close(file)
        return batch

    return find, read


def in_files(folder, keys, rows):
    """Keep each row in a file."""
    paths = [Path(folder) / f"{key.hex()}.npy" for key in keys.tolist()]
    for path, row in zip(paths, rows, strict=True):
        np.save(path, row)
    return lambda: [path for path in paths if path.exists()], lambda found, some: np.stack(
        [np.load(found[place]) for place in some]
    )


def in_sqlite(folder, keys, rows):
    """Keep rows as blobs of a table."""
    base = sqlite3.connect(Path(folder) / "rows.db")
    base.execute("CREATE TABLE rows (key BLOB PRIMARY KEY, row BLOB)")
    base.executemany("INSERT INTO rows VALUES (?, ?)", zip(keys.tolist(), (row.tobytes() for row in rows), strict=True))
    base.commit()
    query = "SELECT row FROM rows WHERE key = ?"

    def find():
        there = {key for (key,) in base.execute("SELECT key FROM rows")}
        return [key for key in keys.tolist() if key in there]

    def read(found, some):
        blobs = b"".join(base.execute(query, (found[place],)).fetchone()[0] for place in some)
        return np.frombuffer(blobs, rows.dtype).reshape(len(some), *rows.shape[1:])

    return find, read


def in_joblib(folder, keys, rows):
    """Keep rows as results of a cached function."""
    by_key = dict(zip(keys.tolist(), rows, strict=True))
    decode = joblib.Memory(folder, verbose=0).cache(lambda key: by_key[key])
    names = keys.tolist()
    for key in names:
        decode(key)
    return lambda: [key for key in names if decode.check_call_in_cache(key)], lambda found, some: np.stack(
        [decode(found[place]) for place in some]
    )


def decoding(rows):
    """Return the seconds that it takes to decode pictures of twice the size, one after the other."""
    contents = []
    for row in rows[:100]:
        buffer = io.BytesIO()
        Image.fromarray(row).resize((2 * row.shape[1], 2 * row.shape[0])).save(buffer, "JPEG")
        contents.append(buffer)
    start = time.perf_counter()
    for content in contents:
        np.asarray(Image.open(content).resize(rows.shape[1:3]))
    return (time.perf_counter() - start) / len(contents)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    rows = rng.integers(256, size=(arguments.rows, arguments.size, arguments.size, 3), dtype=np.uint8)
    keys = hash_rows(rows)
    ways = {
        "segments": in_segments,
        "segments, by pread": in_segments_without_map,
        "a file each": in_files,
        "SQLite": in_sqlite,
        "joblib.Memory": in_joblib,
    }
    seconds = {name: ([], [], []) for name in ways}
    for _ in range(arguments.repeats):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                find, read = way(folder, keys, rows)
                written = time.perf_counter()
                found = find()
                ready = time.perf_counter()
                orders = [rng.integers(len(rows), size=BATCH) for _ in range(20)]
                begun = time.perf_counter()
                batches = [read(found, order) for order in orders]
                done = time.perf_counter()
                for order, batch in zip(orders, batches, strict=True):
                    np.testing.assert_array_equal(batch, rows[order])
                for values, value in zip(
                    seconds[name],
                    ((written - start) / len(rows), (ready - written) / len(rows), (done - begun) / 20 / BATCH),
                    strict=True,
                ):
                    values.append(value)

    print(f"{len(rows)} rows of {rows[0].nbytes} bytes; decoding one: {decoding(rows) * 1e6:.0f} µs")
    steps = ["write", "find in a new process", "read in a random batch"]
    print(f"| way | {' | '.join(steps)} | {' | '.join(f'{step} / segments' for step in steps)} |\n|{'---|' * 7}")
    medians = {name: [statistics.median(part) for part in parts] for name, parts in seconds.items()}
    for name, values in medians.items():
        times = [f"{value * 1e6:.1f} µs" for value in values]
        ratios = [f"{value / least:.2f}" for value, least in zip(values, medians["segments"], strict=True)]
        print(f"| {name} | {' | '.join(times + ratios)} |")


if __name__ == "__main__":
    main()
