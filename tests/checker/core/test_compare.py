"""Verdicts on pairs of tensors, without any file."""

import pytest
import torch

from handgrad.checker.passes.compare import fits, judge, ratio_of
from handgrad.checker.passes.noise import Jitter, noise_of

EPS = torch.finfo(torch.float32).eps


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def verdict(hand, truth, **others):
    return judge(hand, truth.float(), truth, truth.abs() * EPS, **others)[0]


def test_the_verdicts_in_their_order():
    truth = draw(4, 3)
    right = truth.float()
    assert judge(None, right, truth, 0.0) == ("missing", None)
    assert verdict(right, truth) == "exact"
    assert verdict(right * (1 + EPS), truth) == "rounding"
    assert verdict(right * 1.001, truth) == "wrong"
    assert verdict(right.T, truth) == "shape"
    assert verdict(right[:2], truth) == "wrong"


def test_one_small_wrong_element_beside_large_ones_is_found():
    truth = draw(100, 100) * 1e6
    truth[3, 4] = 1e-6
    hand = truth.float()
    hand[3, 4] = 1.002e-6
    assert verdict(hand, truth) == "wrong"
    assert torch.allclose(hand, truth.float())  # what the notebooks' cmp would say


def test_one_number_is_right_in_any_shape():
    truth = draw(1, 1)
    assert verdict(truth.float().squeeze(), truth) == "exact"
    assert verdict(2 * truth.float().squeeze(), truth) == "wrong"


@pytest.mark.parametrize(
    ("shape", "made", "correction"),
    [
        ((1, 3), (3,), "keepdim=True"),
        ((4, 1), (4,), "keepdim=True"),
        ((3,), (1, 3), ".view(3,)"),
        ((2, 3, 5), (6, 5), ".view(2, 3, 5)"),
        ((4, 3), (3, 4), ".T"),
        ((3,), (4, 3), ".sum(0)"),
        ((1, 3), (4, 3), ".sum(0, keepdim=True)"),
        ((), (4, 3), ".sum((0, 1))"),
        ((1, 3), (5, 4, 3), ".sum((0, 1)).view(1, 3)"),
        ((4, 3), (1, 3), ".expand(4, 3)"),
        ((4, 3), (4, 1), ".expand(4, 3)"),
        ((4, 3), (3,), ".expand(4, 3)"),
        ((4, 3), (), ".expand(4, 3)"),
    ],
)
def test_a_right_value_in_the_wrong_shape_comes_with_its_correction(shape, made, correction):
    hand = draw(*made)
    truth = {
        "keepdim=True": lambda: hand.reshape(shape),
        ".T": lambda: hand.T,
        ".expand(4, 3)": lambda: hand.broadcast_to(shape),
    }.get(
        correction,
        lambda: hand.reshape(shape) if correction.startswith(".view") else hand.sum_to_size(shape),
    )()
    found = dict(fits(hand, truth.shape))
    assert torch.allclose(found[correction], truth)
    assert judge(hand.float(), None, truth, truth.abs().max() * EPS)[0] == "shape"


def test_equality_that_only_broadcasting_makes_is_no_equality():
    truth = torch.ones(1, 4, dtype=torch.float64)
    assert verdict(torch.ones(4), truth) == "shape"
    assert verdict(torch.ones(1, 1), truth) == verdict(torch.ones(()), truth) == "shape"
    assert verdict(torch.ones(2), truth) == verdict(2 * torch.ones(()), truth) == "wrong"


def test_numbers_that_are_not_finite():
    truth = draw(3)
    nan, inf = truth.float(), truth.float()
    nan[0], inf[0] = torch.nan, torch.inf
    assert judge(nan, truth.float(), truth, 1.0) == ("wrong", torch.inf)
    assert judge(inf, truth.float(), truth, 1.0) == ("wrong", torch.inf)
    both = truth.clone()
    both[0] = torch.nan
    assert judge(nan, nan.clone(), both, 1e-7)[0] == "exact"  # autograd gives NaN there too
    huge = torch.tensor([1e39], dtype=torch.float64)  # more than float32 holds
    assert judge(huge.float(), None, huge, 1.0)[0] == "rounding"
    near = torch.tensor([1e-42], dtype=torch.float64)  # of which it holds three digits
    assert judge(torch.tensor([1.001e-42]), None, near, 1e-49)[0] == "rounding"
    assert judge(truth.float(), None, both, 1e-7)[0] == "rounding"  # nothing to hold it against
    tiny = torch.tensor([1e-47], dtype=torch.float64)  # less than it holds
    assert judge(torch.zeros(1), None, tiny, tiny)[0] == "rounding"


def test_a_right_formula_clears_rounding_but_not_another_value():
    truth = draw(50)
    far = truth.float() * (1 + 200 * EPS)  # a long sum, added one by one
    assert verdict(far, truth) == "wrong"
    assert verdict(far, truth, formula=truth) == "rounding"
    assert verdict(truth.float() * 2, truth, formula=truth) == "wrong"
    assert verdict(truth.float() * (1 + 20 * EPS), truth, formula=truth * (1 + 1e-5)) == "wrong"


def test_the_ratio_is_on_the_scale_of_autograd_or_of_the_noise_whichever_is_larger():
    truth = torch.zeros(2, dtype=torch.float64)
    hand = torch.tensor([3e-7, 0.0])
    assert ratio_of(hand, torch.tensor([1e-7, 0.0]), truth, 1e-8) == pytest.approx(3.0)
    assert ratio_of(hand, torch.tensor([1e-9, 0.0]), truth, 1e-8) == pytest.approx(30.0)
    assert ratio_of(torch.zeros(0), None, torch.zeros(0), 0.0) == 0.0


def test_the_noise_of_terms_that_cancel_stands_on_the_scale_of_the_terms():
    x = draw(1000)

    def gradients(move):
        leaf = move(x).requires_grad_()
        centred = leaf - leaf.mean()
        return torch.autograd.grad(centred.exp().sum() - centred.exp().detach().sum(), [leaf])

    def cancelled(move):
        leaf = move(x).requires_grad_()
        return torch.autograd.grad((leaf - leaf.mean()).sum(), [leaf])

    (truth,) = gradients(lambda t: t.clone())
    (noise,) = noise_of(gradients, [truth], EPS)
    assert 0.1 < float((noise / truth.abs()).median() / EPS) < 100
    (zero,) = cancelled(lambda t: t.clone())
    (noise,) = noise_of(cancelled, [zero], EPS)
    assert float(zero.abs().max()) < 1e-15
    assert 0.05 * EPS < float(noise.median()) < 10 * EPS  # on the scale of the 1 - 1 in it


def test_the_noise_of_float64_is_not_lost_in_its_last_bit():
    x = draw(2000)

    def gradients(move):
        leaf = move(x).requires_grad_()
        return torch.autograd.grad(leaf.tanh().pow(2).sum(), [leaf])

    (truth,) = gradients(lambda t: t.clone())
    eps = torch.finfo(torch.float64).eps
    (noise,) = noise_of(gradients, [truth], eps)
    assert float((noise / (truth.abs() * eps)).median()) > 1.0


def test_drawing_the_noise_leaves_the_user_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    x = draw(5)
    kept = x.clone()
    with Jitter(EPS, 0):
        storage = torch.empty(0, dtype=x.dtype).set_(x.untyped_storage(), 0, x.shape, x.stride())
        x.view(5).clone()
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(x, kept)
    assert torch.equal(storage, kept)
