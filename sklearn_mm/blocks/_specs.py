"""What a network must know of a block before it sees a row of it."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

__all__ = ["AudioSpec", "BlockSpec", "ImageSpec", "TabularSpec", "TextSpec", "VectorSpec", "VideoSpec"]


@dataclass(frozen=True, kw_only=True)
class BlockSpec:
    """Description of one block, learnt in ``fit`` of its transformer.

    Parameters
    ----------
    kind : str
        Modality: "image", "text", "tabular", "audio", "video" or one of a user's own.
    shape : tuple of int
        Shape of one row of the block's array; of one item, if the array is a `Ragged`.
    name : str, default=""
        Name of the block: its column's, or "tabular".
    columns : tuple of str, default=()
        Columns of the user's table that the block was read from.
    encoder : str or Encoder, default="auto"
        What the Input named as the block's encoder; "auto" leaves it to the estimator.
    augment : str, None or torch.nn.Module, default=None
        What the Input named as the block's augmentation.
    group : str or None, default=None
        Blocks of the same group share one encoder with one set of weights.
    pool : {"mean", "max", "attention"} or None, default=None
        How the vectors of a row's items become one, where the block's array is a `Ragged`, whose rows hold several
        items. None where each row is one item, as usual.
    reading : dict of str to tuple, default=None
        Parameters of the transformer that are not as by default: the value, made comparable, and whether it was chosen
        for the encoder that was known then, and not by the user. None where this is not known. Specs are equal whatever
        it is.

    Attributes
    ----------
    padded : bool
        Whether zeros at the end of rows are padding, so that a batch may be cut to its longest row. Rows are ids then,
        unless several of their numbers make a token.
    numbers_per_token : int
        How many of the numbers of a padded row cost about what one token does.
    large : bool
        Whether rows are so large that some of them are better chosen by a view than by a copy.
    linear_terms : {"ids", "columns", "pixels", "sound", "vectors"} or None
        As what a linear model may see the block: token ids, the fields of a table, pixels, sound, or vectors that were
        computed elsewhere. None hides it.
    """

    padded: ClassVar[bool] = False
    numbers_per_token: ClassVar[int] = 1
    large: ClassVar[bool] = False
    linear_terms: ClassVar[str | None] = None

    kind: str
    shape: tuple
    name: str = ""
    columns: tuple = ()
    encoder: object = "auto"
    augment: object = None
    group: str | None = None
    pool: str | None = None
    reading: dict | None = field(default=None, compare=False, repr=False)

    @property
    def holds_ids(self) -> bool:
        """Whether rows are token ids."""
        return self.padded and self.numbers_per_token == 1

    def example_rows(self, n_rows: int) -> np.ndarray | None:
        """Return made-up rows (dummy data) as such a block stores them, for dry runs and checks.

        Parameters
        ----------
        n_rows : int
            How many.

        Returns
        -------
        rows : ndarray of shape (n_rows, ...) or None
            The same ones each time. None where nothing is known of what the block holds, as of this base.
        """
        return None

    def read_with(self, parameters: dict) -> Self:
        """Return the spec of such a block that a transformer with some parameters read, for checks of encoders.

        Parameters
        ----------
        parameters : dict
            Values by name, such as the ``reading`` of an encoder.

        Returns
        -------
        spec : BlockSpec
            The same one where a kind has no parameters that act on its spec, as by default.
        """
        return self


@dataclass(frozen=True, kw_only=True)
class ImageSpec(BlockSpec):
    """A block of pictures, uint8 (n, height, width, channels).

    Parameters
    ----------
    mean, std : tuple of float
        Mean and standard deviation per channel, for pixels in [0, 1]; encoders normalise with them on the device.
    """

    large: ClassVar[bool] = True
    linear_terms: ClassVar[str | None] = "pixels"

    kind: str = "image"
    mean: tuple
    std: tuple

    def example_rows(self, n_rows: int) -> np.ndarray | None:
        """Return pictures of noise."""
        return np.random.default_rng(0).integers(256, size=(n_rows, *self.shape), dtype=np.uint8)

    def read_with(self, parameters: dict) -> Self:
        """Return the spec of pictures of the ``size``, ``color``, ``mean`` and ``std`` that are no words."""
        size, color = parameters.get("size", "auto"), parameters.get("color")
        height, width = self.shape[:2] if isinstance(size, str) else np.broadcast_to(size, 2).tolist()
        n_channels = self.shape[2] if color is None else len(color)
        statistics = {}
        for name in ("mean", "std"):
            value = parameters.get(name, "auto")
            value = getattr(self, name)[:n_channels] if isinstance(value, str) else value
            statistics[name] = tuple(np.broadcast_to(value, n_channels).tolist())
        return replace(self, shape=(height, width, n_channels), **statistics)


@dataclass(frozen=True, kw_only=True)
class VideoSpec(BlockSpec):
    """A block of clips, uint8 (n, n_frames, height, width, channels).

    Parameters
    ----------
    mean, std : tuple of float
        Mean and standard deviation per channel, as of pictures.
    """

    large: ClassVar[bool] = True

    kind: str = "video"
    mean: tuple
    std: tuple

    def example_rows(self, n_rows: int) -> np.ndarray | None:
        """Return clips of noise."""
        return self.frame.example_rows(n_rows * self.shape[0]).reshape(n_rows, *self.shape)

    @property
    def frame(self) -> ImageSpec:
        """The spec of one frame, as of a block of pictures."""
        return ImageSpec(name=self.name, shape=self.shape[1:], mean=self.mean, std=self.std, reading=self.reading)

    def read_with(self, parameters: dict) -> Self:
        """Return the spec of clips of ``n_frames`` such frames as pictures are that are read so."""
        frame = self.frame.read_with(parameters)
        shape = parameters.get("n_frames", self.shape[0]), *frame.shape
        return replace(self, shape=shape, mean=frame.mean, std=frame.std)


@dataclass(frozen=True, kw_only=True)
class TextSpec(BlockSpec):
    """A block of token ids, int32 (n, length), 0 for padding.

    Parameters
    ----------
    vocab_size : int
        Number of ids, padding included: ids are smaller than this.
    tokenizer : str
        How strings became ids: "word", "bpe", "byte_bpe", "wordpiece", "unigram", "char", "ngram" or
        "custom".
    n_word_ids : int, default=None
        Where ids are of words and of parts of words too, as of "ngram", those of (n-grams of) words are smaller than
        this. None where all ids are of one sort.
    special_ids : tuple of int, default=()
        Ids that stand around each text and say nothing of it, as those of [CLS] and [SEP].
    tokenizer_is_auto : bool, default=False
        Whether the tokenizer was chosen for the encoder that was known then, and not by the user. An encoder that
        would have chosen another refuses the block.
    """

    padded: ClassVar[bool] = True
    linear_terms: ClassVar[str | None] = "ids"

    kind: str = "text"
    vocab_size: int
    tokenizer: str
    n_word_ids: int | None = None
    special_ids: tuple = ()
    tokenizer_is_auto: bool = False

    def __post_init__(self):
        if self.tokenizer_is_auto and self.reading is None:
            object.__setattr__(self, "reading", {"tokenizer": (self.tokenizer, True)})

    def example_rows(self, n_rows: int) -> np.ndarray | None:
        """Return random ids: the first of several rows is empty, the last one of full length."""
        rng = np.random.default_rng(0)
        ids = rng.integers(min(1, self.vocab_size - 1), self.vocab_size, size=(n_rows, *self.shape), dtype=np.int32)
        lengths = rng.integers(1, self.shape[0] + 1, size=(n_rows, 1))
        lengths[0], lengths[-1] = 0, self.shape[0]
        return ids * (np.arange(self.shape[0], dtype=np.int32) < lengths)

    def read_with(self, parameters: dict) -> Self:
        """Return the spec of texts of this ``max_length``, and of ids that this ``tokenizer`` made."""
        length, tokenizer = parameters.get("max_length", "auto"), parameters.get("tokenizer", self.tokenizer)
        return replace(
            self,
            shape=self.shape if isinstance(length, str) else (length,),
            tokenizer=tokenizer if isinstance(tokenizer, str) else "custom",
        )


@dataclass(frozen=True, kw_only=True)
class AudioSpec(BlockSpec):
    """A block of sound: waves, int16 (n, length), or log-mels, float16 (n, n_frames * n_bands); zeros are padding.

    Parameters
    ----------
    rate : int
        Samples per second.
    n_bands : int, default=None
        Number of bands of log-mels; None for waves.
    """

    padded: ClassVar[bool] = True
    large: ClassVar[bool] = True
    linear_terms: ClassVar[str | None] = "sound"

    kind: str = "audio"
    rate: int
    n_bands: int | None = None

    @property
    def numbers_per_token(self) -> int:
        """Those of 20 milliseconds, as the tokens of most networks for speech are."""
        return max(2, self.rate // 50) if self.n_bands is None else 2 * self.n_bands

    def example_rows(self, n_rows: int) -> np.ndarray | None:
        """Return tones in noise: the first of several rows is empty, the last one of full length."""
        rng = np.random.default_rng(0)
        step = 1 if self.n_bands is None else self.n_bands
        n_steps = self.shape[0] // step
        lengths = rng.integers(1, n_steps + 1, size=(n_rows, 1))
        lengths[0], lengths[-1] = 0, n_steps
        is_there = np.arange(self.shape[0]) < step * lengths
        if self.n_bands is not None:
            return rng.normal(size=(n_rows, self.shape[0])).astype(np.float16) * is_there
        tones = np.sin(np.arange(self.shape[0]) * rng.uniform(0.1, 2, size=(n_rows, 1)))
        return np.rint(8000 * tones + rng.normal(0, 800, size=tones.shape)).astype(np.int16) * is_there

    def read_with(self, parameters: dict) -> Self:
        """Return the spec of sound of this ``rate``, as waves or log-mels."""
        rate, features = parameters.get("rate", self.rate), parameters.get("features")
        n_bands = {"wave": None, "log_mel": parameters.get("n_bands", 40)}.get(features, self.n_bands)
        return replace(self, rate=rate, n_bands=n_bands)


@dataclass(frozen=True, kw_only=True)
class TabularSpec(BlockSpec):
    """A block of table rows: a structured array with the fields ``numbers`` (float32) and ``codes`` (int32).

    Parameters
    ----------
    n_numbers : int
        Width of the field ``numbers``.
    cardinalities : tuple of int, default=()
        For each column of the field ``codes``, the number of codes; a code is smaller than this. 0 means "not seen
        in fit" and 1 means "missing".
    """

    linear_terms: ClassVar[str | None] = "columns"

    kind: str = "tabular"
    n_numbers: int
    cardinalities: tuple = ()

    def example_rows(self, n_rows: int) -> np.ndarray | None:
        """Return normal numbers and random codes."""
        rng = np.random.default_rng(0)
        n_codes = len(self.cardinalities)
        rows = np.zeros(n_rows, dtype=[("numbers", np.float32, (self.n_numbers,)), ("codes", np.int32, (n_codes,))])
        rows["numbers"] = rng.normal(size=(n_rows, self.n_numbers))
        rows["codes"] = rng.integers(np.array(self.cardinalities, dtype=np.int64), size=(n_rows, n_codes))
        return rows


@dataclass(frozen=True, kw_only=True)
class VectorSpec(BlockSpec):
    """A block of vectors (embeddings), float32 (n, width), that were made of the cells of a column of any kind.

    Parameters
    ----------
    function : str, default=""
        What made them: name and fingerprint of a function. Vectors of different functions do not mix.
    """

    linear_terms: ClassVar[str | None] = "vectors"

    function: str = ""

    def example_rows(self, n_rows: int) -> np.ndarray | None:
        """Return normal numbers."""
        return np.random.default_rng(0).normal(size=(n_rows, *self.shape)).astype(np.float32)
