"""How a block is read for its encoder (the preprocessing that goes with a model): asked for, chosen, contradicted."""

from tokenizers import Tokenizer

from sklearn_mm.inputs._same_parameters import comparable, equivalent, is_auto, same_parameters
from sklearn_mm.preprocessing import BlockTransformer
from sklearn_mm.utils._registry import did_you_mean

__all__ = ["Reading", "find_mismatch"]


class Reading:
    """What the transformer of an Input is set to, by whom.

    Parameters
    ----------
    transformer : transformer or "auto"
        What the user handed in.
    default : transformer or "auto"
        What the transformer is compared with, mostly the default of the Input. One of another class was chosen as a
        whole; of one like the default, the parameters that differ were.
    encoder : Encoder or None
        What the block is read for, if that is known.

    Attributes
    ----------
    explicit : dict
        Parameters of the transformer that the user chose, by name.
    from_encoder : dict
        Parameters that the encoder asks for, and the user left open.
    """

    def __init__(self, transformer, default, encoder):
        self.transformer = transformer
        self.encoder = encoder
        preferred = {} if encoder is None else encoder.reading
        if is_auto(transformer):
            self.explicit, self.from_encoder = {}, dict(preferred)
            return
        self.explicit, self.from_encoder = transformer.get_params(deep=False), {}
        if type(transformer) is type(default):
            defaults = default.get_params(deep=False)
            self.explicit = {name: v for name, v in self.explicit.items() if not same_parameters(v, defaults[name])}
            self.from_encoder = {name: value for name, value in preferred.items() if name not in self.explicit}

    def check(self, who, transformer):
        """Raise an error where the encoder asks for what cannot be, or the user chose what it cannot do with.

        Parameters
        ----------
        who : str
            The Input's name, for error messages.
        transformer : transformer
            The user's or, for "auto", the one that it stands for.
        """
        if self.encoder is None:
            return
        self._check_names(who, transformer)
        for name in self.encoder.required_reading:
            needed = self.encoder.reading[name]
            if name in self.explicit and not equivalent(comparable(needed), comparable(self.explicit[name])):
                raise ValueError(
                    f"{who}: {type(self.encoder).__name__} needs {name}={_shown(needed)}, but the "
                    f"{type(self.transformer).__name__} has {name}={_shown(self.explicit[name])}. Leave that out, or "
                    f"take another encoder."
                )

    def _check_names(self, who, transformer):
        encoder, required = type(self.encoder).__name__, self.encoder.required_reading
        if isinstance(required, str):
            raise TypeError(
                f"{who}: {encoder}.required_reading must be a tuple of names, got {required!r}. Write ({required!r},)."
            )
        for name in required:
            if name not in self.encoder.reading:
                raise ValueError(
                    f"{who}: {encoder}.required_reading names {name!r}, for which {encoder}.reading has no value. It "
                    f"has those of {list(self.encoder.reading)}."
                )
        accepted = sorted(transformer.get_params(deep=False)) if self.from_encoder else []
        for name in self.from_encoder:
            if name not in accepted:
                raise ValueError(
                    f"{who}: {encoder}.reading names {name!r}, which is no parameter of {type(transformer).__name__}."
                    f"{did_you_mean(name, accepted)} Its parameters: {accepted}."
                )

    def record(self):
        """Return what is worth noting in the ``reading`` of a spec, or None where it would say nothing to encoders."""
        if not (is_auto(self.transformer) or isinstance(self.transformer, BlockTransformer)):
            return None
        passing = getattr(self.transformer, "reading_parameters", ())
        chosen = {name: (comparable(value), False) for name, value in self.explicit.items() if name not in passing}
        return chosen | {name: (comparable(value), True) for name, value in self.from_encoder.items()}


def _shown(value):
    """Return how to write a parameter in a message: a tokenizer, whose `repr` is long, by its sort and size."""
    return comparable(value) if isinstance(value, Tokenizer) else repr(value)


def find_mismatch(spec, encoder, defaults):
    """Return the first parameter of a transformer that makes a block one that an encoder cannot use, or None.

    That is one that was left open and would have been chosen otherwise for this encoder, or one that it requires.

    Parameters
    ----------
    spec : BlockSpec
        What is known of the block.
    encoder : Encoder
        The encoder.
    defaults : dict
        The parameters of the transformer by default.

    Returns
    -------
    mismatch : tuple (name, wanted, used, origin) or None
        The parameter, what the encoder wants, what the block was read with, and whose choice that was: "user",
        "encoder" or "default".
    """
    if spec.reading is None:
        return None
    chosen_for_another = [name for name, (_, was_auto) in spec.reading.items() if was_auto]
    for name in dict.fromkeys((*encoder.reading, *chosen_for_another)):
        if name not in spec.reading and name not in defaults:  # it was read by a transformer of another class
            continue
        default = defaults.get(name)
        wanted = comparable(encoder.reading.get(name, default))
        used, was_auto = spec.reading.get(name, (comparable(default), True))
        if not equivalent(wanted, used) and (was_auto or name in encoder.required_reading):
            return name, wanted, used, "user" if not was_auto else "encoder" if name in spec.reading else "default"
    return None
