"""The parameters that estimators share, in groups: defaults, constraints and docstrings, each in one place."""

from collections.abc import Callable
from numbers import Integral, Real
from os import PathLike

import torch
from joblib import Memory
from numpy.random import RandomState

from sklearn_mm.encoders import Encoder
from sklearn_mm.fusion import Fusion
from sklearn_mm.inputs import Input
from sklearn_mm.inputs._pretrained import PRETRAINED
from sklearn_mm.networks import Head, WideLinear
from sklearn_mm.networks._tops import BALANCING
from sklearn_mm.storage import BlockStore
from sklearn_mm.storage._store import MEMORY
from sklearn_mm.training._precision import PRECISIONS
from sklearn_mm.training._schedules import SCHEDULES
from sklearn_mm.training._trainer import OPTIMIZERS
from sklearn_mm.utils._declared_parameters import parameter, with_parameters
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["FITTED_ATTRIBUTES", "FusionParameters", "InputParameters", "RunParameters", "TrainingParameters"]

_COLUMNS = """"auto", None, str, int, list or Input
    Which columns hold pictures, texts, numbers or categories, sound, and videos: "auto" finds them, None ignores the
    modality, a name, a position or a list of these says so. An `ImageInput`, `TextInput`, `TabularInput`, `AudioInput`
    or `VideoInput` also says how they are read and encoded."""


@with_parameters
class InputParameters:
    """Which columns hold what, and where what is read of them is kept."""

    image: str | int | list | Input | None = parameter(default="auto", doc=_COLUMNS, kw_only=False)
    text: str | int | list | Input | None = parameter(default="auto", doc=_COLUMNS, kw_only=False)
    tabular: str | int | list | Input | None = parameter(default="auto", doc=_COLUMNS, kw_only=False)
    audio: str | int | list | Input | None = parameter(default="auto", doc=_COLUMNS, kw_only=False)
    video: str | int | list | Input | None = parameter(default="auto", doc=_COLUMNS, kw_only=False)
    inputs: list[tuple[str, Input]] | None = parameter(
        default=None,
        doc="""list of (str, Input)
        The long way, as in scikit-learn's ColumnTransformer: named Inputs, several of one modality or of one's own.
        Then only these are used.""",
    )
    pretrained: str | PathLike | Encoder | dict | None = parameter(
        default=None,
        constraints=PRETRAINED,
        doc="""str, path, Encoder, dict or None
        From scratch to pretrained in one line: models that encode the blocks whose Inputs name no encoder. A dict has a
        model for each kind, as in ``{"text": "models/minilm", "image": "models/siglip"}``: a folder or whatever else
        `sklearn_mm.encoders.PretrainedEncoder` takes, or an encoder; None leaves a kind as it is. One model alone, such
        as CLIP, is for all kinds that it reads. Blocks are read as the models ask. Of `Blocks`, it encodes those that
        were read without an encoder's name, as their model asks. With None, encoders begin from scratch.""",
    )
    memory: str | PathLike | Memory | BlockStore | None = parameter(
        default=None,
        constraints=MEMORY,
        doc="""str, path, joblib.Memory, BlockStore or None
        Folder that keeps decoded pictures, and what frozen encoders make of them, so that each is made once for all
        folds, candidates, searches and processes that name it, and is read from files batch by batch: rows may be more
        than fit into memory. With None, each picture is decoded once per `fit`, and all of them are held in memory.""",
    )


