"""The named problems: their fields, exact solutions, invariants, reference states and reference sensitivities.

Independent of legato's solvers: SciPy integrates, autograd differentiates. The bound on a reproduced reference follows
from two runs whose tolerances differ by a factor 1000. Error is proportional to tolerance, so the finer run's error is
about a thousandth of the spread between the two; a fiftieth is allowed, and 1e-13 of the solution's size for rounding.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from legato.core.errors import OptionError
from legato.problems import PROBLEMS, Parametric, Problem

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "reference"
STIFF_TOLERANCE = 1e-6
# Beyond this time y2 - y3 of E5 is lost to cancellation in double precision; its invariant is tested at every time.
E5_END = 1e7

NAMES = tuple(PROBLEMS)
SMOOTH = tuple(name for name in NAMES if not PROBLEMS[name].stiff)
STIFF = tuple(name for name in NAMES if PROBLEMS[name].stiff)
EXACT = tuple(name for name in NAMES if PROBLEMS[name].exact is not None)
INVARIANT = tuple(name for name in NAMES if PROBLEMS[name].invariants)
PARAMETRIC = tuple(name for name in NAMES if PROBLEMS[name].parameters)
SENSITIVE = tuple(name for name in NAMES if PROBLEMS[name].sensitivities)

# The names of shared/reference/*.json, by their beginnings; the first that fits counts.
SHARED_NAMES = {
    "ARENSTORF-small": "arenstorf-small",
    "ARENSTORF": "arenstorf",
    "LORENZ y0=(-8,8,27)": "lorenz",
    "LORENZ y0=(1,1,1)": "lorenz-ones",
    "RIGIDBODY": "rigid-body",
    "LOTKA-VOLTERRA": "lotka-volterra",
    "VDP mu=1": "van-der-pol",
    "VDP mu=5": "van-der-pol-5",
    "VDP mu=p1=5": "van-der-pol-5",
    "SPIRAL": "spiral",
    "PENDULUM th''=-sin th": "pendulum",
    "PENDULUM th''=-p1 sin th": "pendulum-forced",
    "HIRES": "hires",
    "OREGO": "oregonator",
    "ROBER": "robertson",
    "VDPOL mu=1e3": "van-der-pol-1000",
    "VDPOL eps=1e-6": "van-der-pol-epsilon",
    "E5": "e5",
    "POLLU": "pollution",
    "BRUSSELATOR": "brusselator",
    "FITZHUGH-NAGUMO": "fitzhugh-nagumo",
    "HENON-HEILES": "henon-heiles",
    "PLEIADES": "pleiades",
    "MLP-CNF": "mlp-cnf",
}

RightHandSide = Callable[[float, np.ndarray], np.ndarray]


def our_name(shared: str) -> str:
    if shared.startswith("DETEST"):
        return "detest-" + shared.split()[1].lower()
    return next(ours for beginning, ours in SHARED_NAMES.items() if shared.startswith(beginning))


def shared_rows(file: str) -> list[dict]:
    path = SHARED / file
    if not path.is_file():
        pytest.skip(f"{file} lies beside the project in shared/reference, which is absent here")
    return json.loads(path.read_text(encoding="utf-8"))


def right_hand_side(problem: Problem) -> RightHandSide:
    time = torch.zeros((), dtype=torch.float64)

    @torch.no_grad()
    def evaluate(t: float, y: np.ndarray) -> np.ndarray:
        return problem.field(time.fill_(t), torch.from_numpy(y)).numpy()

    return evaluate


def jacobian(problem: Problem) -> RightHandSide:
    time, n = torch.zeros((), dtype=torch.float64), len(problem.y0)

    def evaluate(t: float, y: np.ndarray) -> np.ndarray:
        # One copy of the state per component: a single backward pass through the diagonal gives every row.
        copies = torch.tensor(y).expand(n, n).requires_grad_()
        return torch.autograd.grad(problem.field(time.fill_(t), copies).diagonal().sum(), copies)[0].numpy()

    return evaluate


def variational_equations(problem: Problem) -> tuple[RightHandSide, np.ndarray]:
    """Return the equations of (y, S), S = dy/d(y0, p), and their initial state."""
    n, p = len(problem.y0), len(problem.parameters)
    args = problem.args().expand(n, p)
    time = torch.zeros((), dtype=torch.float64)

    def evaluate(t: float, packed: np.ndarray) -> np.ndarray:
        copies = torch.tensor(packed[:n]).expand(n, n).requires_grad_()
        own_args = args.clone().requires_grad_()
        rate = problem.field(time.fill_(t), copies, own_args).diagonal()
        by_state, by_parameters = torch.autograd.grad(rate.sum(), (copies, own_args))
        change = by_state.numpy() @ packed[n:].reshape(n, n + p)
        change[:, n:] += by_parameters.numpy()
        return np.concatenate((rate.detach().numpy(), change.ravel()))

    return evaluate, np.concatenate((problem.y0, np.eye(n, n + p).ravel()))


def integrate(
    function: RightHandSide,
    start: np.ndarray,
    times: Sequence[float],
    *,
    rtol: float,
    jumps: Sequence[float] = (),
) -> np.ndarray:
    """Return the states at times[1:], by SciPy's DOP853 restarted at every stop; times[0] is the start's."""
    stops, states, y = sorted({*times, *jumps}), {}, start
    for begin, end in pairwise(stops):
        atol = rtol * max(1e-3, np.abs(y).max())
        solution = solve_ivp(function, (begin, end), y, method="DOP853", rtol=rtol, atol=atol, t_eval=(end,))
        y = states[end] = solution.y[:, -1]
    return np.array([states[time] for time in times[1:]])


def assert_reproduced(
    function: RightHandSide,
    start: np.ndarray,
    times: Sequence[float],
    *,
    expected: np.ndarray,
    fine: float = 1e-11,
    jumps: Sequence[float] = (),
) -> None:
    near, far = (integrate(function, start, times, rtol=rtol, jumps=jumps) for rtol in (fine, 1000 * fine))
    size = max(np.abs(start).max(), np.abs(expected).max())
    spread = np.maximum.accumulate(np.abs(far - near).max(1)) / size
    error = np.abs(near - expected).max(1) / size
    assert (spread < 0.1).all(), "the two runs disagree too much to prove anything"
    assert (error <= spread / 50 + 1e-13).all(), (error, spread)


@pytest.mark.parametrize("name", SMOOTH)
def test_scipy_reproduces_the_references(name: str) -> None:
    problem = PROBLEMS[name]
    times = (problem.t0, *(row.t for row in problem.references))
    expected = np.array([row.y for row in problem.references])
    start = np.array(problem.y0)
    assert_reproduced(right_hand_side(problem), start, times, expected=expected, jumps=problem.jumps)


@pytest.mark.parametrize("name", STIFF)
def test_scipy_reproduces_the_stiff_references(name: str) -> None:
    """Errors off a slow manifold die out: the bound is ten tolerances of Radau, component by component."""
    problem = PROBLEMS[name]
    rows = [row for row in problem.references if name != "e5" or row.t <= E5_END]
    times = [row.t for row in rows]
    # LSODA at a tolerance 1000 times finer is ten times faster than Radau over the eleven relaxation cycles.
    method, rtol = ("LSODA", 1e-9) if name == "van-der-pol-epsilon" else ("Radau", STIFF_TOLERANCE)
    solution = solve_ivp(
        right_hand_side(problem),
        (problem.t0, times[-1]),
        np.array(problem.y0),
        method=method,
        rtol=rtol,
        atol=problem.atol or rtol,
        t_eval=times,
        jac=None if method == "LSODA" else jacobian(problem),
    )
    np.testing.assert_allclose(solution.y.T, [row.y for row in rows], rtol=10 * STIFF_TOLERANCE, atol=0)


@pytest.mark.parametrize("name", [name for name in SENSITIVE if not PROBLEMS[name].stiff])
def test_the_variational_equations_reproduce_the_sensitivities(name: str) -> None:
    problem = PROBLEMS[name]
    function, start = variational_equations(problem)
    rows = problem.sensitivities
    expected = np.array([[*row.y, *np.hstack((row.by_initial, row.by_parameters)).ravel()] for row in rows])
    assert_reproduced(function, start, (problem.t0, *(row.t for row in rows)), expected=expected, fine=1e-9)


def test_the_variational_equations_reproduce_the_stiff_sensitivities() -> None:
    """Robertson: every row of the Jacobian to a thousand tolerances, relative to each column's largest entry."""
    problem = PROBLEMS["robertson"]
    function, start = variational_equations(problem)
    rows, n = problem.sensitivities, len(problem.y0)
    times = [row.t for row in rows]
    solution = solve_ivp(function, (0.0, times[-1]), start, method="LSODA", rtol=1e-9, atol=1e-20, t_eval=times)
    for row, packed in zip(rows, solution.y.T, strict=True):
        expected = np.hstack((row.by_initial, row.by_parameters))
        error = np.abs(packed[n:].reshape(expected.shape) - expected)
        assert (error <= 1e-6 * np.abs(expected).max(0)).all()


