"""Low-rank adapters beside the linear maps of a pretrained network (LoRA, parameter-efficient fine-tuning)."""

import torch.nn as nn

from sklearn_mm.encoders.pretrained._layer_stack import find_stack, sharing_copy
from sklearn_mm.utils._optional import import_extra

__all__ = ["with_adapters"]


def with_adapters(model, rank, who="PretrainedEncoder"):
    """Return a copy of a network, with the same tensors, whose layers have adapters, which alone are trained.

    Parameters
    ----------
    model : torch.nn.Module
        Has a `find_stack`.
    rank : int
        Rank of the adapters. Their outputs are scaled by 2.
    who : str, default="PretrainedEncoder"
        Who asks, for error messages.

    References
    ----------
    Hu et al.: LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022.
    """
    peft = import_extra("peft", "lora", f'{who}(trainable="lora")')
    if any(hasattr(module, "lora_A") for module in model.modules()):
        raise ValueError(
            f'{who}(trainable="lora"): {type(model).__name__} has adapters already. Merge them into it: '
            "merge_and_unload()."
        )
    stack, _ = find_stack(model)
    linear = (
        []
        if stack is None
        else [
            f"{stack}.{name}"
            for name, module in model.get_submodule(stack).named_modules()
            if type(module) is nn.Linear
        ]
    )
    if not linear:
        raise ValueError(
            f'{who}(trainable="lora"): {type(model).__name__} has no stack of layers with linear maps '
            '(transformer blocks) to which adapters could be added. Train all of it (trainable="all").'
        )
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear, inference_mode=False)
    return peft.inject_adapter_in_model(config, sharing_copy(model))
