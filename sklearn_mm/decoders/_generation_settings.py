"""What a pretrained encoder-decoder begins and ends its texts with, and never writes (generation_config.json)."""

from typing import NamedTuple

__all__ = ["GenerationSettings", "generation_settings"]


class GenerationSettings(NamedTuple):
    """Ids of a model.

    Parameters
    ----------
    prompt : tuple of int
        What stands before each text: the start, and what is forced after it.
    end : int
        What stands after it.
    never : frozenset of int
        What is not written.
    never_first : frozenset of int
        What is not written first.
    """

    prompt: tuple[int, ...]
    end: int
    never: frozenset
    never_first: frozenset


def generation_settings(model, prompt, name):
    """Return the `GenerationSettings` of an encoder-decoder of transformers, as its ``generate`` has them.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    prompt : list of int or None
        What the user wants to stand before each text, after the start.
    name : str
        Of the model, for error messages.
    """
    config = model.generation_config
    start, end = _first_not_none(config.decoder_start_token_id, config.bos_token_id), config.eos_token_id
    if hasattr(model, "text_decoder"):  # BLIP, which has its own idea of both
        start, end = model.config.text_config.bos_token_id, model.config.text_config.sep_token_id
    end = end[0] if isinstance(end, list) and len(end) == 1 else end
    if not isinstance(start, int) or not isinstance(end, int):
        raise ValueError(
            f"PretrainedDecoder: {name} has no token, or several, that texts begin or end with: decoder_start_token_id "
            f"is {start!r} and eos_token_id {end!r}. Set one of each in its generation_config.json."
        )
    forced = _forced(config, model.config, name) if prompt is None else prompt
    singles = [ids[0] for ids in config.bad_words_ids or () if len(ids) == 1]
    return GenerationSettings(
        (start, *forced),
        end,
        frozenset([*(config.suppress_tokens or ()), *singles]) - {end},
        frozenset(config.begin_suppress_tokens or ()),
    )


def _forced(config, of_model, name):
    """Return what ``generate`` forces after the start."""
    if config.forced_bos_token_id is not None:
        return [config.forced_bos_token_id]
    told = {key: getattr(config, key, None) for key in ("language", "task", "lang_to_id", "task_to_id")}
    pairs = getattr(config, "forced_decoder_ids", None) or getattr(of_model, "forced_decoder_ids", None) or ()
    forced = [] if told["language"] or told["task"] else [pair[1] for pair in pairs]
    if told["lang_to_id"]:
        language = told["language"] and f"<|{told['language'].strip('<|>')}|>"
        known = told["lang_to_id"].get(language, forced[0] if forced else None)
        if known is None:
            raise ValueError(
                f"PretrainedDecoder: {name} writes several languages, and does not say which. Say how texts begin: "
                f"prompt={''.join([next(iter(told['lang_to_id'])), *_task(told), '<|notimestamps|>'])!r}."
            )
        forced = [known, *[told["task_to_id"][task.strip("<|>")] for task in _task(told)]]
    timeless = getattr(config, "no_timestamps_token_id", None)
    if timeless is not None and not getattr(config, "return_timestamps", False) and timeless not in forced:
        forced.append(timeless)
    return forced


def _task(told):
    return [f"<|{told['task'] or 'transcribe'}|>"] if told["task_to_id"] else []


def _first_not_none(*values):
    return next((value for value in values if value is not None), None)
