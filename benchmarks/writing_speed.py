"""Training and writing of a generator beside a tight PyTorch loop and transformers, as ratios.

"train": the estimator beside a hand-written loop over the same module and the same batches, which are ready in memory.
"write": `predict` of sentences that all have ``--tokens`` tokens, beside ``generate`` of a BART of the same size from
transformers, where that is installed; beside writing without what the decoder has kept of the tokens so far (a cache of
keys and values); and by a beam of five beside greedily. "memory": the peak of a process that writes few rows and many.
All by one thread if ``OMP_NUM_THREADS=1``. Ratios are medians over rounds, because machines are noisy.

    python benchmarks/writing_speed.py
"""

import argparse
import importlib.util
import multiprocessing
import resource
import statistics
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from sklearn_mm import MultimodalGenerator, TextInput
from sklearn_mm.decoders import BeamSearch, GreedySearch, TransformerDecoder
from sklearn_mm.decoders._writer import Limits, Writer
from sklearn_mm.encoders import SelfAttentionEncoder
from sklearn_mm.preprocessing import TextTransformer
from sklearn_mm.training._dataset import BatchIterator
from sklearn_mm.training._net import parameter_groups, to_tensor

N_WORDS, WIDTH, LAYERS, HEADS, MLP_RATIO = 4000, 128, 4, 4, 2


