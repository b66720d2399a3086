"""Encoders that are functions of cells, and blocks of vectors: what goes together, and what contradicts."""

from sklearn_mm.blocks import VectorSpec
from sklearn_mm.inputs._same_parameters import is_auto
from sklearn_mm.preprocessing import EmbeddingTransformer
from sklearn_mm.utils._fingerprint import mark_function
from sklearn_mm.utils._messages import name_function

__all__ = ["check_reads_cells", "check_vectors"]


def check_reads_cells(who, transformer, encoder):
    """Raise ValueError where the transformer of an Input makes what its encoder does not take.

    Parameters
    ----------
    who : str
        The Input's name.
    transformer : transformer or "auto"
        What the user chose; "auto" is open.
    encoder : Encoder or None
        What reads the block, if that is known.
    """
    if encoder is None or is_auto(transformer):
        return
    makes_vectors, name = isinstance(transformer, EmbeddingTransformer), type(encoder).__name__
    if encoder.embed_cells is None:
        if makes_vectors and not encoder.reads_vectors:
            raise ValueError(
                f"{who}: {name} cannot read the vectors that the EmbeddingTransformer makes. Leave one of them out, or "
                f"take VectorEncoder()."
            )
        return
    function = name_function(encoder.embed_cells)
    if not makes_vectors:
        raise ValueError(
            f"{who}: {name} lets {function} read the cells, and the {type(transformer).__name__} would read them "
            f"otherwise: {transformer!r}. Leave one of them out."
        )
    if mark_function(transformer.function) != mark_function(encoder.embed_cells):
        raise ValueError(
            f"{who}: {name} lets {function} read the cells, and the EmbeddingTransformer has another function, "
            f"{name_function(transformer.function)}. Leave one of them out."
        )


def check_vectors(spec, encoder, who, written):
    """Raise ValueError where a block is of vectors and its encoder takes none, or others, or the other way round.

    Parameters
    ----------
    spec : BlockSpec
        What is known of the block.
    encoder : Encoder
        The encoder.
    who : str
        Whose encoder it is, for error messages.
    written : str
        How the encoder is named where the block is read.
    """
    holds_vectors, function = isinstance(spec, VectorSpec), encoder.embed_cells
    if holds_vectors and not encoder.reads_vectors:
        read = f"as vectors, by the function {spec.function}"
    elif function is not None and not holds_vectors:
        read = f"for another encoder, and not by the function {name_function(function)}"
    elif function is not None and mark_function(function) != spec.function:
        read = f"by another function, {spec.function}, than {mark_function(function)}"
    else:
        return
    raise ValueError(
        f"{who} cannot use {type(encoder).__name__} for block {spec.name!r}: the block was read {read}. Name the "
        f"encoder where the block is read: {written}."
    )
