"""What all multimodal estimators share: from a table to a trained network, and from a table to its outputs."""

from copy import copy
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils.validation import check_consistent_length, check_is_fitted
from skorch.callbacks import LRScheduler

from sklearn_mm.encoders import TabularEncoder
from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.fusion import Fusion
from sklearn_mm.fusion._registry import resolve_fusion
from sklearn_mm.inputs import InputsMixin, ModalityTransformer, respecify
from sklearn_mm.networks._heads import Head, resolve_head
from sklearn_mm.networks._network import MultimodalNetwork
from sklearn_mm.preprocessing import Blocks
from sklearn_mm.training._augment import resolve_augment
from sklearn_mm.training._callbacks import BestWeights, DivergenceGuard, Progress
from sklearn_mm.training._dataset import BlockDataset
from sklearn_mm.training._device import resolve_device
from sklearn_mm.training._net import MultimodalNet
from sklearn_mm.training._schedules import SCHEDULES, Schedule
from sklearn_mm.training._seeding import draw_seed, seeded
from sklearn_mm.training._split import split_validation
from sklearn_mm.utils._validation import Interval, StrOptions, _check_sample_weight, _fit_context, _num_samples

__all__ = ["BaseMultimodal"]

_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


class BaseMultimodal(ClassNamePrefixFeaturesOutMixin, TransformerMixin, InputsMixin):
    """Base of the estimators that learn from labelled rows.

    A subclass owes ``_fit_target(y)``, which learns the form of ``y`` and returns it as an array,
    ``_encode_target(y)``, which does so for other rows, ``_start_target(target, weight)``, which learns from the rows
    that are trained with, ``_loss_target(target)`` and ``_element_weight(target, sample_weight)``, what the loss gets,
    ``_criterion()``, and ``_n_outputs``.
    """

    _parameter_constraints = {
        "fusion": [str, Fusion],
        "head": [str, Head],
        "modality_dropout": [Interval(Real, 0, 1, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions(set(SCHEDULES)), callable],
        "optimizer": [StrOptions(set(_OPTIMIZERS)), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "early_stopping": [StrOptions({"auto"}), "boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    _stratify = False

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Learn to predict ``y`` from the rows of ``X``.

        Parameters
        ----------
        X : DataFrame, 2-D array or Blocks of n_rows rows
            A table with columns of pictures, texts, numbers and categories; a 2-D array of numbers (one table) or
            of objects (columns by position); or what a `ModalityTransformer` made.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            What to predict.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss. Rows of weight zero are left out.
        X_val, y_val : like X and y, default=None
            Rows to validate with after each epoch, instead of a share of ``X``.
        sample_weight_val : array-like, default=None
            Weights of the validation rows.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._check_rows(X, y, X_val, y_val)
        target = self._fit_target(y)
        weight = _check_weight(sample_weight, target)
        blocks = self._read_fit(X, y)
        seed = draw_seed(self.random_state)
        early_stopping = self.early_stopping is True or (self.early_stopping == "auto" and X_val is not None)

        validation = None
        if X_val is not None:
            target_val = self._encode_target(y_val)
            validation = self._read(X_val), target_val, _check_weight(sample_weight_val, target_val)
        elif early_stopping:
            kept, held_out = split_validation(target, self.validation_fraction, seed, stratify=self._stratify)
            validation = blocks[held_out], target[held_out], weight[held_out]
            blocks, target, weight = blocks[kept], target[kept], weight[kept]
        if not weight.all():
            rows = np.flatnonzero(weight)
            blocks, target, weight = blocks[rows], target[rows], weight[rows]
        self._start_target(target, weight)
        self._train(blocks, target, weight, validation, seed, early_stopping)
        return self

    def transform(self, X):
        """Return the fused features of the rows of ``X``: what the head sees.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        features : ndarray of shape (n_rows, n_features_out)
            One vector per row: float32, or float64 if all blocks are tables.
        """
        return self._map(X, "fuse")

    def _check_rows(self, X, y, X_val, y_val):
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        check_consistent_length(X, y)
        if not _num_samples(y):
            raise ValueError(f"Found array with 0 sample(s) while a minimum of 1 is required by {type(self).__name__}.")
        if (X_val is None) != (y_val is None):
            given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{type(self).__name__}.fit got {given} without {missing}; pass both or neither.")
        if X_val is not None:
            check_consistent_length(X_val, y_val)

    def _read_fit(self, X, y):
        """Return the `Blocks` of training rows, and learn how to read more of them."""
        if isinstance(X, Blocks):
            self.transformer_ = None
            blocks = respecify(X, self._resolved_inputs(), type(self).__name__)
            for attribute in ("n_features_in_", "feature_names_in_"):  # of an earlier fit on a table
                vars(self).pop(attribute, None)
        else:
            self.transformer_ = ModalityTransformer(
                image=self.image, text=self.text, tabular=self.tabular, inputs=self.inputs, verbose=self.verbose
            )
            self.transformer_._owner = type(self).__name__
            blocks = self.transformer_.fit_transform(X, y)
            self.n_features_in_ = self.transformer_.n_features_in_
            if hasattr(self.transformer_, "feature_names_in_"):
                self.feature_names_in_ = self.transformer_.feature_names_in_
        self.specs_ = blocks.specs
        return blocks

    def _read(self, X):
        """Return the `Blocks` of other rows, as the network knows them."""
        name = type(self).__name__
        if not isinstance(X, Blocks):
            if self.transformer_ is None:
                raise TypeError(
                    f"{name} was fitted on Blocks, got {type(X).__name__}. Pass the rows through the same "
                    "ModalityTransformer first, or put both into a Pipeline."
                )
            return self.transformer_.transform(X)
        missing = [block for block in self.specs_ if block not in X]
        if missing:
            raise ValueError(f"{name} was fitted on the blocks {list(self.specs_)}; missing: {missing}, got {list(X)}.")
        blocks = X.select(self.specs_)
        for block, spec in self.specs_.items():
            theirs = blocks.specs[block]
            # Of lists, it counts that they are lists, and not what the Blocks say about pooling.
            pool = spec.pool if theirs.pool and spec.pool else theirs.pool
            if replace(theirs, encoder=spec.encoder, augment=spec.augment, group=spec.group, pool=pool) != spec:
                raise ValueError(
                    f"Block {block!r} was read with other settings than the one {name} was fitted on: got {theirs}, "
                    f"expected {spec}. Use the ModalityTransformer that made the training rows."
                )
        return blocks

    def _train(self, blocks, target, weight, validation, seed, early_stopping):
        device = resolve_device(self.device)
        batch_size = self._batch_size(len(blocks))
        with seeded(seed, device):
            network = self._build_network()
            generator = torch.Generator().manual_seed(seed)
            network.start(blocks, self._loss_target(target), weight, generator)
            train_set = self._dataset(network, blocks, target, weight)
            self.net_ = MultimodalNet(
                network,
                self._criterion(),
                max_epochs=self.max_epochs,
                batch_size=batch_size,
                lr=self.lr,
                weight_decay=self.weight_decay,
                device=device,
                verbose=0,
                callbacks=self._callbacks(-(-len(blocks) // batch_size), early_stopping),
                **self._optimizer(),
            ).initialize()
            try:
                self.net_.train(train_set, None if validation is None else self._dataset(network, *validation))
            except KeyboardInterrupt:
                self._finish(early_stopping)
                raise
        self._finish(early_stopping)

    def _build_network(self):
        encoders = {}
        for spec in self.specs_.values():
            key = _sharing(spec)
            if key not in encoders:
                encoders[key] = _checked_clone(resolve_encoder(spec.encoder, spec.kind))
        network = MultimodalNetwork(
            self.specs_,
            {name: encoders[_sharing(spec)] for name, spec in self.specs_.items()},
            _checked_clone(resolve_fusion(self.fusion)),
            _checked_clone(resolve_head(self.head)),
            self._n_outputs,
            modality_dropout=self.modality_dropout,
        )
        for name, spec in self.specs_.items():
            if spec.augment is not None:
                encoder = network.encoder(name)
                frozen = not any(parameter.requires_grad for parameter in encoder.parameters())
                network.set_augment(name, resolve_augment(spec.augment, frozen))
        return network

    def _dataset(self, network, blocks, target=None, weight=None):
        if target is not None:
            element_weight = self._element_weight(target, weight)
            target = torch.from_numpy(self._loss_target(target))
            weight = torch.from_numpy((element_weight / element_weight.mean()).astype(np.float32))
        return BlockDataset(blocks, target, weight, trim=network.trimmed_blocks())

    def _callbacks(self, n_batches, early_stopping):
        owner = type(self).__name__
        schedule = (
            SCHEDULES.get(self.lr_schedule, self.lr_schedule) if isinstance(self.lr_schedule, str) else self.lr_schedule
        )
        callbacks = [
            LRScheduler(
                torch.optim.lr_scheduler.LambdaLR,
                lr_lambda=Schedule(schedule, self.max_epochs * n_batches),
                step_every="batch",
                event_name=None,
            ),
            DivergenceGuard(owner),
        ]
        if self.verbose:
            callbacks.append(Progress(owner, int(self.verbose)))
        if early_stopping:
            callbacks.append(BestWeights(patience=self.n_iter_no_change, threshold=0, load_best=True))
        return callbacks

    def _optimizer(self):
        if not isinstance(self.optimizer, str):
            return {"optimizer": self.optimizer}
        options = {"optimizer__momentum": 0.9, "optimizer__nesterov": True} if self.optimizer == "sgd" else {}
        return {"optimizer": _OPTIMIZERS[self.optimizer], "optimizer__fused": True, **options}

    def _batch_size(self, n_rows):
        """Batches of 8 to 64 rows, so that an epoch over few rows still makes some sixteen steps."""
        if self.batch_size != "auto":
            return min(self.batch_size, n_rows)
        return int(np.clip(2 ** int(np.log2(max(n_rows / 16, 1))), 8, 64))

    def _finish(self, early_stopping):
        epochs = [row for row in self.net_.history if "train_loss" in row]
        names = ("epoch", "train_loss", "train_score", "valid_loss", "valid_score", "dur")
        self.history_ = [
            {"seconds" if name == "dur" else name: row[name] for name in names if name in row} for row in epochs
        ]
        self.n_epochs_ = len(epochs)
        self.best_epoch_ = self.n_epochs_
        if early_stopping and epochs:
            self.best_epoch_ = min(self.history_, key=lambda row: row["valid_loss"])["epoch"]
        network = self.net_.module_
        self._n_features_out = network.fusion.out_features
        only_tables = all(isinstance(encoder, TabularEncoder) for encoder in network.encoders)
        if only_tables and torch.device(self.net_.device).type != "mps":  # which has no float64
            # Cheap for such small networks, and what is said of a row no longer depends on the rows beside it by the
            # rounding of float32.
            network.double()

    def _map(self, X, method="forward"):
        """Return the rows of a method of the network, as an array."""
        check_is_fitted(self)
        blocks = self._read(X)
        device = resolve_device(self.device, fitted=True)
        network = self.net_.module_.to(device)
        self.net_.device = device
        return self.net_.map(getattr(network, method), self._dataset(network, blocks))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_epochs_")

    def __getstate__(self):
        """State with all tensors on the CPU, so that a model that was fitted on a GPU loads without one."""
        state = super().__getstate__()
        net = state.get("net_")
        if net is not None and torch.device(net.device).type != "cpu":
            net = copy(net)  # by skorch's __getstate__, which copies the tensors too
            net.module_ = net.module = net.module_.cpu()
            net.device = "cpu"
            net.initialize_optimizer()
            state = {**state, "net_": net}
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _checked_clone(component):
    component = clone(component)
    component._validate_params()
    return component


def _sharing(spec):
    """Equal for blocks that share an encoder; a group may have the name of a block."""
    return ("group", spec.group) if spec.group else ("block", spec.name)


def _check_weight(sample_weight, target):
    weight = _check_sample_weight(sample_weight, target, dtype=np.float64, ensure_non_negative=True)
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weight
