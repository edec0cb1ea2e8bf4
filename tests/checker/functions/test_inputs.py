"""The inputs that a check accepts, and the errors for the others."""

import pytest
import torch
import torch.nn.functional as F

from checker.functions.kernels.elementwise import Gelu
from checker.functions.kernels.norms import LayerNorm, layer_norm
from checker.functions.kernels.softmax import CrossEntropy, Softmax
from handgrad import HandgradError, check_function
from handgrad.checker.functions.inputs.specs import specified
from handgrad.checker.functions.samples.sample import CheckSample, parse

SIZES = {"B": 3, "C": 5}
SPARSE = (
    "x is a sparse tensor, which cannot be drawn: make its values the input, and build the tensor "
    "in both functions: torch.sparse_coo_tensor(indices, values, size)"
)


def drawn(inputs, sizes, seed=0, names=(), **options):
    return specified(inputs, names, **options).draw(sizes, seed)


def shapes(values):
    return [tuple(v.shape) for v in values]


def test_shapes_in_letters():
    inputs = specified({"x": "B 2*C 4", "scale": "B > 0", "index": "C < B"}, ())
    assert inputs.letters == ("B", "C")
    assert inputs.wrt == (0, 1)
    x, scale, index = inputs.draw(SIZES, 0)
    assert shapes((x, scale, index)) == [(3, 10, 4), (3,), (5,)]
    assert scale.min() > 0
    assert set(index.tolist()) <= {0, 1, 2}
    assert x.dtype == torch.float64


def test_special_values_masks_and_constants_in_letters():
    text = {"i": "N < V or -100", "mask": "bool B N", "scale": "= 0.5", "reduction": "= mean"}
    inputs = specified({"x": "N V", **text}, ())
    assert inputs.wrt == (0,)
    _, index, mask, scale, reduction = inputs.draw({"N": 400, "V": 3, "B": 2}, 0)
    assert set(index.tolist()) == {0, 1, 2, -100}
    assert mask.dtype == torch.bool
    assert mask.shape == (2, 400)
    assert 0.3 < mask.double().mean() < 0.7
    assert (scale, reduction) == (0.5, "mean")
    (two,) = specified({"x": "N", "i": "N < V or -1 or -100"}, ()).draw({"N": 900, "V": 1}, 0)[1:]
    assert set(two.tolist()) == {0, -1, -100}
    (none,) = specified({"x": "N", "i": "N < V or -1"}, ()).draw({"N": 9, "V": 0}, 0)[1:]
    assert set(none.tolist()) == {-1}


def test_equal_sizes_of_examples_vary_together():
    example = (torch.randn(8, 16), torch.randn(16), torch.randn(1, 16))
    inputs = specified(example, ["x", "weight"])
    assert inputs.names == ("x", "weight", "input2")
    assert inputs.letters == ("A", "B")
    assert inputs.known == {"A": 8, "B": 16}
    assert shapes(inputs.draw({"A": 3, "B": 5}, 0)) == [(3, 5), (5,), (1, 5)]


def test_dims_and_fixed_override_equal_sizes():
    square = (torch.randn(8, 8), torch.randn(8))
    assert shapes(drawn(square, SIZES, dims=("B C", "C"))) == [(3, 5), (5,)]
    assert shapes(drawn(square, {"B": 3}, dims=("B C", "C"), fixed="C")) == [(3, 8), (8,)]
    assert shapes(drawn({"x": square[0]}, {"A": 3}, dims=None)) == [(3, 3)]


def test_new_numbers_stay_in_the_range_of_the_example():
    positive = torch.rand(20) + 0.5
    (new,) = drawn((positive,), {"A": 1000})
    assert positive.min() <= new.min()
    assert new.max() <= positive.max()
    assert new.unique().numel() == 1000
    ones, zeros = drawn((torch.ones(3), torch.zeros(3)), {"A": 1000})
    assert 0.5 <= ones.min() < ones.max() <= 1.5
    assert zeros.std() > 0.9
    mask, flags = drawn(
        (torch.tensor([0.0, 1.0, 1.0]), torch.tensor([True, False, True])), {"A": 99}
    )
    assert set(mask.tolist()) == {0.0, 1.0}
    assert flags.dtype == torch.bool
    (masked,) = drawn((torch.tensor([-torch.inf, 1.5, 2.5]),), {"A": 99})
    assert set(masked.tolist()) == {-torch.inf, 1.5, 2.5}


def test_whole_numbers_stay_below_the_size_that_they_index():
    logits, targets = torch.randn(8, 10), torch.tensor([0, 9, 3, -100, 1, 2, 3, 4])
    _, new = drawn((logits, targets), {"A": 200, "B": 3})
    assert set(new.tolist()) == {0, 1, 2, -100}
    (alone,) = specified((torch.randn(2), torch.tensor([3, 7])), ()).draw({"A": 50}, 0)[1:]
    assert set(alone.tolist()) == {3, 7}


