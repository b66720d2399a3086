"""Texts by the decoder of a pretrained encoder-decoder (T5, Marian, Whisper, BLIP, VisionEncoderDecoder)."""

import warnings
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.nn as nn

from sklearn_mm.decoders._base import Decoder
from sklearn_mm.decoders._decoder_half import DecoderSource, decoder_half, longest_text
from sklearn_mm.decoders._generation_settings import generation_settings
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.encoders.pretrained._checkpoint_formats import open_checkpoint
from sklearn_mm.encoders.pretrained._checkpoints import Checkpoint
from sklearn_mm.encoders.pretrained._encoder import LEARNING_RATES, is_frozen_leaf
from sklearn_mm.encoders.pretrained._folders import CheckpointError
from sklearn_mm.encoders.pretrained._layer_groups import layer_groups
from sklearn_mm.encoders.pretrained._loaded import find_transformer, origin
from sklearn_mm.encoders.pretrained._loading import load_encoder_decoder, writes
from sklearn_mm.encoders.pretrained._text_reading import text_reading
from sklearn_mm.utils._held_module import HeldModule, hold
from sklearn_mm.utils._shared_module import adopt, share
from sklearn_mm.utils._tokenizers import content_of, model_ids
from sklearn_mm.utils._validation import Interval, StrOptions

if TYPE_CHECKING:
    from sklearn_mm.encoders import Features
    from sklearn_mm.networks._block_encoders import BlockEncoders

__all__ = ["PretrainedDecoder"]

_KINDS = ("text", "image", "audio")  # that encoders of such models read
_IMPROBABLE = 50.0  # how much less than all, as a logit, what is never written gets: label smoothing wants it finite


