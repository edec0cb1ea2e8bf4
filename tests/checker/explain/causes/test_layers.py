"""Layers as people write them, with one line as people get it wrong."""

import pytest

from checker.explain.causes import layers, sequences

LAYERS = {k: v for k, v in (vars(layers) | vars(sequences)).items() if k.isupper()}

CASES = [
    ("RECURRENT", "dh = dy @ Wy.T + dhnext", "dh = dy @ Wy.T", "dh", "HG101",
     "dh lacks the contribution through (x[t] @ Wx + hs[t - 1] @ Wh + b).",
     "dh = dy @ Wy.T + dhnext"),
    ("HEAD", "dq = dwei @ k * hs**-0.5", "dq = dwei @ k", "dq", "HG103",
     "Off by the factor hs**0.5, where hs = 8 (dimension 2 of q).", "dq = dwei @ k / hs**0.5"),
    ("HEAD", "dk = dwei.transpose(-2,-1) @ q * hs**-0.5", "dk = dwei @ q * hs**-0.5", "dk",
     "HG114", "dwei must be transposed here.", "dk = dwei.transpose(-2, -1) @ q * hs**-0.5"),
    ("HEAD", "dmasked = att * (datt - (att*datt).sum(-1, keepdim=True))",
     "dmasked = att * (datt - (att*datt).sum(1, keepdim=True))", "dmasked", "HG113",
     "sum runs along dimension 1; dimension 2 is correct.",
     "dmasked = att * (datt - (att*datt).sum(2, keepdim=True))"),
    ("HEAD", "dWq = (x.transpose(-2,-1) @ dq).sum(0)", "dWq = x.transpose(-2,-1) @ dq", "dWq",
     "HG110",
     ("A sum over dimension 0 is missing: the forward pass broadcasts Wq, so the "
"gradients of all its copies must be added."), "dWq = (x.transpose(-2,-1) @ dq).sum(0)"),
    ("NORM", "dvar = 0.5*dstd/std", "dvar = 0.5*dstd/std**2", "dvar", "HG104",
     "Off by the factor std: the exponent must be 1.", "dvar = 0.5*dstd/std"),
    ("NORM", "dxc += dvar*2*xc/C", "dxc += dvar*2*xc/B", "dxc", "HG103",
     "B is used where C belongs, which counts the columns of xc.", "dxc += dvar*2*xc/C"),
    ("NORM", "dx = dxc + dmu/C", "dx = dxc + dmu", "dx", "HG103",
     "dmu is off by the factor C = 8 (the columns of x).", "dx = dxc + dmu / C"),
    ("NORM", "dxhat = dy*g", "dxhat = dy*g + b", "dxhat", "HG140",
     "b must not be added here: no such term comes from y.", "dxhat = dy*g"),
    ("CONVOLUTION", "db = dy.sum((0,2))", "db = dy.sum(2)", "db", "HG113",
     "sum runs along dimension 2; dimensions 0, 2 is correct.", "db = dy.sum((0, 2))"),
    ("CONVOLUTION", "dx[:,:,k:k+dcols.shape[2]] += dcols[:,:,:,k]",
     "dx[:,:,k:k+dcols.shape[2]] = dcols[:,:,:,k]", "dx", "HG124",
     ("`=` keeps only the last value for dx[:,:,k:k+dcols.shape[2]]; `+=` adds all of "
"them."),
     "dx[:,:,k:k+dcols.shape[2]] += dcols[:,:,:,k]"),
    ("GELU", "dx += c*(1 + 3*0.044715*x**2)*du", "dx += c*(1 + 3*0.044715*x)*du", "dx", "HG104",
     "The derivative of x**3 is 3 * x**2: x has no exponent here.",
     "dx += c*(1 + 3*0.044715*x**2)*du"),
    ("SOFTMAX", "de = dp/s + ds", "de = 1/s + ds", "de", "HG108",
     "This is only the local derivative: dp, the gradient of p, is missing.",
     "de = 1/s * dp + ds"),
    ("SOFTMAX", "dx = de*e", "dx = p*(1-p)*dp", "dx", "HG123",
     "This does not match the closed form of the softmax gradient.",
     "dx = p * (dp - (dp * p).sum(-1, keepdim=True))"),
    ("LOGISTIC", "dz = (torch.sigmoid(z) - y)/n", "dz = torch.sigmoid(z) - y", "dz", "HG103",
     "Off by the factor n = 8 (the elements of z).", "dz = (torch.sigmoid(z) - y) / n"),
    ("COSINE", "da = b*ddot[:,None] + (a/na[:,None])*dna[:,None]",
     "da = a*ddot[:,None] + (a/na[:,None])*dna[:,None]", "da", "HG107",
     "a is used where b belongs.", "da = b*ddot[:,None] + (a/na[:,None])*dna[:,None]"),
    ("RMS", "dr = (dy*g*x).sum(-1, keepdim=True)", "dr = (dy*x).sum(-1, keepdim=True)", "dr",
     "HG105", "The factor g is missing: `y = x*r*g` has it.",
     "dr = (g * dy*x).sum(-1, keepdim=True)"),
    ("RMS", "dx = dy*g*r + 2*x*dms/d", "dx = dy*g*r + 2*x*dms/n", "dx", "HG103",
     "n is used where d belongs, which counts the columns of x.", "dx = dy*g*r + 2*x*dms/d"),
    ("DROPOUT", "dh = dd*mask/(1-p)", "dh = dd*mask", "dh", "HG103",
     "Off by the factor (1 - p) = 0.7.", "dh = dd*mask / (1 - p)"),
    ("LEAKY", "dx = torch.where(x>0, dy, 0.1*dy)", "dx = torch.where(x>0, dy, 0.01*dy)", "dx",
     "HG138", "0.01 is used where the forward pass has 0.1.", "dx = torch.where(x>0, dy, 0.1*dy)"),
    ("LEAKY", "dx = torch.where(x>0, dy, 0.1*dy)", "dx = torch.where(x<0, dy, 0.1*dy)", "dx",
     "HG130", "The mask is inverted.", "dx = torch.where(x >= 0, dy, 0.1*dy)"),
    ("CELL", "dc = dtc*(1-tc**2)", "dc = dtc*(1-c**2)", "dc", "HG107",
     "c is used where tc belongs.", "dc = dtc*(1-tc**2)"),
    ("GROUPS", "dx = dxg.view(N,C,L)", "dx = dxg.transpose(0,1).reshape(N,C,L)", "dx", "HG114",
     "dxg must not be transposed here.", "dx = dxg.reshape(N,C,L)"),
    ("GROUPS", "dg = (dy*xh).sum((0,2))", "dg = (dy*xh).sum(0).mean(-1)", "dg", "HG117",
     "This line takes the mean; the sum is correct.", "dg = (dy*xh).sum(0).sum(-1)"),
    ("POOL", "dw.scatter_(3, idx.unsqueeze(3), dy.unsqueeze(3))",
     "dw.scatter_(3, idx.unsqueeze(3), y.unsqueeze(3))", "dw", "HG106",
     "y is the forward value; its gradient dy belongs here.",
     "dw.scatter_(3, idx.unsqueeze(3), dy.unsqueeze(3))"),
    ("SKIP", "da = dh.clone()", "da = dh", "dh", "HG126",
     ("dh and da share memory since `da = dh`, so this line writes to both. Use "
".clone() to copy."), "da = dh.clone()"),
    ("SKIP", "dx = da @ W1.T + dy", "dx = da @ W1.T", "dx", "HG101",
     "dx lacks the contribution through y.", "dx += dy"),
    ("SQUARED", "dpred = 2*(pred-t)/n", "dpred = (pred-t)**2/n", "dpred", "HG116",
     "(pred-t)**2 is a power; the product (pred-t) * 2 is meant.", "dpred = (pred-t)*2/n"),
    ("SQUARED", "dw = X.T @ dpred", "dw = (X*dpred).mean(0, keepdim=True).T", "dw", "HG117",
     "This line takes the mean; the sum is correct.", "dw = (X*dpred).sum(0, keepdim=True).T"),
    ("SQUARED", "dw = X.T @ dpred", "dw = X.T @ (pred-t)", "dw", "HG108",
     "pred-t is used where dpred, the gradient of pred, belongs.", "dw = X.T @ dpred"),
    ("SQUARED", "dw = X.T @ dpred", "dw = X.T @ dpred + 0.01*w", "dw", "HG140",
     "0.01*w must not be added here: no such term comes from pred.",
     "dw = X.T @ dpred"),
    ("TIED", "dlogits /= tgt.numel()", "dlogits /= tgt.shape[0]", "dlogits", "HG120",
     "The count is tgt.shape[0], but the mean is taken over tgt.numel().",
     "dlogits /= tgt.numel()"),
    ("TIED", "dE.index_add_(0, ids.view(-1), demb.view(-1,d))",
     "dE.index_add_(0, tgt.view(-1), demb.view(-1,d))", "dE", "HG107",
     "tgt is used where ids belongs.", "dE.index_add_(0, ids.view(-1), demb.view(-1,d))"),
    ("TIED", "dE.index_add_(0, ids.view(-1), demb.view(-1,d))", "dE[ids] += demb", "dE", "HG124",
     ("`+=` keeps one row where ids repeats an index; index_put_ with accumulate=True "
"adds all of them."), "dE.index_put_((ids,), demb, accumulate=True)"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "right", "wrong", "hand", "cause", "message", "fix"), CASES)
def test_the_line_is_explained_and_corrected(
    explained, layer, right, wrong, hand, cause, message, fix
) -> None:
    source = LAYERS[layer]
    assert source.count(f"{right}\n") == 1
    row = explained(source.replace(f"{right}\n", f"{wrong}\n"), hand)
    assert (row.cause, row.message, row.fix) == (cause, message, fix)
    assert row.checked in ("exact", "rounding")


@pytest.mark.parametrize("layer", LAYERS)
def test_each_is_right_as_it_stands(reported, layer) -> None:
    report = reported(LAYERS[layer])
    assert all(row.verdict in ("exact", "rounding") for row in report.rows)
