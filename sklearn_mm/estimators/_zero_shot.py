"""`ZeroShotClassifier`: rows are compared with the names of the classes, and nothing is trained (zero-shot, CLIP)."""

import copy
from collections.abc import Callable
from numbers import Integral, Real
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
from joblib import Memory
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_mm.estimators._joint_space import MODALITIES, JointSpace, map_rows, scale_and_bias
from sklearn_mm.estimators._prompts import fill_templates, name_classes
from sklearn_mm.estimators._reader import Reader
from sklearn_mm.inputs import Input
from sklearn_mm.inputs._same_parameters import is_auto
from sklearn_mm.storage import BlockStore
from sklearn_mm.storage._store import MEMORY
from sklearn_mm.training._precision import PRECISIONS
from sklearn_mm.training._settings import own_settings
from sklearn_mm.utils._pillow_settings import send_with_settings
from sklearn_mm.utils._validation import Interval, StrOptions, _fit_context

__all__ = ["ZeroShotClassifier"]


class ZeroShotClassifier(ClassifierMixin, TransformerMixin, BaseEstimator):
    """Predict labels that no training row shows, by how near a row is to the text of each label (zero-shot).

    A pretrained network puts rows and labels into one space: dual encoders (CLIP, SigLIP) pictures and texts, encoders
    of sentences texts alone. The likeliest label is the one with the largest cosine. `fit` trains nothing.

    Parameters
    ----------
    model : str, path, torch.nn.Module, callable or PretrainedEncoder
        What `PretrainedEncoder` takes, or such an encoder with settings of its own, which clones share: large modules
        and functions had better come in one. It must read texts; if it is a dual encoder, pictures too.
    labels : list or dict, default=None
        The classes: texts, or a dict from each class, of any type, to what it is called, one text or a list of several,
        which are averaged. By default the labels of ``y`` in `fit`, which must be texts then. With ``labels``, a ``y``
        of which none is among them is about something else, and is not looked at.
    prompt_templates : str, callable or list of these, default="auto"
        Texts with ``{}`` in the place of the label, or functions from the label to a text. The vectors of a label are
        averaged over them (prompt ensembling). "auto" is ``"a photo of a {}."`` where pictures are read, and the label
        itself where texts alone are.
    image, text : "auto", None, str, int, list or Input, default="auto"
        Which columns hold pictures and texts: "auto" finds them, None ignores the modality, a name, a position or a
        list of these says so. Columns of single words are to be named: by themselves, they are taken for categories.
        An `ImageInput` or `TextInput` also says how they are read. Where a row has several pictures and texts, their
        cosines are averaged.
    temperature : "auto" or float, default="auto"
        What cosines are divided by: smaller makes probabilities more extreme. "auto" is the scale (and bias) that a
        dual encoder was trained with, and 0.05 for others.
    memory : str, path, joblib.Memory, BlockStore or None, default=None
        Folder that keeps what the network makes of pictures and texts, so that each is computed once for all
        predictions, folds, searches and estimators that name it.
    batch_size : int or "auto", default="auto"
        Rows that are computed at once. "auto" is 64. Where a GPU's memory does not suffice it is halved, with
        a warning.
    device : str or torch.device, default="auto"
        Where to compute; "auto" is the first of "cuda", "mps" and "cpu" that is there.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Number format of the costly operations (torch's autocast). "auto" is bfloat16 on GPUs that are made for it, else
        float32.
    verbose : int, default=0
        0 is silent, 1 prints what each column was taken for.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    label_vectors_ : ndarray of shape (n_classes, width), dtype float32
        Where the labels are in the space of the network; vectors of length 1.
    logit_scale_, logit_bias_ : float
        What "auto" stands for: logits are cosines, times the one plus the other.
    network_ : MultimodalNetwork or None
        From pictures and texts to vectors. None if `fit` had no ``X``: then it is made in each prediction.
    transformer_ : ModalityTransformer or None
        What reads the table; None if fitted on `Blocks`, or without ``X``.
    specs_ : dict of str to BlockSpec or None
        What is known of each block.
    n_features_in_ : int
        Number of columns seen in `fit`; not set if there were none.
    feature_names_in_ : ndarray of shape (``n_features_in_``,)
        Their names, if all are strings.

    See Also
    --------
    MultimodalClassifier : Learns from rows; takes the logits of this one as features.

    Notes
    -----
    The steps are those of open_clip's zero-shot classifiers: vectors of a label have length 1, are averaged and brought
    to length 1 again.

    Probabilities are the softmax of the logits over the labels and sum to one, also of networks that were trained with
    a sigmoid for each pair (SigLIP). A row without any picture or text has equal ones.

    References
    ----------
    Radford et al.: Learning Transferable Visual Models From Natural Language Supervision. ICML 2021.

    Zhai, Mustafa, Kolesnikov, Beyer: Sigmoid Loss for Language Image Pre-Training. ICCV 2023.

    Examples
    --------
    A folder with a dual encoder, and one name for each class or several:

    >>> from sklearn_mm import ZeroShotClassifier
    >>> ZeroShotClassifier("path/to/clip", labels={0: "a dog", 1: ["a cat", "a kitten"]}, temperature=0.1)
    ZeroShotClassifier(labels={0: 'a dog', 1: ['a cat', 'a kitten']},
                       model='path/to/clip', temperature=0.1)

    Where there are a few rows to learn from (few-shot), the mean of its probabilities and a classifier's:

    >>> from sklearn.ensemble import VotingClassifier
    >>> from sklearn_mm import MultimodalClassifier
    >>> zero_shot = ZeroShotClassifier("path/to/clip", labels=["cat", "dog"], image="photo", text=None)
    >>> few_shot = VotingClassifier([("zero_shot", zero_shot), ("learnt", MultimodalClassifier())], voting="soft")

    Or its logits as more columns of the table, from which a classifier learns:

    >>> from sklearn.pipeline import make_pipeline, make_union
    >>> columns = make_union("passthrough", zero_shot).set_output(transform="pandas")
    >>> few_shot = make_pipeline(columns, MultimodalClassifier())
    """

    _parameter_constraints = {
        "model": [str, PathLike, nn.Module, callable],
        "labels": [dict, "array-like", None],
        "prompt_templates": [str, callable, list, tuple],
        "image": [StrOptions({"auto"}), str, Integral, tuple, list, Input, None],
        "text": [StrOptions({"auto"}), str, Integral, tuple, list, Input, None],
        "temperature": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "memory": MEMORY,
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", *PRECISIONS})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: str | PathLike | nn.Module | Callable,
        labels: list | dict | None = None,
        prompt_templates: str | Callable | list = "auto",
        *,
        image: str | int | list | Input | None = "auto",
        text: str | int | list | Input | None = "auto",
        temperature: str | float = "auto",
        memory: str | PathLike | Memory | BlockStore | None = None,
        batch_size: int | str = "auto",
        device: str | torch.device = "auto",
        precision: str = "auto",
        verbose: int = 0,
    ):
        self.model = model
        self.labels = labels
        self.prompt_templates = prompt_templates
        self.image = image
        self.text = text
        self.temperature = temperature
        self.memory = memory
        self.batch_size = batch_size
        self.device = device
        self.precision = precision
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any = None, y: ArrayLike | None = None) -> Self:
        """Encode the labels, and find out what the columns of ``X`` are, if it is given.

        Parameters
        ----------
        X : DataFrame, 2-D array or Blocks of n_rows rows, default=None
            Rows with pictures or texts; some suffice. Without them, each prediction finds out what its columns are, and
            a pickle needs the folder of the model wherever it is loaded.
        y : array-like of shape (n_rows,), default=None
            Labels of the rows, or without ``X`` each class once. Not needed with ``labels``.

        Returns
        -------
        self : ZeroShotClassifier
            The fitted estimator.
        """
        self._fit(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X: Any, y: ArrayLike | None = None) -> np.ndarray:
        """Encode the labels, and return the logits of ``X``, whose rows are read once.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        y : like y of `fit`, default=None
            Labels.

        Returns
        -------
        logits : ndarray of shape (n_rows, n_classes), dtype float32
            As of `transform`.
        """
        blocks = self._fit(X, y)
        return self._logits_of(self.network_, blocks)

    def transform(self, X: Any) -> np.ndarray:
        """Return the logits of all labels, as features for another estimator.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        logits : ndarray of shape (n_rows, n_classes), dtype float32
            Columns in the order of ``classes_``, for two classes too.
        """
        return self._logits(X)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return what the classes are decided by.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_rows,) or (n_rows, n_classes)
            Logits; for two classes by how much that of ``classes_[1]`` is larger.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_rows, n_classes)
            Columns in the order of ``classes_``. Rows sum to one.
        """
        return softmax(self._logits(X).astype(np.float64), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the label of each row.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        y : ndarray of shape (n_rows,)
            The likeliest class.
        """
        likeliest = self._logits(X).argmax(1)
        return self.classes_[likeliest]

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return a name for each column that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored; here because scikit-learn passes it.

        Returns
        -------
        names : ndarray of shape (n_classes,), dtype object
            "zeroshotclassifier\\_", and the class.
        """
        check_is_fitted(self)
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}_{label}" for label in self.classes_], dtype=object)

    @own_settings()
    def _fit(self, X, y):
        """Learn all that there is to learn, and return the `Blocks` of ``X``, or None."""
        if X is not None and y is not None:
            check_consistent_length(X, y)
        classes, names = name_classes(self.labels, y, self._who)
        space = JointSpace(self.model, self._who)
        inputs = space.inputs(self._columns)
        texts = fill_templates(self._templates(inputs), classes, names, self._who)
        reader, blocks, network = self._reader(inputs, self.verbose), None, None
        if X is not None:
            blocks = self._fit_read(reader, X)
            network = space.network(blocks.specs)
        vectors, scale_and_bias = self._encode_labels(texts, space)
        self.classes_, self.label_vectors_ = classes, vectors
        self.logit_scale_, self.logit_bias_ = scale_and_bias
        self.transformer_, self.specs_, self.network_ = reader.transformer, reader.specs, network
        return blocks

    def _templates(self, inputs):
        if not is_auto(self.prompt_templates):
            return self.prompt_templates
        return "{}" if inputs["image"] is None else "a photo of a {}."

    def _reader(self, inputs, verbose=0, transformer=None, specs=None):
        parameters = {**inputs, "inputs": None, "memory": self.memory, "verbose": verbose}
        return Reader(parameters, MODALITIES, self._who, transformer, specs)

    def _fit_read(self, reader, X):
        """Return the `Blocks` of rows whose form is not known yet, without those of other kinds."""
        blocks = reader.fit_read(X)
        names = [name for name, spec in blocks.specs.items() if reader.parameters.get(spec.kind) is not None]
        if not names:
            raise ValueError(f"{self._who} was handed Blocks without pictures or texts that it reads: {list(blocks)}.")
        reader.specs = {name: blocks.specs[name] for name in names}
        return blocks.select(names)

    def _encode_labels(self, texts, space):
        """Return the vectors of labels, (n_classes, width), of the texts of each, and scale and bias of logits."""
        column = pd.DataFrame({"label": [text for own in texts for text in own]}, dtype=object)
        text = clone(self.text).set_params(columns="label") if isinstance(self.text, Input) else "label"
        blocks = self._reader(space.inputs({"image": None, "text": text})).fit_read(column)
        network = space.network(blocks.specs)
        starts = np.cumsum([0, *map(len, texts)])[:-1]
        vectors = normalize(np.add.reduceat(self._vectors(network, blocks), starts))  # the mean's direction
        return vectors, scale_and_bias(network)

    @own_settings()
    def _logits(self, X):
        check_is_fitted(self)
        network = self.network_
        if network is None:
            space = JointSpace(self.model, self._who)
            blocks = self._fit_read(self._reader(space.inputs(self._columns)), X)
            network = space.network(blocks.specs)
        else:
            blocks = self._reader(self._columns, 0, self.transformer_, self.specs_).read(X, list(self.specs_))
        return self._logits_of(network, blocks)

    def _logits_of(self, network, blocks):
        """Return float32 logits (n_rows, n_classes)."""
        cosines = self._vectors(network, blocks) @ self.label_vectors_.T
        if is_auto(self.temperature):
            return np.float32(self.logit_scale_) * cosines + np.float32(self.logit_bias_)
        return cosines / np.float32(self.temperature)

    def _vectors(self, network, blocks):
        """Return what a network makes of rows, (n_rows, width)."""
        batch_size = 64 if self.batch_size == "auto" else self.batch_size
        return map_rows(network, blocks, batch_size, self.device, self.precision, self.memory)

    @property
    def _columns(self):
        return {"image": self.image, "text": self.text}

    @property
    def _who(self):
        return type(self).__name__

    @property
    def n_features_in_(self) -> int:
        return self.transformer_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        return self.transformer_.feature_names_in_

    def __getstate__(self):
        """State with all tensors on the CPU, so that it loads without a GPU; frozen weights are shared as they are."""
        state = dict(super().__getstate__())
        if state.get("network_") is not None:
            state["network_"] = copy.deepcopy(state["network_"]).cpu()
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = []
        return tags


send_with_settings(ZeroShotClassifier)
