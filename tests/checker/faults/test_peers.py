"""What docs/proving.md says that the peers see and do not see."""

import pytest
from benchmarks.proving.correct import correct
from benchmarks.proving.peers import PEERS, planted, random_pass
from benchmarks.proving.program import PLAIN, SOURCE, SQUARE, hand_names


def of(original: str, mutated: str) -> str:
    assert original in SOURCE
    return SOURCE.replace(original, mutated)


@pytest.mark.parametrize("name", [name for name in PEERS if name != "cmp, exact"])
def test_the_right_program_passes(name: str) -> None:
    assert PEERS[name](planted(SOURCE, PLAIN)) == []


def test_exactness_turns_down_right_code() -> None:
    found = PEERS["cmp, exact"](planted(SOURCE, PLAIN))
    assert found
    assert set(found) < set(hand_names())


@pytest.mark.parametrize("name", PEERS)
def test_a_wrong_parameter_gradient_is_found(name: str) -> None:
    found = PEERS[name](planted(of("dW2 = h.T", "dW2 = 2 * h.T"), PLAIN))
    assert "dW2" in found


@pytest.mark.parametrize("name", ["gradcheck, fast", "gradcheck, slow"])
def test_gradcheck_names_a_parameter_never_the_line(name: str) -> None:
    source = of("dhpreact = (1.0 - h**2) * dh", "dhpreact = dh.clone()")
    assert PEERS[name](planted(source, PLAIN)) == ["dC"]


@pytest.mark.parametrize("name", ["gradcheck, fast", "gradcheck, slow"])
def test_gradcheck_does_not_see_what_no_parameter_depends_on(name: str) -> None:
    source = of("dhprebn = dbndiff.clone()", "dhprebn = dbndiff")  # dbndiff is spoilt, no other
    assert PEERS[name](planted(source, PLAIN)) == []
    assert PEERS["assert_close"](planted(source, PLAIN)) == ["dbndiff"]


def test_allclose_broadcasts_a_wrong_shape() -> None:
    source = of("dbnmeani = (-dbndiff).sum(0, keepdim=True)", "dbnmeani = (-dbndiff).sum(0)")
    assert PEERS["cmp, approximate"](planted(source, PLAIN)) == []
    assert PEERS["assert_close"](planted(source, PLAIN)) == ["dbnmeani"]


def test_a_shape_that_cannot_be_compared_counts_as_found() -> None:
    source = of("db2 = dlogits.sum(0)", "db2 = dlogits.sum(1)")
    assert PEERS["cmp, exact"](planted(source, PLAIN))[0] == "db2"
    assert PEERS["gradcheck, fast"](planted(source, PLAIN)) == [""]


def test_tolerances_turn_down_right_code() -> None:
    assert any(PEERS["assert_close"](random_pass(correct(seed))) for seed in range(40))


def test_random_passes_run_through_every_peer() -> None:
    small = next(made for made in map(correct, range(100)) if made.n < 6)
    for name in ("gradcheck, fast", "gradcheck, slow"):
        assert PEERS[name](random_pass(small)) == []
    assert SQUARE.n == SQUARE.n_hidden == SQUARE.vocab_size