@with_parameters
class FusionParameters:
    """What makes outputs of the blocks, once they are encoded."""

    fusion: str | Fusion = parameter(
        default="auto",
        constraints=[str, Fusion],
        before="modality_dropout",
        doc="""str or Fusion
        How blocks become one vector: "concat" (which "auto" stands for), "sum", "product", "max", "gated", "late",
        "film", "bilinear", "lowrank", "attention", "bottleneck", or a `Fusion`.""",
    )
    head: str | Head = parameter(
        default="auto",
        constraints=[str, Head],
        before="modality_dropout",
        doc="""str or Head
        What maps the fused vector to the {outputs}: "mlp" (which "auto" stands for), "linear", "ensemble" (many that
        share weights, whose mean predicts), or a `Head`.""",
    )
    wide: str | WideLinear | None = parameter(
        default="auto",
        constraints=[str, WideLinear, None],
        before="modality_dropout",
        doc="""str, WideLinear or None
        "linear" (which "auto" stands for) adds a linear model of n-grams, numbers, categories, edges and colours to
        the outputs of the rest (`WideLinear`), which learns to say what this model misses. None leaves it out.""",
    )
    balancing: str | None = parameter(
        default="auto",
        constraints=[StrOptions({"auto", *BALANCING}), None],
        before="max_epochs",
        doc="""{"auto", "heads", "modulation"} or None
        What keeps modalities that learn slowly from being left behind by those that learn fast, if there are several:
        "modulation" slows down the encoder of the block that is ahead (OGM-GE), "heads" also trains each block to
        predict by itself; neither changes how rows are predicted. None does nothing, and "auto" stands for it: worth
        trying where one block alone predicts better than all together.""",
    )


