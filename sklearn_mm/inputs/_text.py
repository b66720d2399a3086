"""`TextInput`: columns of text."""

from dataclasses import replace

from sklearn_mm.blocks import BlockSpec, TextSpec
from sklearn_mm.encoders import Encoder
from sklearn_mm.inputs._base import Input
from sklearn_mm.inputs._same_parameters import is_auto
from sklearn_mm.preprocessing import TextTransformer

__all__ = ["TextInput"]


class TextInput(Input):
    """Columns of text, how they are read and encoded.

    Each column is one block, named after it.

    Parameters
    ----------
    columns : "auto", str, int or list of these, default="auto"
        Names or positions of the columns; "auto" finds all columns of text.
    transformer : "auto" or TextTransformer, default="auto"
        How strings become token ids. "auto" reads as the encoder asks: words, n-grams for a bag of embeddings, or what
        a pretrained model was trained with. Each column gets a clone.
    encoder : str or Encoder, default="auto"
        What encodes the token ids: a name ("bag", "gru", "lstm", "rnn", "textcnn", "transformer"; pretrained: "minilm",
        "mpnet", "multilingual-minilm", and the towers for texts of "clip" and "siglip"), the folder of a pretrained
        model, or an instance, such as a `sklearn_mm.encoders.PretrainedEncoder`. That of a function gets the strings as
        they are, and leaves nothing to the transformer. "auto" leaves it to the estimator.
    shared : bool, default=False
        Whether all columns have one vocabulary, learnt from all of them, and are encoded with the same weights: for
        texts of the same sort, such as question and answer. Needs fewer rows.
    pool : {"auto", "mean", "max", "attention"}, default="auto"
        For columns whose cells are lists of texts (such as several reviews of one thing): how the vectors that the
        encoder makes of the texts of a row become one vector, as of `ImageInput`. The same for the windows of long
        texts that are chunked.

    Examples
    --------
    >>> from sklearn_mm import TextInput
    >>> from sklearn_mm.encoders import RNNEncoder
    >>> TextInput("title", encoder=RNNEncoder()).set_params(encoder__cell="gru").encoder
    RNNEncoder(cell='gru')

    A function of one's own, which gets each of equal strings once:

    >>> import pandas as pd
    >>> from sklearn_mm import ModalityTransformer
    >>> from sklearn_mm.encoders import PretrainedEncoder
    >>> def embed(texts):
    ...     return [[len(text), text.count(" ")] for text in texts]
    >>> X = pd.DataFrame({"title": ["a dark night", "white snow"]})
    >>> text = TextInput("title", encoder=PretrainedEncoder(embed))
    >>> ModalityTransformer(text=text).fit_transform(X)["title"]
    array([[12.,  2.],
           [10.,  1.]], dtype=float32)
    """

    kind = "text"
    detects = ("text",)
    warns_of = ("strings",)
    default_transformer = TextTransformer
    example_spec = TextSpec(name="title", shape=(7,), vocab_size=30, tokenizer="word")

    def __init__(
        self,
        columns: str | int | list = "auto",
        *,
        transformer: str | TextTransformer = "auto",
        encoder: str | Encoder = "auto",
        shared: bool = False,
        pool: str = "auto",
    ):
        self.columns = columns
        self.transformer = transformer
        self.encoder = encoder
        self.shared = shared
        self.pool = pool

    def make_spec(self, spec: BlockSpec, name: str, block: str, columns: tuple[str, ...]) -> BlockSpec:
        spec = super().make_spec(spec, name, block, columns)
        chosen = is_auto(self.transformer) and isinstance(spec, TextSpec)
        return replace(spec, tokenizer_is_auto=True) if chosen else spec
