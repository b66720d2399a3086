import pytest
import torch
import torch.nn as nn

from sklearn_mm.training._gradient_caching import cached_backward

SIZES = [3, 4, 1]


def make_module(dropout=0.0, norm=False):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 6), nn.BatchNorm1d(6) if norm else nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, 3)
    )


def contrastive(outputs):
    """A loss that is no mean over rows."""
    return torch.logsumexp(outputs @ outputs.T, dim=1).mean()


def backward(outputs):
    loss = contrastive(outputs)
    loss.backward()
    return loss


def gradients(module):
    return [parameter.grad.clone() for parameter in module.parameters()]


@pytest.fixture
def parts():
    return torch.randn(sum(SIZES), 5, generator=torch.Generator().manual_seed(1)).split(SIZES)


def test_gradients_are_those_of_the_whole_batch(parts):
    whole, in_parts = make_module(), make_module()
    expected = backward(whole(torch.cat(parts)))
    loss, outputs = cached_backward(in_parts, lambda: iter(parts), in_parts, backward)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(outputs, whole(torch.cat(parts)).detach())
    torch.testing.assert_close(gradients(in_parts), gradients(whole))


def test_both_passes_draw_the_same_random_numbers(parts):
    """Else outputs and gradients would be those of different networks."""
    whole, in_parts = make_module(dropout=0.5), make_module(dropout=0.5)
    torch.manual_seed(2)
    backward(torch.cat([whole(part) for part in parts]))
    after = torch.rand(1)
    torch.manual_seed(2)
    cached_backward(in_parts, lambda: iter(parts), in_parts, backward)
    torch.testing.assert_close(gradients(in_parts), gradients(whole))
    assert torch.rand(1) == after  # what is drawn next is new


def test_running_statistics_see_each_part_once(parts):
    parts = parts[:2]  # batch statistics need two rows
    whole, in_parts = make_module(norm=True), make_module(norm=True)
    backward(torch.cat([whole(part) for part in parts]))
    cached_backward(in_parts, lambda: iter(parts), in_parts, backward)
    torch.testing.assert_close(in_parts.state_dict(), whole.state_dict())


def test_outputs_may_be_several_of_which_some_have_no_gradient(parts):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = make_module()

        def forward(self, x):
            return self.inner(x), torch.arange(len(x))

    def backward_of_first(outputs):
        assert outputs[1].tolist() == [0, 1, 2, 0, 1, 2, 3, 0]
        return backward(outputs[0])

    module, whole = Two(), make_module()
    backward(whole(torch.cat(parts)))
    cached_backward(module, lambda: iter(parts), module, backward_of_first)
    torch.testing.assert_close(gradients(module), gradients(whole))