def make_rows(n_rows, rng, n_words=12):
    """Return sentences and others of about as many words, drawn as words of a language are: few of them often."""
    ranks = np.minimum(rng.zipf(1.3, (2, n_rows, n_words)), N_WORDS)
    lengths = rng.integers(n_words // 2, n_words + 1, (2, n_rows))
    return [
        [" ".join(f"w{rank}" for rank in row[:length]) for row, length in zip(*part, strict=True)]
        for part in zip(ranks, lengths, strict=True)
    ]


def make_generator(**parameters):
    tokens = TextTransformer("word", vocab_size=N_WORDS)
    encoder = SelfAttentionEncoder(n_layers=LAYERS, width=WIDTH, n_heads=HEADS, mlp_ratio=MLP_RATIO)
    decoder = TransformerDecoder(n_layers=LAYERS, width=WIDTH, n_heads=HEADS, mlp_ratio=MLP_RATIO)
    settings = {"lr_schedule": "constant", "weight_averaging": None, "early_stopping": False, "random_state": 0}
    return MultimodalGenerator(
        text=TextInput("text", transformer=tokens, encoder=encoder),
        decoder=decoder,
        target_transformer=tokens,
        **{**settings, **parameters},
    )


def train_by_hand(generator, batches):
    """Train for an epoch over batches that are ready, and return the seconds."""
    network, objective = generator.net_.module_.train(), generator.net_.criterion_
    groups = parameter_groups(network, generator.lr, generator.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=generator.lr, fused=True)
    start = time.perf_counter()
    for batch in batches:
        loss = objective.loss(network(batch), batch, network.top).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def ready_batches(generator, X, y):
    """Return the batches of an epoch, as the estimator puts them together."""
    network = generator.net_.module_
    blocks = generator.transformer_.transform(X)
    rows = generator._read_rows(blocks, y, generator._encode_target(y), None, fitted=True)
    dataset = rows.dataset(generator._target, generator.net_.criterion_)
    encoders = network.encoders
    dataset = replace(dataset, trim=encoders.trimmed_blocks(), group=encoders.grouped_blocks())
    return [to_tensor(batch.data, device="cpu") for batch in BatchIterator(dataset, generator.net_.batch_size, True)]


def transformers_model():
    """Return a BART of the size of our network, with random weights."""
    from transformers import BartConfig, BartForConditionalGeneration

    config = BartConfig(
        vocab_size=N_WORDS + 2,
        d_model=WIDTH,
        encoder_layers=LAYERS,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=MLP_RATIO * WIDTH,
        decoder_ffn_dim=MLP_RATIO * WIDTH,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=N_WORDS,
        eos_token_id=N_WORDS + 1,
        decoder_start_token_id=N_WORDS,
        forced_eos_token_id=None,
    )
    return BartForConditionalGeneration(config).eval()


def write_without_cache(generator, batches, n_tokens):
    target = generator._target
    limits = Limits(target.start_id, target.end_id, n_tokens, n_tokens, never=(0, 1))
    network = generator.net_.module_.eval()
    with torch.inference_mode():
        for batch in batches:
            memory = network.top.remember(*network.encoders.encode(batch), batch)
            GreedySearch().write(Writer(network.top.decoder, memory, caches=False), limits, None)


def timed(function):
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def ratio(ours, other, repeats):
    """Return the medians of the seconds of two calls, and of the second one's beside the first one's."""
    ours(), other()  # what is loaded once
    rounds = [((ours() + ours()) / 2, other()) for _ in range(repeats)]
    own, others = (statistics.median(part) for part in zip(*rounds, strict=True))
    return own, others, statistics.median(second / first for first, second in rounds)


def peak_of_writing(n_rows, n_tokens, queue):
    """Put the peak of the memory of a process that writes so many rows, in MB."""
    X, y = make_rows(300, np.random.default_rng(0))
    generator = make_generator(max_epochs=1, search="greedy").fit(pd.DataFrame({"text": X}), y)
    generator.set_params(min_new_tokens=n_tokens, max_new_tokens=n_tokens)
    generator.predict(pd.DataFrame({"text": (X * (n_rows // len(X) + 1))[:n_rows]}))
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--parts", nargs="+", default=["train", "write", "memory"], choices=["train", "write", "memory"]
    )
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    sources, y = make_rows(arguments.rows, rng)
    X = pd.DataFrame({"text": sources})
    generator = make_generator(max_epochs=1).fit(X, y)
    n, n_tokens, repeats = len(X), arguments.tokens, arguments.repeats
    print(f"{n} rows, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("| | seconds | of the other | the other's / ours |\n|---|---|---|---|")

    def report(name, ours, other, number=repeats):
        print("| {} | {:.2f} | {:.2f} | {:.2f} |".format(name, *ratio(ours, other, number)), flush=True)

    if "train" in arguments.parts:
        batches = ready_batches(generator, X, y)
        report(
            "train, beside a loop by hand",
            lambda: sum(row["seconds"] for row in generator.fit(X, y).history_),
            lambda: train_by_hand(generator, batches),
        )
    if "write" in arguments.parts:
        greedy = make_generator(max_epochs=1, search="greedy").fit(X, y)
        greedy.set_params(min_new_tokens=n_tokens, max_new_tokens=n_tokens)
        batches = ready_batches(greedy, X, y)
        write = lambda: timed(lambda: greedy.set_params(search="greedy").predict(X))  # noqa: E731
        if importlib.util.find_spec("transformers"):
            model, size = transformers_model(), greedy.net_.batch_size
            ids = torch.from_numpy(greedy.transformer_.transform(X)["text"]).long()

            def write_by_transformers():
                with torch.inference_mode():
                    for rows in torch.arange(n).split(size):
                        model.generate(
                            ids[rows],
                            attention_mask=(ids[rows] != 0).long(),
                            max_new_tokens=n_tokens,
                            min_new_tokens=n_tokens,
                            do_sample=False,
                            num_beams=1,
                        )

            report("write, beside transformers", write, lambda: timed(write_by_transformers))
        report(
            "write, beside no cache", write, lambda: timed(lambda: write_without_cache(greedy, batches, n_tokens)), 1
        )
        beam = greedy.__copy__().set_params(search=BeamSearch(5))
        report("write greedily, beside a beam of 5", write, lambda: timed(lambda: beam.predict(X)))
    if "memory" in arguments.parts:
        context, peaks = multiprocessing.get_context("spawn"), []
        for n_rows in (arguments.rows // 4, 4 * arguments.rows):
            queue = context.Queue()
            process = context.Process(target=peak_of_writing, args=(n_rows, n_tokens, queue))
            process.start()
            peaks.append((n_rows, queue.get()))
            process.join()
        print("peak of a process: " + ", ".join(f"{peak:.0f} MB for {n_rows} rows" for n_rows, peak in peaks))


if __name__ == "__main__":
    main()
