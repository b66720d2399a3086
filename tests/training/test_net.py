import numpy as np
import torch
from skorch.callbacks import Callback

from sklearn_mm import MultimodalClassifier
from sklearn_mm.training._net import parameter_groups


def test_all_parts_of_the_network_train_and_validate_in_their_mode():
    class SeesModes(Callback):
        def on_train_begin(self, net, **kwargs):
            self.seen_ = set()

        def on_batch_end(self, net, training=False, **kwargs):
            self.seen_ |= {(training, module.training) for module in [net.criterion_, *net.module_.modules()]}

    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    clf = MultimodalClassifier(
        early_stopping=True, max_epochs=2, skorch_callbacks=[("sees", SeesModes())], warm_start=True
    )
    clf.fit(X, X[:, 0] > 0)
    clf.predict(X)
    clf.fit(X, X[:, 0] > 0)
    assert dict(clf.net_.callbacks_)["sees"].seen_ == {(True, True), (False, False)}


def test_every_trained_parameter_is_in_one_group():
    class Network(torch.nn.Sequential):
        def components(self):
            return [(self[0], ["a"])]

    class Slow(torch.nn.Linear):
        def parameter_groups(self):
            return [{"params": self.parameters(), "lr_scale": 0.5}]

    network = Network(Slow(2, 2), torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).requires_grad_(False))
    groups = parameter_groups(network, lr=0.1, weight_decay=0.3)
    assert [(group.get("lr"), group["weight_decay"], len(group["params"])) for group in groups] == [
        (0.05, 0.3, 2),
        (None, 0.3, 1),
        (None, 0.0, 1),
    ]
