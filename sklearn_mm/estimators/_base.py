"""The one road of all multimodal estimators: read rows, encode the target, build a network, train it, map rows."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.estimators._build_network import build_network, copied_network
from sklearn_mm.estimators._fixed_parameters import check_unchanged, parameters_of_network
from sklearn_mm.estimators._parameters import FITTED_ATTRIBUTES, InputParameters, RunParameters, TrainingParameters
from sklearn_mm.estimators._reader import Reader, check_rows, check_weight, leave_out_weightless, number_groups
from sklearn_mm.estimators._targets import Target
from sklearn_mm.estimators._transforming import WhereItTransforms
from sklearn_mm.inputs import InputsMixin
from sklearn_mm.networks import Objective
from sklearn_mm.storage._store import resolve_store
from sklearn_mm.training._dataset import BlockDataset
from sklearn_mm.training._device import resolve_device
from sklearn_mm.training._frozen import encode_frozen
from sklearn_mm.training._precision import resolve_precision
from sklearn_mm.training._seeding import draw_seed
from sklearn_mm.training._settings import own_settings
from sklearn_mm.training._tasks import FitTasks
from sklearn_mm.training._trainer import Trainer
from sklearn_mm.training._training_rows import Rows
from sklearn_mm.utils._callbacks import CallbackSupportMixin
from sklearn_mm.utils._declared_parameters import with_parameters
from sklearn_mm.utils._learner import take_over
from sklearn_mm.utils._tensors import module_tensors
from sklearn_mm.utils._validation import _fit_context, _num_samples

__all__ = ["BaseMultimodal"]


@with_parameters
class BaseMultimodal(
    CallbackSupportMixin,
    WhereItTransforms,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    InputsMixin,
    RunParameters,  # in signatures the groups of parameters come from the last to the first, as in dataclasses
    TrainingParameters,
    InputParameters,
):
    """Base of the estimators that learn from rows with pictures, texts, numbers and categories.

    An estimator is the sum of four parts: what reads tables (a ``Reader``), what a ``y`` is (a `Target`), what is
    learnt (an `Objective`) and what trains (a ``Trainer``). The first and the last are the same for all.

    A subclass owes ``make_target()`` and ``make_objective(partial)``, and methods that say what the network's
    ``outputs(X)`` mean.

    Attributes
    ----------
    {fitted_attributes}
    """

    _doc_words = {  # in docstrings of parameters, where tasks differ
        "fitted_attributes": FITTED_ATTRIBUTES,
        "kept": "target",
        "stratified": "",
        "scorer": "r2",
        "losses": "",
    }
    # which can no longer act where training goes on, beside those of modalities
    _network_parameters = ("inputs", "pretrained")

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Learn from the rows of ``X``.

        Parameters
        ----------
        X : DataFrame, 2-D array or Blocks of n_rows rows
            A table with columns of pictures, texts, numbers and categories; a 2-D array of numbers (one table) or
            of objects (columns by position); a 4-D array of pictures; or what a `ModalityTransformer` made.
        y : array-like of shape (n_rows,), default=None
            The target, of tasks that have one.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss. Rows of weight zero are left out, and not read either.
        X_val, y_val : like X and y, default=None
            Rows to validate with after each epoch, instead of a share of ``X``.
        sample_weight_val : array-like, default=None
            Weights of the validation rows.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val)

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Go once through the rows of ``X``, on from the weights that are there.

        The first call learns how to read rows and what the target is; both then stay, as network and loss do. The
        learning rate is ``lr`` throughout, and the state of the optimiser is kept for the next call.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        y : like y of `fit`, default=None
            The target, of tasks that have one.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._partial_fit(X, y, sample_weight)

    def _partial_fit(self, X, y, sample_weight, **known):
        with self._learner(1) as (learner, tasks):
            check_rows(X, y, None, None, type(self).__name__, self.make_target().needed)
            learner._learn_more(tasks, X, y, sample_weight, **known)
        return self

    def _fit(self, *rows, groups=None):
        started = time.perf_counter()
        end = math.inf if self.max_time is None else started + self.max_time
        with self._learner(self.max_epochs) as (learner, tasks):
            learner._learn(tasks, *rows, end, groups)
        return self

    def _learn(self, tasks, X, y, sample_weight, X_val, y_val, sample_weight_val, end, groups):
        """Do what `fit` promises, until ``end``, by `time.perf_counter`."""
        trainer = Trainer(self, end)
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        check_rows(X, y, X_val, y_val, type(self).__name__, self.make_target().needed)
        groups = number_groups(groups, X)
        self._note_or_check_parameters(goes_on)
        self._renew_target(goes_on)
        target = self._encode_target(y, "y", complete=True) if goes_on else self._fit_target(y)
        rows = self._read_rows(X, y, target, sample_weight, fitted=goes_on, groups=groups)
        objective = self.net_.criterion_ if goes_on else self.make_objective()
        raw_blocks = objective.raw_blocks(self.specs_)
        rows = rows.in_memory(self.specs_, raw_blocks)
        seed = draw_seed(self.random_state)

        all_rows, validation = rows, None
        if X_val is not None:
            target_val = self._encode_target(y_val, "y_val")
            validation = self._read_rows(X_val, y_val, target_val, sample_weight_val, fitted=True, validates=True)
            validation = validation.in_memory(self.specs_, raw_blocks)
        else:
            strata, groups = self._target.strata(rows.target), self._target.groups(rows.target)
            groups = rows.groups if groups is None else groups
            n_candidates = len(rows) if groups is None else np.count_nonzero(groups >= 0)
            if fraction := trainer.held_out_fraction(n_candidates, objective):
                rows, validation = trainer.hold_out(rows, strata, fraction, seed, groups)
        self._target = self._target.weighed(rows.target)
        self._check_validates(validation)
        self._train(trainer, objective, rows, validation, tasks, seed, goes_on)
        if X_val is None and validation is not None and time.perf_counter() < end:
            trainer.refit(objective, self._target, all_rows)
        tasks.end_fit()

    def _learn_more(self, tasks, X, y, sample_weight, **known):
        """Go once through rows; the first call learns how to read them, and the target by what is ``known`` of it."""
        goes_on = self.__sklearn_is_fitted__()
        self._renew_target(goes_on)
        target = self._fit_partial_target(y, goes_on, **known)
        if self.early_stopping is True:
            raise ValueError("partial_fit does not support early_stopping=True.")
        self._note_or_check_parameters(goes_on)
        rows = self._read_rows(X, y, target, sample_weight, fitted=goes_on)
        objective = self.net_.criterion_ if goes_on else self.make_objective(partial=True)
        rows = rows.in_memory(self.specs_, objective.raw_blocks(self.specs_))
        self._target = self._target.weighed(rows.target, partial=True)
        trainer = Trainer(self, partial=True)
        self._train(trainer, objective, rows, None, tasks, draw_seed(self.random_state), goes_on)
        tasks.end_fit()

    def _train(self, trainer, objective, rows, validation, tasks, seed, goes_on):
        """Train a new network, or a copy of the one that is there: if that fails, it still predicts."""
        if not goes_on:
            self._start_target(rows)
        tasks.begin_fit(rows)
        before = self.net_ if goes_on else None

        def network(dataset, generator):
            if goes_on:
                return copied_network(before.module_, self.modality_dropout)
            return build_network(self.specs_, objective, dataset, rows.weight, generator, self.modality_dropout)

        trainer.train(network, objective, self._target, rows, validation, tasks, seed, before)

    def _take_training(self, trainer):
        """Take what a trainer has trained by now."""
        self.net_ = trainer.net
        self.history_ = trainer.history
        self.n_epochs_ = len(self.history_)
        self.best_epoch_ = trainer.best_epoch
        self._n_features_out = self.net_.module_.top.out_features

    @contextmanager
    def _learner(self, max_epochs):
        """Give a copy that learns in place of this estimator, and the tasks that it tells of.

        What the copy has learnt is taken over at the end. If it fails, nothing has changed, but Ctrl-C during training
        leaves what was learnt by then.
        """
        context = self._init_callback_context(max_subtasks=max_epochs)
        learner = copy(self)
        try:
            yield learner, FitTasks(self, learner, context)
        except KeyboardInterrupt:
            if getattr(learner, "history_", None) is not getattr(self, "history_", None):  # its training had begun
                take_over(self, learner)
            raise
        take_over(self, learner)

    def _note_or_check_parameters(self, goes_on):
        """Note what the network is made with or, where training goes on, check that it still holds."""
        if goes_on:
            check_unchanged(self, self._made_with)
        else:
            self._made_with = parameters_of_network(self)

    def make_target(self) -> Target:
        """Return what ``y`` is, for people who write estimators of their own.

        Returns
        -------
        target : Target
            Not fitted.
        """
        raise NotImplementedError(f"{type(self).__name__} must have make_target(), which returns a Target.")

    def make_objective(self, partial: bool = False) -> Objective:
        """Return what is to be learnt, for people who write estimators of their own.

        Parameters
        ----------
        partial : bool, default=False
            Whether the rows that have been read are not all rows, as in ``partial_fit``.

        Returns
        -------
        objective : Objective
            New, for the blocks that ``specs_`` tells of.
        """
        raise NotImplementedError(f"{type(self).__name__} must have make_objective(partial), an Objective.")

    def _renew_target(self, goes_on):
        """Make the target anew, with parameters as they are now and, where training goes on, what was learnt of it."""
        learnt = vars(self._target) if goes_on else {}
        self._target = self.make_target()
        vars(self._target).update({name: value for name, value in learnt.items() if name.endswith("_")})

    def _fit_target(self, y):
        """Learn the form of the target, and return it encoded."""
        return self._target.fit(y)

    def _fit_partial_target(self, y, goes_on):
        """Return a target of some of the rows, encoded; its form is learnt in the first call."""
        return self._encode_target(y, "y") if goes_on else self._fit_target(y)

    def _encode_target(self, y, name="y_val", complete=False):
        """Return the target of other rows, encoded."""
        return self._target.encode(y, name, complete)

    def _start_target(self, rows):
        """Learn from the targets of the `Rows` that are trained with what stays when training goes on."""

    def _check_validates(self, validation):
        """Raise where validation rows count nothing."""
        if validation is not None and not self._target.element_weight(validation.target, validation.weight).any():
            raise ValueError(
                f"{type(self).__name__} has nothing to validate by: class_weight is 0 for the classes of all "
                f"{len(validation)} validation rows. Pass X_val and y_val with others, or do without validation."
            )

    @property
    def _reader(self):
        names = (*self.modalities, "inputs", "pretrained", "memory", "verbose")
        parameters = {name: getattr(self, name) for name in names}
        fitted = getattr(self, "transformer_", None), getattr(self, "specs_", None)
        return Reader(parameters, self.modalities, type(self).__name__, *fitted)

    def _read_rows(self, X, y, target, sample_weight, fitted, validates=False, groups=None):
        """Return the `Rows` of a table; if its form is not known, learn it."""
        if target is not None and len(target) != _num_samples(X):
            raise ValueError(
                f"{type(self._target).__name__} must return a target for each of the {_num_samples(X)} rows of "
                f"{type(self).__name__}, got {len(target)}."
            )
        name = "sample_weight_val" if validates else "sample_weight"
        weight = check_weight(sample_weight, X if target is None else target, name)
        if not validates:
            X, y, target, weight, groups = leave_out_weightless(X, y, target, weight, groups)
        blocks = self._reader.read(X) if fitted else self._fit_read(X, y)
        y = None if y is None else indexable(y)[0]
        return Rows(blocks, y, target, weight, sample_weight is not None, groups)

    @property
    def _fit_reader(self):
        """What learns to read tables."""
        return self._reader

    def _fit_read(self, X, y):
        reader = self._fit_reader
        blocks = reader.fit_read(X, y)
        self.transformer_, self.specs_ = reader.transformer, reader.specs
        for attribute in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.transformer_, attribute):
                setattr(self, attribute, getattr(self.transformer_, attribute))
            else:
                vars(self).pop(attribute, None)  # of an earlier fit
        return blocks

    def outputs(self, X: Any) -> np.ndarray:
        """Return what the network makes of the rows of ``X``, before it is read as a prediction.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        outputs : ndarray of shape (n_rows, ...)
            As the top of the network gives them.
        """
        return self._map(X)

    def encode(self, X: Any, blocks: str | list[str] | None = None) -> dict[str, np.ndarray]:
        """Return what the encoders say of the rows of ``X``, block by block: one vector per row.

        Parameters
        ----------
        X : like X of `fit`
            Rows. A table needs no other columns than those of the blocks.
        blocks : str or list of str, default=None
            Names of blocks, keys of ``specs_``: those of columns, and "tabular"; all by default.

        Returns
        -------
        features : dict of ndarray of shape (n_rows, n_features_of_block)
            By block. A row that lacks a block has the vector that was learnt to stand in for it: zeros, if no row of
            `fit` lacked it.
        """
        in_order = self._block_names(blocks, "encode")
        names = in_order if blocks is None else [blocks] if isinstance(blocks, str) else list(blocks)

        def pooled(network, batch):
            features, _ = network.encoders.encode(batch, names)
            return torch.cat([block.pooled for block in features.values()], 1)

        encoders = self.net_.module_.encoders
        ends = np.cumsum([encoders.widths[name] for name in names])
        return dict(zip(names, np.split(self._map(X, pooled, in_order), ends[:-1], axis=1), strict=True))

    def _block_names(self, blocks, method):
        """Return names of blocks, all by default, in the order of ``specs_``; raise for unknown ones and repeats."""
        check_is_fitted(self)
        names = list(self.specs_) if blocks is None else [blocks] if isinstance(blocks, str) else list(blocks)
        in_order = [name for name in self.specs_ if name in names]
        if not names or sorted(in_order) != sorted(names):
            raise ValueError(
                f"{type(self).__name__}.{method} takes names of blocks, each once, which are {list(self.specs_)}; got "
                f"{names}."
            )
        return in_order

    @own_settings()
    def _map(self, X, function=None, names=None, target=None, raw=False):
        """Return what a function makes of the rows of ``X``, as an array.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        function : callable, default=None
            Maps the network and a batch to a tensor whose first axis is the rows; by default their outputs.
        names : list of str, default=None
            Blocks that are read; all by default.
        target : ndarray or Ragged, default=None
            What travels with the rows.
        raw : bool, default=False
            Whether a function looks blocks up in the batch that the top wants as they are.
        """
        check_is_fitted(self)
        blocks = self._reader.read(X, names)
        device = resolve_device(self.device, fitted=True)
        network = self.net_.module_
        place = torch.empty(0, device=device).device
        # Not where it is there already: recurrent layers collect their weights anew, and a thread may be using them.
        if any(tensor.device != place for tensor in module_tensors(network)):
            network = (network.float() if device.type == "mps" else network).to(device)  # mps has no float64
        self.net_.device, self.net_.precision = device, resolve_precision(self.precision, device, fitted=True)
        if self.batch_size != "auto":
            self.net_.batch_size = self.batch_size
        raw_blocks = network.top.raw_blocks if function is None or raw else ()
        blocks = encode_frozen(blocks.in_memory(raw_blocks), self.net_, resolve_store(self.memory), compute=False)
        dataset = BlockDataset(blocks, target, trim=network.encoders.trimmed_blocks(), raw=raw_blocks)
        # not by a call of the network, which may be compiled
        return self.net_.map(network.forward if function is None else lambda batch: function(network, batch), dataset)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_epochs_")

    def __copy__(self):
        """Return an estimator with the same attributes, which are not copied; `__getstate__` would copy tensors."""
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __getstate__(self):
        """State with all tensors on the CPU, so that a model that was fitted on a GPU loads without one."""
        state = super().__getstate__()
        net = state.get("net_")
        if net is not None and torch.device(net.device).type != "cpu":
            memo, other = {}, copy(net)
            module, criterion = deepcopy((net.module_, net.criterion_), memo)  # shared layers stay shared
            other.module_, other.criterion_, other.device = module.cpu(), criterion.cpu(), "cpu"
            other.initialize_optimizer().take_optimizer_state(net)
            state = {name: memo.get(id(value), value) for name, value in state.items()} | {"net_": other}
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
