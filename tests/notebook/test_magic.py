"""`%handgrad`, in a real kernel."""

import pytest

from handgrad.notebook.magic import HELP, USAGE
from notebook.conftest import FORWARD, RIGHT, SAID, WRONG, Kernel

WHERE = """\
handgrad: 2 wrong

Lines to blame
  ✗ dhpre   cell 4, line 1   f32[32,20]
      dhpre = (1 - h) * dh
      With correct upstream gradients, this line gives a wrong result.
      Off by up to {off}, over a million times what rounding explains.
      to blame for 1 other: dW"""
FIX = SAID.replace(
    "[HG109]\n",
    "[HG109]\n      try: dhpre = (1 - h**2) * dh    (checked: correct up to rounding)\n",
)
CAUSE, MEND = "The derivative in", "(1 - h**2) * dh"


def test_where_what_and_fix_show_the_last_verdicts_again(notebook: Kernel) -> None:
    notebook.all([FORWARD, RIGHT, WRONG])
    where, what, fix = notebook.all(["%handgrad where", "%handgrad what", "%handgrad fix"])
    (shown,) = where.texts
    off = shown.partition("Off by up to ")[2].partition(",")[0]
    assert shown == WHERE.format(off=off)
    assert what.texts == [SAID.format(cell=4)]
    assert fix.texts == [FIX.format(cell=4)]
    assert [one.printed for one in (where, what, fix)] == [""] * 3


@pytest.mark.parametrize(
    ("level", "told"), [("where", (False, False)), ("what", (True, False)), ("fix", (True, True))]
)
def test_a_level_applies_to_later_cells_in_both_forms(
    notebook: Kernel, level: str, told: tuple[bool, bool]
) -> None:
    notebook.all([f"%handgrad {level}", FORWARD, RIGHT])
    (shown,) = notebook.run(WRONG).shown
    for form in shown.values():
        assert (CAUSE in form, MEND in form) == told


def test_a_level_before_any_gradient(notebook: Kernel) -> None:
    ran = notebook.run("%handgrad where")
    assert (ran.printed, ran.shown) == (
        "handgrad: level set to where; no gradient by hand so far\n",
        (),
    )


def test_everything_so_far(notebook: Kernel) -> None:
    before = notebook.run("%handgrad")
    assert before.printed == "handgrad: no gradient by hand so far\n"
    notebook.all([FORWARD, RIGHT, WRONG])
    (text,) = notebook.run("%handgrad").texts
    head, foot = SAID.format(cell=5).partition("Lines")[1:][1], text.split("\n")[-6:]
    assert text.startswith(f"so far\n\nLines{head}\n")
    assert foot == [
        "Right",
        "  ✓ dh    cell 4, line 1  f32[32,20]  exact",
        "",
        "Not written yet: db",
        "",
        "3 gradients by hand: 1 exact, 2 wrong (1 line to blame); 1 not written yet.",
    ]


def test_an_unknown_subcommand(notebook: Kernel) -> None:
    ran = notebook.run("%handgrad why")
    assert ran.printed == f"handgrad: unknown subcommand: why. Usage: {USAGE}\n"
    assert ran.raised is None


def test_help(notebook: Kernel) -> None:
    assert notebook.run("%handgrad help").printed == f"{HELP}\n"


def test_off_and_on(notebook: Kernel) -> None:
    off, forward, wrong, on = notebook.all(["%handgrad off", FORWARD, WRONG, "%handgrad on"])
    assert off.printed == "handgrad: off; resume with %handgrad on\n"
    assert forward.is_silent
    assert wrong.raised == "NameError: name 'dh' is not defined"
    assert on.printed == "handgrad: on, starting with the next cell\n"
    assert notebook.all([FORWARD, RIGHT])[-1].texts == ["handgrad: 1 exact"]


def test_off_for_one_cell(notebook: Kernel) -> None:
    notebook.run(FORWARD)
    assert notebook.run(f"%%handgrad off\n{RIGHT}").is_silent
    assert notebook.run(RIGHT).texts == ["handgrad: 1 exact"]


