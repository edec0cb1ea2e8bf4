"""handgrad: write the backward pass by hand; know that every line of it is right.

data      words, vocabulary, one flat token array, batches from (seed, step)
layers    LAYERS: pure functions, each a chunked pair (one step a line) and a fused pair (closed form)
models    MODELS: how layers are stacked
engine    ENGINES: autograd, chunked, fused behind one `loss_and_grads`
train     the loop, optimizers, schedules, evaluation, run folders
check     gradients by hand against autograd against float64
sample    names from a trained model
"""

__version__ = "0.1.0"