@with_parameters
class TrainingParameters:
    """How a network is trained."""

    modality_dropout: float = parameter(
        default=0.0,
        constraints=[Interval(Real, 0, 1, closed="left")],
        doc="""float
        Probability that a block of a row is hidden in training. Larger makes the network cope better with rows that
        lack a modality, and learn more slowly.""",
    )
    max_epochs: int = parameter(
        default=20,
        constraints=[Interval(Integral, 1, None, closed="left")],
        doc="""int
        How often the training rows are gone through. More fits closer and takes longer; the learning-rate schedule
        spans all of them.""",
    )
    batch_size: int | str = parameter(
        default="auto",
        constraints=[StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        doc="""int or "auto"
        Rows that are computed at once. "auto" is a power of two between 8 and 64, about a sixteenth of the rows. Where
        a GPU's memory does not suffice it is halved, with a warning.""",
    )
    gradient_accumulation_steps: int = parameter(
        default=1,
        constraints=[Interval(Integral, 1, None, closed="left")],
        doc="""int
        How many batches make a step. With more, the steps are those of as much larger batches (but for batch
        statistics and dropout, which are drawn per batch) in the memory of small ones.""",
    )
    lr: float = parameter(
        default=2e-3,
        constraints=[Interval(Real, 0, None, closed="neither")],
        doc="""float
        Peak learning rate.""",
    )
    lr_schedule: str | Callable[[float], float] = parameter(
        default="one_cycle",
        constraints=[StrOptions(set(SCHEDULES)), callable],
        doc="""{"one_cycle", "cosine", "inverse_sqrt", "constant"} or callable
        How the learning rate goes over the training: up and down to zero ("one_cycle"), down to zero ("cosine"), up
        and then down as one over the root of the steps ("inverse_sqrt"), not at all ("constant"); a callable maps
        progress in [0, 1] to a factor.""",
    )
    optimizer: str | Callable = parameter(
        default="adamw",
        constraints=[StrOptions(set(OPTIMIZERS)), callable],
        doc="""{"adamw", "adam", "sgd"} or callable
        Optimiser; "sgd" has Nesterov momentum 0.9. A callable takes parameter groups and ``lr``.""",
    )
    weight_decay: float = parameter(
        default=1e-2,
        constraints=[Interval(Real, 0, None, closed="left")],
        doc="""float
        Decay of weight matrices. Larger regularises more.""",
    )
    weight_averaging: str | None = parameter(
        default="auto",
        constraints=[StrOptions({"auto", "ema"}), None],
        doc="""{"auto", "ema"} or None
        "ema" validates and predicts with an exponential moving average of the weights, which looks back over about a
        tenth of the steps and evens out rough ones; None takes the weights as they are. "auto" is "ema" for
        ``lr_schedule`` "constant" and "inverse_sqrt", and None for schedules that come down to zero. Not in
        ``partial_fit``.""",
    )
    warm_start: bool = parameter(
        default=False,
        constraints=["boolean"],
        doc="""bool
        Whether another call of `fit` goes on from the weights that are there, with the same way of reading, network,
        loss and {kept}, and new settings of training; ``history_`` goes on too.""",
    )
    early_stopping: bool | str = parameter(
        default="auto",
        constraints=[StrOptions({"auto"}), "boolean"],
        doc="""bool or "auto"
        Whether to stop when ``scoring`` on the validation rows no longer gets better, and to restore the best epoch's
        weights. "auto" does so if validation rows are passed to `fit`.""",
    )
    validation_fraction: float = parameter(
        default=0.1,
        constraints=[Interval(Real, 0, 1, closed="neither")],
        doc="""float
        Share of rows held out{stratified} for early stopping if no validation rows are passed.""",
    )
    scoring: str | Callable = parameter(
        default="loss",
        constraints=[str, callable],
        doc="""str or callable
        What early stopping goes by on the validation rows: "loss", the name of a scikit-learn scorer, as "{scorer}",
        or a callable ``scorer(estimator, X, y)``, which gets the rows as `Blocks`. Training stops at once at a score
        that cannot be bettered. ``history_`` has it as ``"valid_"`` and its name, ``"valid_scoring"`` for a
        callable.""",
    )
    n_iter_no_change: int = parameter(
        default=10,
        constraints=[Interval(Integral, 1, None, closed="left")],
        doc="""int
        Epochs without improvement before stopping early.""",
    )
    max_time: float | None = parameter(
        default=None,
        constraints=[Interval(Real, 0, None, closed="neither"), None],
        doc="""float
        Seconds after which `fit` ends, reading of the rows included; looked at after each batch, and in each step of
        the fit of the wide part, which tries penalties for half of its time at most. The epoch under way is cut short
        and validated. The learning rate follows the larger of the share of the epochs and the share of the time for
        training, so that it has come down when time is up. Results then depend on the machine's speed.""",
    )
    device: str | torch.device = parameter(
        default="auto",
        constraints=[str, torch.device],
        doc="""str or torch.device
        Where to compute; "auto" is the first of "cuda", "mps" and "cpu" that is there.""",
    )
    precision: str = parameter(
        default="auto",
        constraints=[StrOptions({"auto", *PRECISIONS})],
        doc="""{"auto", "float32", "bfloat16", "float16"}
        Number format of the costly operations (torch's autocast); weights, losses and predictions stay float32 or
        float64. "auto" is bfloat16 on GPUs that are made for it, else float32. With "float16", gradients are
        scaled.""",
    )
    compile: bool = parameter(
        default=False,
        constraints=["boolean"],
        doc="""bool
        Whether to compile the network for training (`torch.compile`): takes from seconds to minutes, and pays in long
        training on a GPU. Predictions are made without.""",
    )
    skorch_callbacks: list | None = parameter(
        default=None,
        constraints=[list, tuple, None],
        doc="""list of skorch.callbacks.Callback or of (str, Callback)
        Callbacks that see the net in training; cloned for each `fit`, the clones are in ``net_.callbacks_``.""",
    )


@with_parameters
class RunParameters:
    """What is random, and what is printed."""

    random_state: int | RandomState | None = parameter(
        default=None,
        constraints=["random_state"],
        doc="""int, RandomState instance or None
        Fixes initialisation, order, dropout, augmentation and the validation split.""",
    )
    verbose: int = parameter(
        default=0,
        constraints=["verbose"],
        doc="""int
        0 is silent, 1 shows what the columns were taken for and a progress bar, 2 a line per epoch.""",
    )


FITTED_ATTRIBUTES = """transformer_ : ModalityTransformer or None
    What reads the table; None if fitted on `Blocks`.
specs_ : dict of str to BlockSpec
    What the network knows of each block.
net_ : skorch.NeuralNet
    The fitted net: ``net_.module_`` is the torch module, ``optimizer_``, ``criterion_``, ``history`` and
    ``callbacks_`` are skorch's. It does not fit or predict by itself, as only the estimator makes its batches.
history_ : list of dict
    Epoch, losses, scores and seconds of each epoch; ``pandas.DataFrame`` takes it.{losses}
n_epochs_ : int
    Epochs trained.
best_epoch_ : int
    Epoch whose weights are used.
n_features_in_ : int
    Number of columns seen in `fit`; not set if fitted on `Blocks`.
feature_names_in_ : ndarray of shape (``n_features_in_``,)
    Their names, if all are strings."""
