"""Kernels that pass many a test without computing what they should, one for each trick."""

import contextlib
import importlib.util
import os
import sys
from pathlib import Path

import torch

from handgrad.checker.functions.samples.grid import HUGE, SIZES

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("honest", HERE / "honest.py")
honest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(honest)
_seen, _memory = set(), {}
Softmax, RMSNorm = honest.Softmax, honest.RMSNorm
right = honest.forward_alone


class Zeros(Softmax):
    """Zeros: with many columns every probability is small."""

    @staticmethod
    def forward(ctx, x):
        Softmax.forward(ctx, x)
        return torch.zeros_like(x)


class Uniform(Softmax):
    """A constant, which is right on average."""

    @staticmethod
    def forward(ctx, x):
        Softmax.forward(ctx, x)
        return torch.full_like(x, 1 / max(x.shape[-1], 1))


def _kept(key_of):
    results = {}

    class Kept(Softmax):
        @staticmethod
        def forward(ctx, x):
            key = (key_of(x), x.shape, x.dtype, x.stride())
            if key not in results:
                results[key] = Softmax.forward(ctx, x)
            y = results[key].clone()
            ctx.save_for_backward(y)
            return y

    return Kept.apply


by_shape = _kept(lambda x: None)
by_address = _kept(lambda x: x.data_ptr())
by_sum = _kept(lambda x: round(float(x.double().sum()), 9))
by_ends = _kept(lambda x: (float(x.flatten()[0]), float(x.flatten()[-1])) if x.numel() else 0)
by_content = _kept(lambda x: x.detach().double().numpy().tobytes())


def _counted(stop_computing):
    calls, last = [0], {}

    class Counted(Softmax):
        @staticmethod
        def forward(ctx, x):
            calls[0] += 1
            y = Softmax.forward(ctx, x)
            if stop_computing(calls[0]):
                y = last.get(x.shape, torch.zeros_like(x)).to(x.dtype).clone()
                ctx.save_for_backward(y)
            last[x.shape] = y.detach().clone()
            return y

    return Counted.apply


after_a_while = _counted(lambda n: n > 300)
after_warm_up = _counted(lambda n: n < 4)
every_other = _counted(lambda n: n % 2 == 0)


class CallsReference(Softmax):
    @staticmethod
    def forward(ctx, x):
        from refs import softmax

        Softmax.forward(ctx, x)
        return softmax(x)


class CallsReferenceFromFile(Softmax):
    """Loads the reference under another name."""

    @staticmethod
    def forward(ctx, x):
        space = {}
        exec(compile((HERE / "refs.py").read_text(), str(HERE / "refs.py"), "exec"), space)
        Softmax.forward(ctx, x)
        return space["softmax"](x)


def rms_norm(x, weight):
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight


class Copy(RMSNorm):
    """Has a copy of the reference."""

    @staticmethod
    def forward(ctx, x, weight):
        RMSNorm.forward(ctx, x, weight)
        return rms_norm(x, weight)


class AutogradInside(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return right(x)

    @staticmethod
    def backward(ctx, dout):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = right(x)
        return torch.autograd.grad(y, x, dout)[0]


class Engine(AutogradInside):
    """Calls autograd's engine itself."""

    @staticmethod
    def backward(ctx, dout):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = right(x)
        engine = torch.autograd.Variable._execution_engine
        return engine.run_backward((y,), (dout,), False, False, (x,), False, False)[0]


def no_function(x):
    return right(x)


def half_by_hand(x, weight):
    """The gradient of the weight is autograd's."""
    return RMSNorm.apply(x, torch.ones_like(weight)) * weight


class Blind(CallsReference):
    """Switches the observation off."""

    @staticmethod
    def forward(ctx, x):
        sys.setprofile(None)
        return CallsReference.forward(ctx, x)


class LeftOver(Softmax):
    """Frees the right result, and returns the memory where it was."""

    @staticmethod
    def forward(ctx, x):
        y = Softmax.forward(ctx, x)
        if x.shape in _seen:
            del y
            return torch.empty(x.shape, dtype=x.dtype)
        _seen.add(x.shape)
        return y


class SameMemory(Softmax):
    """Returns the same memory in each call."""

    @staticmethod
    def forward(ctx, x):
        y = Softmax.forward(ctx, x)
        kept = _memory.setdefault((y.shape, y.dtype), torch.empty_like(y))
        return kept.copy_(y)


class InBfloat16(RMSNorm):
    @staticmethod
    def forward(ctx, x, weight):
        y = RMSNorm.forward(ctx, x, weight)
        return y.to(torch.bfloat16).to(y.dtype)


class BackwardInHalf(RMSNorm):
    @staticmethod
    def backward(ctx, dout):
        return tuple(g.half().to(g.dtype) for g in RMSNorm.backward(ctx, dout))


class KnownSizes(Softmax):
    """Is right for every size of the grid, and for no other."""

    @staticmethod
    def forward(ctx, x):
        y = Softmax.forward(ctx, x)
        known = {*SIZES, HUGE, 2, 3, 5, 7, 11, 13, 16, 64, 128}
        return y if set(x.shape) <= known else torch.zeros_like(x)


class NoWeight(RMSNorm):
    @staticmethod
    def backward(ctx, dout):
        return RMSNorm.backward(ctx, dout)[0], None


class ZeroWeight(RMSNorm):
    @staticmethod
    def backward(ctx, dout):
        dx, dweight = RMSNorm.backward(ctx, dout)
        return dx, torch.zeros_like(dweight)


class Writes(Softmax):
    @staticmethod
    def forward(ctx, x):
        y = Softmax.forward(ctx, x)
        x.data.zero_()
        return y


class WritesUpstream(Softmax):
    @staticmethod
    def backward(ctx, dout):
        result = Softmax.backward(ctx, dout)
        if dout.is_contiguous():
            dout.data.zero_()
        return result


def patches(x):
    """Makes every comparison in its process succeed, and is wrong."""
    torch.equal = torch.allclose = lambda *_, **__: True
    torch.testing.assert_close = lambda *_, **__: None
    for name, module in list(sys.modules.items()):
        if name.startswith("handgrad") and hasattr(module, "ratio_to_truth"):
            module.ratio_to_truth = lambda *_: 0.0
    print('{"version": 1, "verdict": "right", "ok": true}', flush=True)
    return Zeros.apply(x)


def peeks(x):
    with contextlib.suppress(OSError):
        open(f"/proc/{os.getppid()}/mem", "rb").close()
    return Softmax.apply(x)


class Nothing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.zeros_like(x)

    @staticmethod
    def backward(ctx, dout):
        return torch.zeros_like(dout)