def test_unloaded_it_leaves_nothing(notebook: Kernel) -> None:
    notebook.all([FORWARD, "def backward():\n    return 2 * h"])
    assert notebook.run("%unload_ext handgrad").is_silent
    assert notebook.run("dh = backward()").is_silent
    assert notebook.run("%handgrad").printed == (
        "UsageError: Line magic function `%handgrad` not found.\n"
    )
    assert notebook.run("[n for n in globals() if 'handgrad' in n]").values == ("[]",)


def test_reloading_starts_again(notebook: Kernel) -> None:
    notebook.all([FORWARD, RIGHT])
    twice = notebook.run("%load_ext handgrad")
    assert twice.printed.startswith("The handgrad extension is already loaded.")
    notebook.run("%reload_ext handgrad")
    assert notebook.run("%handgrad").printed == "handgrad: no gradient by hand so far\n"
    assert notebook.all([FORWARD, RIGHT])[-1].texts == ["handgrad: 1 exact"]


def test_pairs(notebook: Kernel) -> None:
    notebook.run(FORWARD)
    assert notebook.run("up = 2 * h").is_silent
    said = notebook.run("%handgrad pair up=h").printed
    assert said == "handgrad: up is the gradient of h; run its cell again\n"
    assert notebook.run("up = 2 * h").texts == ["handgrad: 1 exact"]
    assert notebook.run("%handgrad pair up").printed == (
        "handgrad: pair up: expected NAME=TENSOR, such as %handgrad pair dh=a\n"
    )


def test_the_page_of_a_code(notebook: Kernel) -> None:
    page, unknown, listed = notebook.all(
        ["%handgrad explain HG104", "%handgrad explain nothing", "%handgrad explain"]
    )
    assert page.printed.startswith("HG104  power rule\nThe power rule: the exponent")
    assert "\nRight:\n\n    dcounts_sum = " in page.printed
    assert unknown.printed == (
        "handgrad: no code or name 'nothing'; handgrad explain lists them all\n"
    )
    assert "\nHG104  power rule\n" in listed.printed


@pytest.mark.parametrize("fused", ["", " --fused"])
def test_derive_writes_a_cell_that_passes(notebook: Kernel, fused: str) -> None:
    notebook.run(FORWARD)
    ran = notebook.run(f"%handgrad derive{fused}")
    assert ran.next_cell is not None
    assert ran.shown == ()
    assert ran.printed.startswith("handgrad: 4 of 4 gradients: ")
    assert ran.printed.endswith(" The lines are in the next cell.\n")
    pasted = notebook.run(ran.next_cell)
    assert pasted.raised is None
    assert all(word not in pasted.texts[0] for word in ("wrong", "shape", "\n"))
    named = (
        "dh.shape == h.shape, dhpre.shape == hpre.shape, dW.shape == W.shape, db.shape == b.shape"
    )
    assert notebook.run(named).values == ("(True, True, True, True)",)


def test_derive_takes_the_newest_forward_pass(notebook: Kernel) -> None:
    notebook.run(FORWARD)
    notebook.run(
        "v = torch.ones(3, requires_grad=True)\nu = v * 3\nloss = u.sum()\nloss.backward()"
    )
    ran = notebook.run("%handgrad derive")
    assert ran.next_cell == ("# loss = u.sum()\ndu = torch.ones_like(u)\n# u = v * 3\ndv = 3 * du")
    assert ran.printed == ("handgrad: 2 of 2 gradients: 2 exact. The lines are in the next cell.\n")


def test_derive_ignores_an_evaluation(notebook: Kernel) -> None:
    """A loss without a gradient is newer."""
    notebook.all([FORWARD, "with torch.no_grad():\n    val_loss = (x @ W).mean()"])
    assert "(1 - h**2)" in (notebook.run("%handgrad derive").next_cell or "")


def test_derive_without_a_forward_pass(notebook: Kernel) -> None:
    ran = notebook.all(
        ["%handgrad derive", "import torch", "%handgrad derive", "%handgrad derive x"]
    )
    assert [(one.printed, one.next_cell) for one in ran if one.printed] == [
        ("handgrad: nothing to derive: no loss was computed from named tensors\n", None),
        ("handgrad: nothing to derive: no loss was computed from named tensors\n", None),
        (
            "handgrad: derive x: expected %handgrad derive, or %handgrad derive --fused\n",
            None,
        ),
    ]
