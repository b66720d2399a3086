import torch

_SHARES = [step / 20 for step in range(21)]


def settle_share(wide, deep, target, weight, criterion):
    counted = weight.reshape(len(weight), -1).any(1)

    def losses(share):
        loss = criterion(wide + share * deep, target) * weight
        return loss.reshape(len(loss), -1).sum(1)[counted]

    alone = losses(0.0)
    gains = [alone - losses(share) for share in _SHARES]  # each (n_rows,)
    sure = [gain.mean() - gain.std(correction=0) / len(gain) ** 0.5 for gain in gains]
    return _SHARES[int(torch.stack(sure).argmax())]
