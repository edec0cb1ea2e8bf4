"""The source of the compiled step."""

import pytest

from handgrad.engine.compiled.inference_source import inference_source
from handgrad.engine.compiled.source import argument_names, step_source
from handgrad.models import MLP

LECTURE = """\
    for step in range(len(losses)):
        if positions.shape[1]:
            gather(tokens, positions[step], 0, inputs, targets, thread, team)
            wait(thread, team)
        embedding.forward(inputs, C, emb, thread, team)
        wait(thread, team)
        # embcat is a view of emb
        linear.forward(embcat, W1, b1, hprebn, thread, team)
        wait(thread, team)
        batchnorm.forward(
            hprebn, bngain, bnbias, bnmeani, bnvar, bnvar_inv, bnraw, hpreact, of_blocks_hpreact,
            thread, team,
        )
        wait(thread, team)
        tanh.forward(hpreact, h, thread, team)
        wait(thread, team)
        linear.forward(h, W2, b2, logits, thread, team)
        wait(thread, team)
        softmax_cross_entropy.forward(
            logits, targets, probs, others_loss, per_row_loss, transposed_loss, of_rows_loss,
            thread, team,
        )
        wait(thread, team)
        loss = softmax_cross_entropy.mean(per_row_loss)
        softmax_cross_entropy.backward(targets, probs, others_loss, dlogits, thread, team)
        wait(thread, team)
        linear.backward(dlogits, h, W2, dh, dW2, db2, W2_t, thread, team)
        wait(thread, team)
        tanh.backward(dh, h, dhpreact, thread, team)
        wait(thread, team)
        batchnorm.backward(
            dhpreact, bngain, bnvar_inv, bnraw, dhprebn, dbngain, dbnbias, scale_hpreact,
            shift_hpreact, of_blocks_hpreact, thread, team,
        )
        wait(thread, team)
        linear.backward(dhprebn, embcat, W1, dembcat, dW1, db1, W1_t, thread, team)
        wait(thread, team)
        embedding.backward(demb, inputs, dC, thread, team)
        wait(thread, team)
        batchnorm.update(bnmean_running, bnvar_running, bnmeani, bnvar, 0.001, thread, team)
        if thread == 0:
            losses[step] = loss
        if not math.isfinite(loss):
            return step + 1
        if not updates:
            continue
        sgd(C, dC, schedule[step], numbers, thread, team)
        sgd(W1, dW1, schedule[step], numbers, thread, team)
        sgd(b1, db1, schedule[step], numbers, thread, team)
        sgd(W2, dW2, schedule[step], numbers, thread, team)
        sgd(b2, db2, schedule[step], numbers, thread, team)
        sgd(bngain, dbngain, schedule[step], numbers, thread, team)
        sgd(bnbias, dbnbias, schedule[step], numbers, thread, team)
        wait(thread, team)
    return len(losses)
"""
INFERENCE = """\
        take(inputs, targets, first, count, inputs_part, targets_part)
        embedding.forward(inputs_part, C, emb, thread, team)
        linear.forward(embcat, W1, b1, hprebn, thread, team)
        if until == 0:
            batchnorm.moments(hprebn, count, first, mean, square)
            continue
        batchnorm.evaluate(hprebn, scale_hpreact, shift_hpreact, hpreact)
        tanh.forward(hpreact, h, thread, team)
        linear.forward(h, W2, b2, logits, thread, team)
        if len(scores):
            put(logits, count, scores, first)
        total += softmax_cross_entropy.loss_sum(
            logits, targets_part, count, transposed_loss, of_rows_loss,
        )
    return total
"""


def test_the_lectures_step() -> None:
    source = step_source(MLP(27), "sgd")
    assert source[source.index("    for step in") :] == LECTURE


def test_the_lectures_inference() -> None:
    source = inference_source(MLP(27))
    assert source[source.index("        take(") :] == INFERENCE


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("n_layer", [0, 1, 12])
def test_every_name_is_an_argument_once(optimizer: str, n_layer: int) -> None:
    model = MLP(27, n_layer=n_layer, hidden_bias=False, batchnorm_output=True)
    names = argument_names(model, optimizer)
    assert len(names) == len(set(names))
    compile(step_source(model, optimizer), "step", "exec")
    assert all(len(line) <= 100 for line in step_source(model, optimizer).splitlines())


def test_sizes_are_not_in_the_source() -> None:
    small = MLP(3, block_size=1, n_embd=2, n_hidden=4)
    assert step_source(small, "sgd") == step_source(MLP(27), "sgd")