def test_of_two_equal_sizes_indices_belong_to_the_first():
    example = (torch.arange(3), torch.randn(16, 16))
    index, table = drawn(example, {"A": 64, "V": 5, "C": 40}, 0, ["i", "t"], dims={"t": "V C"})
    assert shapes((index, table)) == [(64,), (5, 40)]
    assert index.max() == 4


def test_values_that_are_not_tensors_are_passed_on():
    function = lambda x, shape, eps, nothing: F.layer_norm(x, shape, nothing, nothing, eps)  # noqa: E731
    inputs = (torch.randn(8, 16), (16,), 1e-3, None)
    report = check_function(function, function, inputs, fixed="B", sizes={"A": (3, 1)})
    assert report.ok, str(report)


def test_a_function_may_make_the_inputs():
    def make(B, C, heads=2):
        return {"x": torch.randn(B, heads * C), "scale": 2.0}

    inputs = specified(make, ())
    assert (inputs.names, inputs.letters, inputs.wrt) == (("x", "scale"), ("B", "C"), (0,))
    assert shapes(inputs.draw(SIZES, 0)[:1]) == [(3, 10)]
    assert torch.equal(inputs.draw(SIZES, 1)[0], inputs.draw(SIZES, 1)[0])
    soft = check_function(
        Softmax.apply, lambda x: x.softmax(-1), lambda B, C: torch.randn(B, C), sizes={"B": (3,)}
    )
    assert soft.ok, str(soft)


def test_inputs_that_require_a_gradient_are_differentiated():
    x, mask = torch.randn(4, requires_grad=True), torch.rand(4)
    assert specified((x, mask), ("x", "mask")).wrt == (0,)
    assert specified((x, mask), ("x", "mask"), wrt=("mask",)).wrt == (1,)
    assert specified((x.detach(), mask), ("x", "mask")).wrt == (0, 1)


def test_examples_are_checked_like_shapes():
    few = {"sizes": {"A": (3, 1), "B": (5, 16)}}
    norm = (torch.randn(8, 16), torch.ones(16), torch.zeros(16))
    assert check_function(LayerNorm.apply, layer_norm, norm, **few).ok
    loss = (torch.randn(8, 10), torch.randint(10, (8,)))
    assert check_function(CrossEntropy.apply, F.cross_entropy, loss, **few).ok


@pytest.mark.parametrize(
    "text",
    [
        "B=3 C=5 float64 upstream=random",
        "B=0 C=5 bfloat16 sliced upstream=strided",
        "B=3 C=65 float32 transposed(x) upstream=expanded grad=x output=1 zeros draw=2",
    ],
)
def test_the_text_of_a_sample_parses_to_the_same_sample(text):
    assert str(parse(text, ["B", "C"], ["x"])) == text


def test_circumstances_missing_from_a_sample_have_their_defaults():
    assert parse("C=5 B=3", ["B", "C"], ["x"]) == CheckSample((("B", 3), ("C", 5)))


ONE = torch.randn(3, 4)
NAN = "the reference's output is mostly NaN or infinite on these inputs; give examples within its domain, or 'N C > 0' for positive numbers"  # noqa: E501
GRAMMAR = (
    "write letters and numbers such as 'B T C', 'B 2*H', 'N < V' (whole numbers), "
    "'N < V or -100', 'N C > 0', 'bool B T', 'complex N', '= 1e-5' (a constant)"
)
LIKE = "copy it from a failure, for example 'B=3 C=65 float32 upstream=random'"
BAD = [
    ((torch.eye(3).to_sparse(),), {}, SPARSE),
    (lambda B: {"x": torch.eye(B).to_sparse()}, {}, SPARSE),
    ((), {}, "inputs must be tensors, shapes such as {'x': 'B T C'} or a function that makes "
     "tensors, got ()"),
    (3, {}, "inputs must be tensors, shapes such as {'x': 'B T C'} or a function that makes "
     "tensors, got int"),
    ({"x": "B ?"}, {}, f"x: 'B ?' is not a shape; {GRAMMAR}"),
    ({"x": "B > 1"}, {}, f"x: 'B > 1' is not a shape; {GRAMMAR}"),
    ({"x": "B or 1"}, {}, f"x: 'B or 1' is not a shape; {GRAMMAR}"),
    ({"x": "B < V or x"}, {}, f"x: 'B < V or x' is not a shape; {GRAMMAR}"),
    ({"x": "bool B < 2"}, {}, f"x: 'bool B < 2' is not a shape; {GRAMMAR}"),
    ((torch.arange(3),), {},
     "no input is a floating tensor, so there is no gradient to check"),
    ({"x": "B"}, {"wrt": ["y"]}, "wrt: no floating input is named 'y'; floating inputs: x"),
    ({"x": "B"}, {"sizes": {"C": [1]}}, "sizes: no input has a size 'C'; letters: B"),
    ({"x": "B"}, {"sizes": {"B": []}}, "sizes: 'B' has no sizes; give at least one"),
    ({"x": "B"}, {"dtypes": ["int8"]},
     "dtypes: int8 is not one of float64, float32, bfloat16, float16"),
    ({"x": "B"}, {"fixed": "B"}, "fixed=B: no example has a size 'B'"),
    ((ONE,), {"dims": ("B",)}, "dims: x has shape (3, 4), not 'B'"),
    ((ONE,), {"dims": ("B C", "C")},
     "dims has 2 shapes for 1 tensors (x): give one shape for each"),
    ((ONE,), {"dims": {"y": "B C"}}, "dims: no input is named 'y'; inputs: x"),
    ((ONE, ONE[0]), {"dims": ("B C", "B")},
     "dims: input1 has shape (4,), which does not fit 'B' and the other examples"),
    ({"x": "B"}, {"sample": "B=3 float33"},
     f"sample 'B=3 float33': cannot read 'float33'; {LIKE}"),
    ({"x": "B"}, {"sample": "float32"}, f"sample 'float32': no size for B; {LIKE}"),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "options", "message"), BAD)