class PretrainedDecoder(Decoder):
    """Let the decoder of a pretrained encoder-decoder write: translation, summaries, captions, transcripts.

    It stands in for the whole: where the estimator names no other encoder, blocks of the kind that the checkpoint reads
    are read by its encoder, and what this says is all that the decoder sees. With nothing trained, texts are those of
    the checkpoint. It brings its own tokenizer, and what its texts begin and end with.

    Parameters
    ----------
    model : str, path or torch.nn.Module
        A folder as ``save_pretrained`` of transformers writes it, the name of a repository on the Hugging Face hub, or
        a loaded model: an encoder-decoder with a head that writes, such as ``T5ForConditionalGeneration``,
        ``MarianMTModel``, ``WhisperForConditionalGeneration``, ``VisionEncoderDecoderModel`` and
        ``BlipForConditionalGeneration``.
    trainable : {"none", "lora", "all"}, default="none"
        What is trained. "none" leaves all as it is. "lora" adds small matrices to each linear map, which alone are
        trained (needs peft). "all" trains everything. It holds for the encoder, too, unless that is named otherwise.
    prompt : str, default=None
        What stands before each text, after the token that it begins with, such as the language
        (``"<|de|><|transcribe|><|notimestamps|>"`` of a Whisper of many). It is not written. None is what the
        checkpoint's own ``generation_config.json`` says.
    lr : "auto" or float, default="auto"
        Learning rate of the last layer: "auto" is 1e-3 for "lora", 1e-4 for "all".
    layer_decay : float, default=0.9
        Factor of the learning rate from each layer to the one below, for "all".
    lora_rank : int, default=8
        Rank of the matrices of "lora". Larger fits more.
    weights : {"embed", "reference"}, default="embed"
        Whether pickles hold the weights, once, or where they came from and their hash.
    revision : str, default=None
        Commit, tag or branch of a repository on the hub.
    trust_remote_code : bool, default=False
        Whether to run code that a checkpoint brings. It may do anything.

    See Also
    --------
    sklearn_mm.encoders.PretrainedEncoder : The other half.

    Notes
    -----
    Blocks of other encoders join in by a linear map that is learnt, to tokens as those of the checkpoint's encoder are.
    Decoders that cannot leave tokens out, as Whisper's, get a single one of each such block.

    Of generation_config.json it takes start, end, forced and suppressed tokens. How many texts are looked at, and how
    long they may be, the estimator's ``search`` and ``max_new_tokens`` say.

    References
    ----------
    Raffel et al.: Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer. JMLR 2020.

    Rothe, Narayan, Severyn: Leveraging Pre-trained Checkpoints for Sequence Generation Tasks. TACL 2020.

    Examples
    --------
    >>> from sklearn_mm import MultimodalGenerator
    >>> from sklearn_mm.decoders import PretrainedDecoder
    >>> MultimodalGenerator(decoder=PretrainedDecoder("models/t5-small", trainable="lora"))
    MultimodalGenerator(decoder=PretrainedDecoder(model='models/t5-small', trainable='lora'))
    """

    _parameter_constraints = {
        "model": [str, PathLike, nn.Module],
        "trainable": [StrOptions({"none", "lora", "all"})],
        "prompt": [str, None],
        "lr": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "lora_rank": [Interval(Integral, 1, None, closed="left")],
        "weights": [StrOptions({"embed", "reference"})],
        "revision": [str, None],
        "trust_remote_code": ["boolean"],
    }

    def __init__(
        self,
        model: str | PathLike | nn.Module,
        *,
        trainable: str = "none",
        prompt: str | None = None,
        lr: str | float = "auto",
        layer_decay: float = 0.9,
        lora_rank: int = 8,
        weights: str = "embed",
        revision: str | None = None,
        trust_remote_code: bool = False,
    ):
        self.model = model
        self.trainable = trainable
        self.prompt = prompt
        self.lr = lr
        self.layer_decay = layer_decay
        self.lora_rank = lora_rank
        self.weights = weights
        self.revision = revision
        self.trust_remote_code = trust_remote_code

    def __sklearn_clone__(self):
        """Return a decoder with the same model: it may be large, and searches clone often."""
        return type(self)(**self.get_params(deep=False))

    @property
    def model(self) -> str | PathLike | nn.Module:
        return self._held.module if isinstance(self._held, HeldModule) else self._held

    @model.setter
    def model(self, model):
        self._held = hold(model)

    @property
    def held_parameters(self):
        """Holders of those parameters that are copied when they are asked for, by name."""
        return {"model": self._held}

    @property
    def reading(self) -> dict[str, Any]:
        """The tokenizer, and how long texts may be."""
        model, folder = self._load(), self._folder  # if it cannot write, that is to be said first
        if folder is None:
            raise ValueError(
                f"PretrainedDecoder({self._name}): nothing says how the model reads and writes texts: it was loaded "
                f"from {self.model.config._name_or_path!r}, which is no local folder. Save it and its tokenizer by "
                "save_pretrained(folder), and give that folder."
            )
        reading = text_reading(folder)
        longest = longest_text(model) - len(self._settings(model, reading["tokenizer"]).prompt)
        return {**reading, "special_tokens": False, "max_length": min(reading["max_length"], longest)}

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Tokens that say nothing."""
        added = self.reading["tokenizer"].get_added_tokens_decoder().values()
        return tuple(token.content for token in added if token.special)

    @property
    def encoders(self) -> dict[str, PretrainedEncoder]:
        """The other half of the model, by the kinds of blocks that it reads."""
        names = ("trainable", "layer_decay", "lora_rank", "weights", "revision", "trust_remote_code")
        encoder = PretrainedEncoder(self.model, lr=self.lr, **{name: getattr(self, name) for name in names})
        return {kind: encoder.for_kind(kind) for kind in _KINDS if encoder.reads_kind(kind)}

    @property
    def frozen(self) -> bool:
        """Whether nothing of it is trained."""
        return self.trainable == "none" and not self.projections

    @property
    def frozen_modules(self) -> list[nn.Module]:
        """The parts that training leaves as they are."""
        if self.trainable == "none":
            return [self.network]
        return [module for module in self.network.modules() if is_frozen_leaf(module)]

    def meet(self, encoders: "BlockEncoders") -> None:
        """Find the blocks that the other half of the model reads."""
        self._own_blocks = [
            name
            for name in encoders.names
            if isinstance(encoders[name], PretrainedEncoder)
            and encoders.pooling(name) is None
            and encoders[name].is_half_of(self._held, self._folder)
        ]
        if encoders.names and not self._own_blocks:
            warnings.warn(
                f"PretrainedDecoder: none of the blocks {encoders.names} is read by the encoder of {self._name}, and "
                "what they say has to be learnt. Name the column that it is for, as in text='title', and no other "
                "encoder.",
                stacklevel=2,
            )

    def build(self, widths: dict[str, int], token_widths: dict[str, int], n_ids: int) -> Self:
        model = self._load()
        half = decoder_half(model, adopt if self._is_named else share)
        self.network = half.trained(self.trainable, self.lora_rank)
        if self.weights == "reference":
            self.network.source = self._source()
        self._map_ids(model, n_ids)
        self._names = list(token_widths)
        self._others = [name for name in self._names if name not in self._own_blocks]
        theirs = token_widths if half.takes_mask else widths
        self.projections = nn.ModuleList(nn.Linear(theirs[name], half.width) for name in self._others)
        return self.train(self.training)

    def _map_ids(self, model, n_ids):
        """Learn which of the model's ids each id of a text stands for, and which are not written."""
        tokenizer = self.reading["tokenizer"]
        ids = torch.from_numpy(model_ids(tokenizer).copy())
        n_logits = self.network.n_ids
        if n_ids != len(ids) + 2 or ids.max() >= n_logits:
            raise ValueError(
                f"PretrainedDecoder: {self._name} writes {n_logits} tokens, its tokenizer has {len(ids) - 1} with ids "
                f"up to {ids.max()}, and the texts are of {n_ids - 3}. Leave target_transformer='auto', which takes "
                "the tokenizer of the folder, and give a folder whose tokenizer is that of the model."
            )
        settings = self._settings(model, tokenizer)
        start, end = torch.tensor([settings.prompt[-1]]), torch.tensor([settings.end])
        written = torch.cat([ids.masked_fill(ids == settings.end, -1), end, -torch.ones_like(start)])
        unwritten = torch.ones(n_logits, dtype=torch.bool)
        unwritten[written[written >= 0]] = False
        self.register_buffer("before", torch.tensor(settings.prompt[:-1], dtype=torch.int64))
        self.register_buffer("read", torch.cat([ids.where(ids >= 0, end), end, start]))
        self.register_buffer("written", written.clamp(min=0))
        self.register_buffer("is_written", written >= 0)
        self.register_buffer("unwritten", unwritten.nonzero().squeeze(1))
        suppressed, first = (torch.isin(written, torch.tensor(sorted(ids))) for ids in settings[2:])
        self.never = tuple((suppressed | ~self.is_written).nonzero().squeeze(1).tolist())
        self.never_first = tuple(first.nonzero().squeeze(1).tolist())
        self._longest = longest_text(model)

    def _settings(self, model, tokenizer):
        prompt = None
        if self.prompt is not None:
            prompt = content_of(tokenizer).tokenizer.encode(self.prompt, add_special_tokens=False).ids
        return generation_settings(model, prompt, self._name)

    def remember(self, features: "dict[str, Features]", present: torch.Tensor) -> dict[str, torch.Tensor]:
        parts = [
            self._seen(name, features[name], is_present)
            for name, is_present in zip(self._names, present.unsqueeze(2).unbind(1), strict=True)
        ]
        tokens, mask = (torch.cat(halves, 1) for halves in zip(*parts, strict=True))
        nothing = ~mask.any(1, keepdim=True)  # such a row sees zeros
        tokens, mask = tokens.masked_fill(nothing.unsqueeze(2), 0), mask | nothing
        first = self._begin(len(tokens))[:, :1]
        of_blocks = self.network.keys_values_of(first, tokens, mask)
        return {"tokens": tokens, "mask": mask, **_named(of_blocks)}

    def _seen(self, name, features, is_present):
        """Return tokens (batch, n_tokens, width) of a block, and which of them count."""
        if name in self._others:
            project = self.projections[self._others.index(name)]
            if not self.network.takes_mask:  # and so as many of each row
                return project(features.pooled).unsqueeze(1), torch.ones_like(is_present)
            return project(features.tokens), features.mask
        if not self.network.takes_mask:
            return features.tokens.where(is_present.unsqueeze(2), 0), is_present.expand(features.mask.shape)
        return features.tokens, features.mask

    def forward(
        self, ids: torch.Tensor, memory: dict[str, torch.Tensor], state: dict[str, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        past, ids, n_before = [], self.read[ids], 0
        if state is None:
            n_before = len(self.before)
            ids = torch.cat([self._begin(len(ids))[:, :n_before], ids], 1)
        else:
            past = _pairs(state)
        n_read = ids.shape[1] + (past[0][0].shape[2] if past else 0)
        if n_read > self._longest:
            raise ValueError(
                f"PretrainedDecoder: {self._name} has places for {self._longest} tokens, {len(self.before) + 1} of "
                f"which stand before a text, and is to read {n_read}. Ask for fewer: max_new_tokens="
                f"{self._longest - len(self.before)} at most."
            )
        logits, past = self.network(ids, memory["tokens"], memory["mask"], _pairs(memory), past)
        return logits[:, n_before:], _named(past)

    def scores(self, vectors: torch.Tensor) -> torch.Tensor:
        # What the model may write and texts may not is the probability of padding: so all others stay as they are.
        improbable = vectors.logsumexp(-1, keepdim=True) - _IMPROBABLE
        scores = torch.where(self.is_written, vectors.index_select(-1, self.written), improbable)
        if len(self.unwritten):
            scores[..., 0] = vectors[..., self.unwritten].logsumexp(-1)
        return scores

    def train(self, mode: bool = True) -> Self:
        """Set the mode; what is not trained stays in ``eval`` mode."""
        super().train(mode)
        if self.trainable == "none" and "network" in self._modules:
            self.network.eval()
        return self

    def parameter_groups(self) -> list[dict]:
        """Return the weights that are trained, with learning rates that fall layer by layer."""
        if self.trainable == "none":
            return []
        lr = LEARNING_RATES[self.trainable] if self.lr == "auto" else self.lr
        return layer_groups(self.network, lr, 1.0 if self.trainable == "lora" else self.layer_decay)

    def _begin(self, n_texts):
        """Return what stands before each text, with the start, (n_texts, n_ids)."""
        return torch.cat([self.before, self.read[-1:]]).expand(n_texts, -1)

    def _source(self):
        if not self._is_named:
            raise ValueError(
                f'PretrainedDecoder(weights="reference"): {self._name} came as a module, and from nowhere that a '
                'pickle could refer to. Give the folder or name it was loaded from, or weights="embed".'
            )
        return DecoderSource.of(self._checkpoint, self.model, "text")

    @property
    def _is_named(self):
        return isinstance(self._held, str | PathLike)

    @property
    def _checkpoint(self):
        checkpoint = open_checkpoint(self.model, self.revision, self.trust_remote_code)
        if type(checkpoint) is not Checkpoint:
            raise CheckpointError(
                checkpoint.folder,
                "it is one of another library, whose networks write no texts.",
                "A PretrainedDecoder takes encoder-decoders of transformers, such as T5, Marian, Whisper and BLIP.",
            )
        return checkpoint

    @property
    def _folder(self) -> Path | None:
        return self._checkpoint.folder if self._is_named else origin(_base(self.model))

    def _load(self):
        """Return the whole model."""
        if self._is_named:
            return load_encoder_decoder(self._folder, trust_remote_code=self.trust_remote_code)
        model = _base(self.model)
        if find_transformer(model) is None or not writes(model):
            raise ValueError(
                f"PretrainedDecoder({self._name}): it does not write texts by what an encoder says. Give an "
                "encoder-decoder of transformers with its head, such as T5ForConditionalGeneration, MarianMTModel, "
                "WhisperForConditionalGeneration, VisionEncoderDecoderModel or BlipForConditionalGeneration."
            )
        return model

    @property
    def _name(self):
        return repr(str(self.model)) if self._is_named else type(self.model).__name__


def _base(model):
    """Return the model that another one of peft has adapters in; others as they are."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _named(pairs):
    """Return keys and values of each layer by name."""
    tensors = {}
    for place, (keys, values) in enumerate(pairs):
        tensors[f"keys {place}"], tensors[f"values {place}"] = keys, values
    return tensors


def _pairs(tensors):
    """Return the keys and values of each layer that `_named` gave names to."""
    n_layers = sum(name.startswith("keys ") for name in tensors)
    return [(tensors[f"keys {place}"], tensors[f"values {place}"]) for place in range(n_layers)]
