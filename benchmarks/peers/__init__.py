"""Time the training step beside other implementations, each written as well as its users would.

PEERS: name -> its set-up. A peer that cannot run on this machine raises Absent and is left out,
with the reason.
"""

from benchmarks.peers import compiled_torch, eager, jax_scan, ours, tiled_c
from benchmarks.peers.work import Build

REFERENCE = "lecture, eager autograd"
PEERS: dict[str, Build] = {
    REFERENCE: eager.lecture,
    "ours, chunked": ours.engine("chunked"),
    "ours, fused": ours.engine("fused"),
    "ours, compiled": ours.compiled,
    "torch.compile, autograd": compiled_torch.compiled(compiled_torch.autograd, unroll=4),
    "torch.compile, by hand": compiled_torch.compiled(compiled_torch.by_hand, unroll=8),
    "JAX, jit + scan": jax_scan.scan,
    "C, tiled": tiled_c.tiled,
}
LIMIT = "C, tiled"
