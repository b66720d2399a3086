"""Learning rates that fall layer by layer from the top (layer-wise learning-rate decay, discriminative fine-tuning)."""

from sklearn_mm.encoders.pretrained._layer_stack import find_stack

__all__ = ["layer_groups"]


def layer_groups(model, lr, decay):
    """Return torch parameter groups of a network: the last layer, and what comes after it, learn at ``lr``.

    Parameters
    ----------
    model : torch.nn.Module
        A network, or a part of one, whose weights that want gradients are trained.
    lr : float
        Learning rate at the top.
    decay : float
        Factor from each layer to the one below; what comes before the first layer has another one.

    Returns
    -------
    groups : list of dict
        In the manner of torch's optimisers; vectors do not decay.
    """
    stack, n_layers = find_stack(model)
    depths, before = {}, True
    for name, weight in model.named_parameters():
        inside = stack is not None and name.startswith(f"{stack}.")
        before = before and not inside
        place = int(name[len(stack) + 1 :].partition(".")[0]) if inside else -1 if before and stack else n_layers - 1
        if weight.requires_grad:
            depths.setdefault(n_layers - 1 - place, []).append(weight)
    groups = []
    for depth, weights in sorted(depths.items()):
        rate = lr * decay**depth
        groups.append({"params": [weight for weight in weights if weight.ndim > 1], "lr": rate})
        groups.append({"params": [weight for weight in weights if weight.ndim < 2], "lr": rate, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]