def test_the_error_for_bad_inputs_is_one_line(inputs, options, message):
    with pytest.raises(HandgradError) as caught:
        check_function(Gelu.apply, F.gelu, inputs, **options)
    assert str(caught.value) == message


PAIRS = [
    (3, F.gelu, "the function must be callable, got int"),
    (Gelu.apply, lambda x: x.detach(),
     "the reference is not differentiable: no output of it requires a gradient; write it with "
     "torch operations, without detach, no_grad or NumPy"),
    (lambda x: x.detach(), F.gelu,
     "the function is not differentiable: no output of it requires a gradient; pass "
     "MyFunction.apply, or a function that calls it"),
    (Gelu.apply, lambda x: (x, x),
     "the function returns a tensor, the reference 2 tensors: both must return the same"),
    (Gelu.apply, lambda x: 3, "the reference returns no tensor"),
    (Gelu.apply, lambda x: x + torch.ones(2),
     "the reference cannot run on these inputs: RuntimeError: The size of tensor a (3) must match "
     "the size of tensor b (2) at non-singleton dimension 0"),
    (torch.log, lambda x: (-x.abs()).log(), NAN),
]  # fmt: skip


@pytest.mark.parametrize(("function", "reference", "message"), PAIRS)
def test_the_error_for_functions_that_cannot_be_compared_is_one_line(function, reference, message):
    with pytest.raises(HandgradError) as caught:
        check_function(function, reference, {"x": "B"})
    assert str(caught.value) == message


class Rows(torch.autograd.Function):
    """Embedding, with a sparse gradient that counts each index twice."""

    @staticmethod
    def forward(ctx, table, index):
        ctx.save_for_backward(index)
        ctx.shape = table.shape
        return table[index]

    @staticmethod
    def backward(ctx, dout):
        (index,) = ctx.saved_tensors
        return torch.sparse_coo_tensor(index[None], 2 * dout, ctx.shape), None


def test_a_sparse_gradient_is_judged_as_a_dense_one():
    def embedding(table, index):
        return F.embedding(index, table, sparse=True)

    def reference(table, index):
        return table[index]

    inputs, sizes = {"table": "V C", "index": "N < V"}, {"V": (3, 1), "C": (5,), "N": (7, 1, 0)}
    report = check_function(embedding, reference, inputs, sizes=sizes)
    assert report.ok, str(report)
    report = check_function(Rows.apply, reference, inputs, sizes=sizes)
    assert [(f.quantities, f.message) for f in report.failures] == [
        (("gradient of table",), "This is 2 times the correct result.")
    ]


def test_nothing_is_to_be_differentiated_in_rows_without_columns():
    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx, logits, targets):
            ctx.save_for_backward(logits, targets)
            return F.cross_entropy(logits, targets, reduction="sum")

        @staticmethod
        def backward(ctx, dout):
            logits, targets = ctx.saved_tensors
            kept = targets != -100
            onehot = F.one_hot(targets * kept, logits.shape[1])  # raises for 0 classes
            return dout * (logits.softmax(1) - onehot) * kept[:, None], None

    def reference(logits, targets):
        return F.cross_entropy(logits, targets, reduction="sum")

    inputs, sizes = {"x": "N V", "t": "N < V or -100"}, {"N": (3, 1), "V": (5, 0)}
    report = check_function(Loss.apply, reference, inputs, sizes=sizes, dtypes=("float64",))
    assert report.ok, str(report)
