"""What the Inputs of an estimator still say where it is handed `Blocks`, which were read before."""

from dataclasses import replace

from sklearn_mm.blocks import Blocks, VectorSpec
from sklearn_mm.inputs._base import Input
from sklearn_mm.inputs._column_assignment import as_list, looks
from sklearn_mm.inputs._modalities import MODALITIES
from sklearn_mm.inputs._same_parameters import is_auto
from sklearn_mm.utils._registry import did_you_mean

__all__ = ["respecify"]


def respecify(
    blocks: Blocks, inputs: dict[str, Input | None], owner: str, modalities: dict[str, type] = MODALITIES
) -> Blocks:
    """Return the `Blocks` that an estimator's Inputs select, with the encoders and augmentations that they name.

    Columns of Inputs are read as names of blocks; "auto" stands for all blocks of the Input's kind. "auto" as encoder,
    augmentation or pooling leaves what was named when the blocks were read. Where no encoder was, the one acts that an
    Input has for "auto", as that of the estimator's ``pretrained``.

    Parameters
    ----------
    blocks : Blocks
        What a `ModalityTransformer` made.
    inputs : dict of str to Input or None
        The estimator's Inputs, as its ``_resolved_inputs()`` returns them.
    owner : str
        The estimator's name, for error messages.
    modalities : dict of str to type, default={"image": ImageInput, "text": TextInput, "tabular": TabularInput}
        The estimator's ``modalities``: classes of Inputs by short parameter.

    Returns
    -------
    blocks : Blocks
        The selected blocks, in their order.
    """
    for name, input_ in inputs.items():
        if input_ is not None and not input_.has_default_transformer():
            raise ValueError(
                f"The transformer of `{name}` cannot act in {owner}, which was handed Blocks: these are read already. "
                f"Move it to where they are read: "
                f"{_written(name, input_, 'transformer=...', modalities)}."
            )
    chosen = _choose(blocks, inputs, owner, modalities)
    if not chosen:
        raise ValueError(f"{owner} has no block left to read: its Inputs take none of the blocks {list(blocks)}.")
    specs = {}
    for block, name in chosen.items():
        specs[block] = blocks.specs[block]
        if name is not None:
            specs[block] = _respecified(specs[block], name, inputs[name], owner, modalities)
            inputs[name].check_spec(specs[block], owner)
    _check_groups(specs, inputs, owner, modalities)
    return blocks.select(chosen).with_specs(specs)


def _choose(blocks, inputs, owner, modalities):
    """Return the name of the Input of each chosen block; None for kinds that no short parameter speaks of."""
    named = {}
    for name, input_ in inputs.items():
        for column in [] if input_ is None or looks(input_) else as_list(input_.columns):
            block = _find(column, blocks, name, input_, owner)
            if block in named:
                raise ValueError(f"{owner}: block {block!r} is claimed by `{named[block]}` and `{name}`.")
            named[block] = name
    finders = {}
    for name, input_ in inputs.items():
        if input_ is not None and looks(input_) and finders.setdefault(input_.kind, name) != name:
            raise ValueError(
                f"{owner}: both `{finders[input_.kind]}` and `{name}` look for blocks of kind {input_.kind!r}. Name "
                f"the blocks of one."
            )
    is_short = set(inputs) == set(modalities)  # names that Inputs in the list `inputs` cannot have
    short_kinds = {input_.kind for input_ in modalities.values()}
    chosen = {}
    for block, spec in blocks.specs.items():
        name = named.get(block) or finders.get(spec.kind)
        if name is not None or (is_short and spec.kind not in short_kinds):
            chosen[block] = name
    return chosen


def _find(column, blocks, name, input_, owner):
    block = column if isinstance(column, str) else str(column)  # blocks of an array are named after positions
    if block not in blocks:
        inside = [other for other, spec in blocks.specs.items() if block in spec.columns]
        hint = f" It is a column of block {inside[0]!r}." if inside else did_you_mean(block, blocks)
        raise ValueError(
            f"{owner}: `{name}` names {column!r}, but it was handed Blocks, and none of these has that name.{hint} "
            f"Names of blocks: {list(blocks)}."
        )
    kind = blocks.specs[block].kind
    if kind != input_.kind:
        raise ValueError(f"{owner}: `{name}` reads blocks of kind {input_.kind!r}, but {block!r} is of kind {kind!r}.")
    return block


def _respecified(spec, name, input_, owner, modalities):
    params = input_.get_params(deep=False)
    changes = {
        what: params[what] for what in ("encoder", "augment", "pool") if what in params and not is_auto(params[what])
    }
    if "encoder" not in changes and is_auto(spec.encoder):
        changes["encoder"] = input_._stand_in(isinstance(spec, VectorSpec)) or spec.encoder
    if "pool" in changes and spec.pool is None:
        raise ValueError(
            f"{owner}: `{name}` has pool={input_.pool!r}, but block {spec.name!r} was read as single cells. Name it "
            f"where they are read: {_written(name, input_, f'pool={input_.pool!r}', modalities)}."
        )
    if input_.shared:
        changes["group"] = name
    return replace(spec, **changes)


def _check_groups(specs, inputs, owner, modalities):
    """Raise where blocks that should share an encoder were not read alike."""
    for name, input_ in inputs.items():
        if input_ is None or not input_.shared:
            continue
        first, *others = [spec for spec in specs.values() if spec.group == name] or [None]
        for spec in others:
            if replace(spec, name=first.name, columns=first.columns) != first:
                raise ValueError(
                    f"{owner}: `{name}` shares one encoder, but its blocks {first.name!r} and {spec.name!r} were not "
                    f"read alike: got {first} and {spec}. Share it where they are read: "
                    f"{_written(name, input_, 'shared=True', modalities)}."
                )


def _written(name, input_, parameter, modalities):
    """Return how the Input is written where its blocks are read, with a parameter."""
    text = f"{type(input_).__name__}({parameter})"
    if name in MODALITIES:
        return f"ModalityTransformer({name}={text})"
    listed = f"ModalityTransformer(inputs=[({name!r}, {text}), ...])"
    return f"{listed}, or {name}={text} of a reader with this parameter" if name in modalities else listed