@pytest.mark.parametrize("name", EXACT)
def test_the_exact_solution_starts_at_y0_and_satisfies_the_equation(name: str) -> None:
    problem = PROBLEMS[name]
    assert problem.exact is not None
    torch.testing.assert_close(
        problem.exact(torch.tensor(problem.t0, dtype=torch.float64)), problem.initial(), rtol=1e-14, atol=1e-14
    )
    end = problem.t1 if problem.breakdown is None else 0.95 * problem.breakdown
    times = torch.linspace(problem.t0, end, 60, dtype=torch.float64)[1:-1]
    states = problem.exact(times.requires_grad_())
    slopes = torch.stack([torch.autograd.grad(y.sum(), times, retain_graph=True)[0] for y in states.unbind(-1)], dim=-1)
    fields = problem.field(times.unsqueeze(-1), states)
    # A stiff field multiplies the rounding of the state by its rate.
    amplification = 1e4 if problem.stiff else 1.0
    torch.testing.assert_close(slopes, fields, rtol=1e-12, atol=1e-14 * amplification * float(slopes.abs().max()))


@pytest.mark.parametrize("name", EXACT)
def test_the_exact_solution_agrees_with_the_references(name: str) -> None:
    problem = PROBLEMS[name]
    assert problem.exact is not None
    for row in problem.references:
        exact = problem.exact(torch.tensor(row.t, dtype=torch.float64))
        torch.testing.assert_close(exact, torch.tensor(row.y, dtype=torch.float64), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", INVARIANT)
def test_the_flow_conserves_the_invariants(name: str) -> None:
    """The derivative of an invariant along the field is zero, at points on and off the solution."""
    problem = PROBLEMS[name]
    noise = torch.Generator().manual_seed(0)
    on = torch.tensor([problem.y0, *(row.y for row in problem.references)], dtype=torch.float64)
    off = on * (1 + 0.01 * torch.rand(on.shape, generator=noise, dtype=torch.float64))
    states = torch.cat((on, off)).requires_grad_()
    rates = problem.field(torch.tensor(0.0, dtype=torch.float64), states).detach()
    for invariant in problem.invariants:
        (gradient,) = torch.autograd.grad(invariant.function(states).sum(), states)
        drift = (gradient * rates).sum(-1)
        assert (drift.abs() <= 1e-13 * (gradient.abs() * rates.abs()).sum(-1)).all(), invariant.name


@pytest.mark.parametrize("name", INVARIANT)
def test_the_references_conserve_the_invariants(name: str) -> None:
    problem = PROBLEMS[name]
    states = torch.tensor([problem.y0, *(row.y for row in problem.references)], dtype=torch.float64, requires_grad=True)
    for invariant in problem.invariants:
        values = invariant.function(states)
        (gradient,) = torch.autograd.grad(values.sum(), states)
        with torch.no_grad():
            rounding = (gradient * states).abs().sum(-1)
            assert ((values - values[0]).abs() <= 1e-14 * (rounding + rounding[0])).all(), invariant.name


@pytest.mark.parametrize("name", NAMES)
def test_the_field_of_a_batch_is_the_field_of_its_rows(name: str) -> None:
    problem = PROBLEMS[name]
    states = problem.initial() * torch.tensor([[1.0], [0.999], [0.998]], dtype=torch.float64)
    times = problem.t0 + torch.tensor([[0.1], [0.3], [0.7]], dtype=torch.float64)
    own = torch.stack([problem.field(t[0], y) for t, y in zip(times, states, strict=True)])
    shared = torch.stack([problem.field(times[0, 0], y) for y in states])
    atol = 1e-14 * float(own.abs().max())
    torch.testing.assert_close(problem.field(times, states), own, rtol=1e-14, atol=atol)
    torch.testing.assert_close(problem.field(times[0, 0], states), shared, rtol=1e-14, atol=atol)
    torch.testing.assert_close(problem.field(times[0, 0], states.expand(2, 3, -1))[1], shared, rtol=1e-14, atol=atol)


@pytest.mark.parametrize("name", PARAMETRIC)
def test_the_field_takes_parameters_shared_or_one_set_per_sample(name: str) -> None:
    problem = PROBLEMS[name]
    assert isinstance(problem.field, Parametric)
    assert len(problem.field.names) == len(problem.parameters)
    args = problem.args() * torch.tensor([[1.0], [1.1], [1.2]], dtype=torch.float64)
    states = problem.initial() * torch.tensor([[1.0], [0.999], [0.998]], dtype=torch.float64)
    t = torch.tensor(0.3, dtype=torch.float64)
    rows = torch.stack([problem.field(t, y, a) for y, a in zip(states, args, strict=True)])
    torch.testing.assert_close(problem.field(t, states, args), rows, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(problem.field(t, states), problem.field(t, states, args[0]), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_the_field_keeps_float32(name: str) -> None:
    problem = PROBLEMS[name]
    state = problem.initial(torch.float32)
    t = torch.tensor(problem.t0 + 0.25)
    rate = problem.field(t, state)
    assert rate.dtype == torch.float32
    double = problem.field(t.double(), state.double())
    torch.testing.assert_close(rate.double(), double, rtol=1e-5, atol=1e-6 * float(double.abs().max()))


@pytest.mark.parametrize("name", NAMES)
def test_every_problem_has_an_answer_inside_its_interval(name: str) -> None:
    problem = PROBLEMS[name]
    times = [row.t for row in problem.references]
    assert times == sorted(set(times))
    assert problem.t0 < times[0]
    assert times[-1] <= problem.t1
    assert all(len(row.y) == len(problem.y0) for row in problem.references)
    assert len(problem.components) == len(problem.y0) == len(set(problem.components))


@pytest.mark.parametrize("name", SENSITIVE)
def test_states_of_the_sensitivities_are_those_of_the_references(name: str) -> None:
    problem = PROBLEMS[name]
    states = {row.t: row.y for row in problem.references}
    for row in problem.sensitivities:
        np.testing.assert_allclose(row.y, states[row.t], rtol=1e-15)
        assert np.shape(row.by_initial) == (len(problem.y0), len(problem.y0))
        assert np.shape(row.by_parameters) == (len(problem.y0), len(problem.parameters))


def test_the_shipped_references_are_the_shared_ones() -> None:
    for row in shared_rows("references.json"):
        states = {reference.t: reference.y for reference in PROBLEMS[our_name(row["problem"])].references}
        assert states[float(row["t"])] == tuple(float(value) for value in row["y"]), row["problem"]


def test_the_shipped_sensitivities_are_the_shared_ones() -> None:
    for row in shared_rows("gradients.json"):
        problem = PROBLEMS[our_name(row["problem"])]
        ours = next(entry for entry in problem.sensitivities if entry.t == float(row["T"]))
        for i in range(len(problem.y0)):
            assert ours.y[i] == float(row["y"][f"y{i + 1}"])
            by_initial = [float(row["dy"][f"dy{i + 1}/dy0_{j + 1}"]) for j in range(len(problem.y0))]
            by_parameters = [float(row["dy"][f"dy{i + 1}/dp{j + 1}"]) for j in range(len(problem.parameters))]
            assert ours.by_initial[i] == tuple(by_initial)
            assert ours.by_parameters[i] == tuple(by_parameters)


def test_names_are_lower_case_words_joined_by_hyphens_and_match_their_problems() -> None:
    for name in NAMES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert PROBLEMS[name].name == name
        assert PROBLEMS.summary(name)


def test_the_two_problems_called_e5_are_different() -> None:
    assert PROBLEMS["e5"].stiff
    assert not PROBLEMS["detest-e5"].stiff
    assert PROBLEMS["e5"].references[-1].y != PROBLEMS["detest-e5"].references[-1].y


def test_a_wrong_name_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(OptionError, match="'lorenz'"):
        PROBLEMS["lorentz"]


@pytest.mark.parametrize("name", NAMES)
def test_a_problem_survives_pickling(name: str) -> None:
    problem = PROBLEMS[name]
    copy = pickle.loads(pickle.dumps(problem))
    t = torch.tensor(problem.t0 + 0.25, dtype=torch.float64)
    assert copy.references == problem.references
    assert torch.equal(copy.field(t, copy.initial()), problem.field(t, problem.initial()))
