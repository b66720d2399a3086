"""`MultimodalGenerator`: rows in, texts out (image captioning, translation, summarisation)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.validation import _num_samples, check_consistent_length, check_is_fitted
from tqdm.auto import tqdm

from sklearn_mm.blocks import TextSpec
from sklearn_mm.decoders import Decoder, Search
from sklearn_mm.decoders._registry import resolve_decoder
from sklearn_mm.decoders._searches import resolve_search
from sklearn_mm.decoders._writer import Limits, Writer
from sklearn_mm.encoders import SelfAttentionEncoder
from sklearn_mm.estimators._base import BaseMultimodal
from sklearn_mm.estimators._targets import Target
from sklearn_mm.estimators._text_target import TextTarget, references_of
from sklearn_mm.inputs._same_parameters import comparable
from sklearn_mm.networks import Objective
from sklearn_mm.networks._generation import Generation
from sklearn_mm.preprocessing import TextTransformer
from sklearn_mm.training._callbacks import is_on_screen
from sklearn_mm.training._seeding import draw_seed
from sklearn_mm.utils._declared_parameters import parameter, with_parameters
from sklearn_mm.utils._optional import import_extra
from sklearn_mm.utils._validation import Interval, StrOptions, _fit_context

__all__ = ["MultimodalGenerator"]

_AUTO_TOKENS = TextTransformer("byte_bpe", lowercase=False, vocab_size=8000, max_length=512)


@with_parameters
class MultimodalGenerator(BaseMultimodal):
    """Write a text for each row, from its pictures, texts, numbers and categories (captioning, translation, summaries).

    Encoders read the blocks, and a decoder writes token by token, with a look at the tokens of all blocks (sequence to
    sequence learning). Blocks that a row lacks are not looked at; a row with nothing in it gets the text that is most
    probable anyway.

    Attributes
    ----------
    {fitted_attributes}
    target_transformer_ : TextTransformer
        From the texts that are written to token ids and back.

    References
    ----------
    Sutskever, Vinyals, Le: Sequence to Sequence Learning with Neural Networks. NeurIPS 2014.

    Vaswani et al.: Attention Is All You Need. NeurIPS 2017.

    Vinyals, Toshev, Bengio, Erhan: Show and Tell: A Neural Image Caption Generator. CVPR 2015.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import MultimodalGenerator
    >>> X = pd.DataFrame({"title": ["a red dog", "a blue cat", "a red cat", "a blue dog"] * 5})
    >>> y = ["ein roter Hund", "eine blaue Katze", "eine rote Katze", "ein blauer Hund"] * 5
    >>> generator = MultimodalGenerator(text="title", max_epochs=2, random_state=0).fit(X, y)
    >>> generator.predict(X).shape
    (20,)
    """

    _doc_words = {**BaseMultimodal._doc_words, "scorer": "chrf", "kept": "texts"}
    _score_name = "chrf"
    _network_parameters = (
        *BaseMultimodal._network_parameters,
        *("decoder", "target_transformer", "copy_from", "share_embeddings", "label_smoothing"),
    )

    decoder: str | Decoder = parameter(
        default="transformer",
        constraints=[str, Decoder],
        before="modality_dropout",
        doc="""str or Decoder
        What writes: "transformer", or an instance of a class in `sklearn_mm.decoders`, or one of your own. A
        `PretrainedDecoder` brings the encoder and the tokenizer that go with it.""",
    )
    target_transformer: TextTransformer | str = parameter(
        default="auto",
        constraints=[TextTransformer, StrOptions({"auto"})],
        before="modality_dropout",
        doc="""TextTransformer or "auto"
        From the texts to token ids, and back. "auto" is byte-pair encoding of bytes, of which each string comes back as
        it is, with 8,000 ids at most; or what a pretrained decoder has.""",
    )
    copy_from: str | None = parameter(
        default=None,
        constraints=[str, None],
        before="modality_dropout",
        doc="""str or None
        Name of a column of texts whose tokens may be copied, such as names and numbers (pointer-generator network). Its
        texts and those that are written must be cut into tokens in the same way, and only what stands in both
        vocabularies is copied: one tokenizer for both copies best.""",
    )
    share_embeddings: str | None = parameter(
        default=None,
        constraints=[str, None],
        before="modality_dropout",
        doc="""str or None
        Name of a column of texts that has its token embedding in common with the decoder; both need one tokenizer and
        one width.""",
    )
    label_smoothing: float = parameter(
        default=0.1,
        constraints=[Interval(Real, 0, 1, closed="left")],
        before="modality_dropout",
        doc="""float
        Share of each token of the texts that is spread over all others in training. Larger makes it less sure of
        itself.""",
    )
    search: str | Search = parameter(
        default="beam",
        constraints=[str, Search],
        before="modality_dropout",
        doc="""str or Search
        How tokens are chosen: "greedy", "beam", "sample", or an instance of a class in `sklearn_mm.decoders` with
        settings of its own. May be set after `fit`.""",
    )
    max_new_tokens: int | str = parameter(
        default="auto",
        constraints=[Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        before="modality_dropout",
        doc="""int or "auto"
        How many tokens a text has at most, its end among them. "auto" is as many as the longest text of `fit` has. May
        be set after it.""",
    )
    min_new_tokens: int = parameter(
        default=0,
        constraints=[Interval(Integral, 0, None, closed="left")],
        before="modality_dropout",
        doc="""int
        How many tokens a text has at least, without its end. May be set after `fit`.""",
    )

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Learn to write the texts ``y`` of the rows of ``X``.

        Parameters
        ----------
        X : DataFrame, 2-D array or Blocks of n_rows rows
            A table with columns of pictures, texts, numbers and categories, or what a `ModalityTransformer` made.
        y : array-like of shape (n_rows,)
            Strings, or lists of strings that are all right for the row (references), each of which is learnt.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss. Rows of weight zero are left out, and not read either.
        X_val, y_val : like X and y, default=None
            Rows to validate with after each epoch, instead of a share of ``X``.
        sample_weight_val : array-like, default=None
            Weights of the validation rows.

        Returns
        -------
        self : MultimodalGenerator
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val)

    def predict(self, X: Any) -> np.ndarray:
        """Return the text of each row.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        texts : ndarray of shape (n_rows,), dtype object
            Strings.
        """
        return self.generate(X, 1)[0][:, 0]

    def generate(self, X: Any, n_texts: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return several texts of each row, and how probable they are.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        n_texts : int, default=None
            How many of each, at most as many as ``search`` writes, which is the default: ``width`` of `BeamSearch`,
            ``n_texts`` of `Sampling`, else one.

        Returns
        -------
        texts : ndarray of shape (n_rows, n_texts), dtype object
            Strings, the best first.
        scores : ndarray of shape (n_rows, n_texts), dtype float32
            Their log-likelihoods.
        """
        check_is_fitted(self)
        search = clone(resolve_search(self.search))
        search._validate_params()
        n_texts = search.n_texts if n_texts is None else n_texts
        if not 1 <= n_texts <= search.n_texts:
            raise ValueError(
                f"{type(self).__name__}.generate was asked for n_texts={n_texts}, and search={search} writes "
                f"{search.n_texts}. Ask for as many at most, or give another search, such as BeamSearch(width=...)."
            )
        target, decoder = self._target, self.net_.module_.top.decoder
        limits = Limits(
            target.start_id,
            target.end_id,
            target.longest_ + 1 if self.max_new_tokens == "auto" else self.max_new_tokens,
            self.min_new_tokens,
            never=decoder.never,
            never_first=decoder.never_first,
        )
        seed, generators = draw_seed(self.random_state), {}

        def write(network, batch):
            top = network.top
            writer = Writer(top.decoder, top.remember(*network.encoders.encode(batch), batch), scores=top.scores)
            if writer.device not in generators:
                generators[writer.device] = torch.Generator(writer.device).manual_seed(seed)
            ids, scores = search.write(writer, limits, generators[writer.device])
            bar.update(len(ids))
            return ids[:, :n_texts], scores[:, :n_texts]

        hidden = not (self.verbose and is_on_screen())
        with tqdm(total=_num_samples(X), desc=type(self).__name__, unit="row", leave=False, disable=hidden) as bar:
            ids, scores = self._map(X, write, raw=True)
        return target.decode(ids), scores.astype(np.float32, copy=False)

    def score_text(self, X: Any, texts: ArrayLike) -> np.ndarray:
        """Return how probable given texts are.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        texts : array-like of shape (n_rows,)
            A string for each row; of a list of strings it is the mean.

        Returns
        -------
        scores : ndarray of shape (n_rows,), dtype float32
            Log-likelihoods, with the end of the text.
        """
        check_is_fitted(self)
        check_consistent_length(X, texts)
        encoded = self._target.encode(texts, "texts")
        return -self._map(X, lambda network, batch: network(batch), target=encoded, raw=True).astype(
            np.float32, copy=False
        )

    def score(self, X: Any, y: ArrayLike) -> float:
        """Return the chrF of the predicted texts.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        y : array-like of shape (n_rows,)
            Their texts, or lists of several that are right (references).

        Returns
        -------
        score : float
            From 0 to 100: the F score of character n-grams, as sacrebleu has it, which needs the extra ``[generate]``.

        References
        ----------
        Popović: chrF: character n-gram F-score for automatic MT evaluation. WMT 2015.
        """
        check_consistent_length(X, y)
        sacrebleu = import_extra("sacrebleu", "generate", f"{type(self).__name__}.score")
        references = references_of(y, "y", type(self).__name__)
        most = max(map(len, references))
        streams = [[texts[place] if place < len(texts) else None for texts in references] for place in range(most)]
        return sacrebleu.corpus_chrf(self.predict(X).tolist(), streams).score

    def make_target(self) -> Target:
        """Return what ``y`` is: texts.

        Returns
        -------
        target : Target
            Not fitted.
        """
        decoder, transformer = resolve_decoder(self.decoder), self.target_transformer
        reading = decoder.reading
        if isinstance(transformer, str):
            transformer = TextTransformer(**reading) if reading else _AUTO_TOKENS
        elif reading and comparable(transformer.tokenizer) != comparable(reading["tokenizer"]):
            raise ValueError(
                f"{type(self).__name__}: {type(decoder).__name__} writes with {comparable(reading['tokenizer'])}, and "
                f"target_transformer={transformer} is of another. Leave it 'auto', or give it that one."
            )
        return TextTarget(type(self).__name__, clone(transformer), decoder.special_tokens)

    def make_objective(self, partial: bool = False) -> Objective:
        """Return what is to be learnt: to write these texts.

        Parameters
        ----------
        partial : bool, default=False
            Whether the rows that have been read are not all rows, as in ``partial_fit``.

        Returns
        -------
        objective : Generation
            New, for the blocks that ``specs_`` tells of.
        """
        target = self._target
        copied = shared = None
        if self.copy_from is not None:
            copied = self.copy_from, target.ids_of(self._text_transformer("copy_from"))
        if self.share_embeddings is not None:
            shared = self.share_embeddings
            target.check_same_tokens(self._text_transformer("share_embeddings"), shared)
        return Generation(
            self.decoder,
            target.n_ids,
            target.start_id,
            target.end_id,
            target.usual_length_,
            self.label_smoothing,
            copied,
            shared,
        )

    def _text_transformer(self, parameter_name):
        """Return the `TextTransformer` of the column that a parameter names."""
        name, owner = getattr(self, parameter_name), type(self).__name__
        if self.transformer_ is None:
            raise ValueError(f"{owner}({parameter_name}={name!r}) needs to know what words ids stand for: fit a table.")
        transformers = {
            block: transformer
            for block, transformer in self.transformer_.transformers_.items()
            if isinstance(transformer, TextTransformer)
            and isinstance(self.specs_[block], TextSpec)
            and self.specs_[block].pool is None
        }
        if name not in transformers:
            raise ValueError(
                f"{owner}({parameter_name}={name!r}) names no column that is read as one text per row; these are "
                f"{list(transformers)}."
            )
        return transformers[name]

    @property
    def _fit_reader(self):
        reader = super()._fit_reader
        if self.pretrained is None or isinstance(self.pretrained, dict):
            # a bag of words, which "auto" is elsewhere, has no tokens to look at
            encoders = {"text": SelfAttentionEncoder(), **resolve_decoder(self.decoder).encoders}
            encoders = {kind: encoder for kind, encoder in encoders.items() if kind in self.modalities}
            reader.parameters["pretrained"] = {**encoders, **(self.pretrained or {})}
        return reader

    @property
    def target_transformer_(self) -> TextTransformer:
        return self._target.transformer_
