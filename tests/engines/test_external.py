"""Engines that are black boxes: their numbers beside the solvers' own drivers and beside exact answers.

Ways to fail are in `test_external_failures`.
"""

from __future__ import annotations

import concurrent.futures
import math
from typing import Any

import numpy as np
import pytest
import torch
from black_boxes import ENGINES_HERE, SCIPY_METHODS, STIFF_ONES, needs_sundials
from scipy.integrate import solve_ivp
from torch import Tensor

import legato
from legato import Status
from legato.core.errors import FieldError, GradientError, InputError, MissingExtraError, OptionError
from legato.engines import CVODE, ENGINES, BlackBox, SciPy
from legato.problems import PROBLEMS

DOUBLE = torch.float64
ROTATION = torch.tensor([[-0.1, 1.0], [-1.0, -0.1]], dtype=DOUBLE)


def forced(t: Tensor, y: Tensor) -> Tensor:
    """y' = cos(t) y, so y = y0 exp(sin t)."""
    return torch.cos(t) * y


def on_arrays(field: Any) -> Any:
    return lambda t, y: field(torch.tensor(t, dtype=DOUBLE), torch.from_numpy(y.copy())).numpy()


# Beside exact answers


@pytest.mark.parametrize("engine", ENGINES_HERE)
@pytest.mark.parametrize("name", ["lotka-volterra", "torchdiffeq-sine", "rigid-body"])
def test_the_errors_are_some_tolerances(name: str, engine: str) -> None:
    """At 1e-7 these problems' errors grow to some 50 tolerances at most with any method."""
    problem, tolerance = PROBLEMS[name], 1e-7
    times = [problem.t0, *(row.t for row in problem.references)]
    with torch.no_grad():
        solution = legato.solve(
            problem.field, problem.initial(), times, engine=engine, rtol=tolerance, atol=tolerance, max_steps=50_000
        )
    exact = torch.tensor([row.y for row in problem.references], dtype=DOUBLE)
    assert float(((solution.ys[1:] - exact).abs() / (1 + exact.abs())).max()) < 200 * tolerance
    assert solution.stats.engine == engine


@pytest.mark.parametrize("engine", STIFF_ONES)
@pytest.mark.parametrize("name", ["hires", "robertson", "pollution"])
def test_stiff_problems_are_solved_to_some_tolerances(name: str, engine: str) -> None:
    problem, tolerance = PROBLEMS[name], 1e-7
    rows = [row for row in problem.references if row.t <= 1e6]
    with torch.no_grad():
        solution = legato.solve(
            problem.field, problem.initial(), [problem.t0, *(row.t for row in rows)], engine=engine,
            rtol=tolerance, atol=problem.atol or 1e-9,
        )  # fmt: skip
    exact = torch.tensor([row.y for row in rows], dtype=DOUBLE)
    assert float(((solution.ys[1:] - exact).abs() / (1 + exact.abs())).max()) < 20 * tolerance
    assert int(solution.stats.steps) < 3000


# Beside the solvers' own drivers


@pytest.mark.parametrize("engine", list(SCIPY_METHODS))
@pytest.mark.parametrize("end", [8.0, -8.0])
def test_the_numbers_are_those_of_solve_ivp(engine: str, end: float) -> None:
    times = torch.linspace(0, end, 9, dtype=DOUBLE)
    y0 = torch.tensor([1.0, 0.5], dtype=DOUBLE)

    def field(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([y[1], -torch.sin(y[0]) + 0.1 * torch.cos(t)])

    options = {"rtol": 1e-6, "atol": 1e-8}
    mine = legato.solve(field, y0, times, engine=engine, dense=True, **options)
    other = solve_ivp(
        on_arrays(field), (0.0, end), y0.numpy(), t_eval=times.numpy(), dense_output=True,
        method=SCIPY_METHODS[engine], **options,
    )  # fmt: skip
    np.testing.assert_allclose(mine.ys.numpy(), other.y.T, rtol=1e-12, atol=1e-13)
    if engine not in ("scipy-radau", "scipy-bdf"):  # those do not count what their Jacobians cost
        # The driver evaluates DOP853's interpolant for every step, here only for those that are looked into.
        assert int(mine.stats.evaluations) == other.nfev
    between = torch.linspace(0.013 * end, 0.987 * end, 100, dtype=DOUBLE)
    np.testing.assert_allclose(mine(between).numpy(), other.sol(between.numpy()).T, rtol=1e-10, atol=1e-11)


@needs_sundials
@pytest.mark.parametrize("method", ["BDF", "Adams"])
def test_the_numbers_are_those_of_cvodes_own_driver(method: str) -> None:
    from sksundae import cvode

    times = np.linspace(0, 8, 9)

    def fill(t: float, y: np.ndarray, slope: np.ndarray) -> None:
        slope[:] = y[1], -np.sin(y[0])

    other = cvode.CVODE(fill, method=method, rtol=1e-6, atol=1e-8).solve(times, np.array([1.0, 0.5]))
    mine = legato.solve(
        lambda t, y: torch.stack([y[1], -torch.sin(y[0])]), torch.tensor([1.0, 0.5], dtype=DOUBLE),
        torch.from_numpy(times), engine=CVODE(method), rtol=1e-6, atol=1e-8,
    )  # fmt: skip
    # The driver takes no notice of the end, so its last steps are others.
    np.testing.assert_allclose(mine.ys.numpy()[:-1], other.y[:-1], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(mine.ys.numpy()[-1], other.y[-1], rtol=1e-5)


# Outputs


@pytest.mark.parametrize("engine", ENGINES_HERE)
@pytest.mark.parametrize("end", [3.0, -3.0])
def test_dense_output_and_its_derivative_are_those_of_the_solution(engine: str, end: float) -> None:
    y0 = torch.tensor([[1.0], [2.0], [-0.5]], dtype=DOUBLE)
    solution = legato.solve(forced, y0, (0.0, end), engine=engine, dense=True, rtol=1e-7, atol=1e-9)
    times = torch.linspace(0, end, 301, dtype=DOUBLE)
    exact = torch.exp(torch.sin(times))[:, None, None] * y0
    assert float((solution(times) - exact).abs().max()) < 2e-5
    slope = torch.cos(times)[:, None, None] * exact
    assert float((solution.derivative(times) - slope).abs().max()) < 1e-3
    assert torch.allclose(solution(torch.tensor(0.0)), y0, rtol=0, atol=1e-7)


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_values_at_times_do_not_depend_on_which_others_are_asked_for(engine: str) -> None:
    y0 = torch.tensor([1.0, 0.3], dtype=DOUBLE)
    few = legato.solve(forced, y0, [0.0, 1.3, 3.0], engine=engine)
    many = legato.solve(forced, y0, [0.0, 0.2, 0.2, 1.0, 1.3, 2.9, 3.0], engine=engine)
    assert torch.equal(few.ys, many.ys[[0, 4, 6]])
    assert torch.equal(many.ys[1], many.ys[2])
    assert torch.equal(few.stats.steps, many.stats.steps)


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_every_step_is_kept_for_each_row_by_itself(engine: str) -> None:
    y0 = torch.tensor([[1.0], [100.0]], dtype=DOUBLE)
    solution = legato.solve(lambda t, y: -(y**2), y0, (0.0, 1.0), engine=engine, save="steps", dt_max=0.125)
    counts = (~solution.ts.isnan()).sum(1)
    assert torch.equal(counts, solution.stats.accepted + 1)
    for row in range(2):
        times = solution.ts[row, : counts[row]]
        assert times[0] == 0
        assert times[-1] == 1
        assert bool((times.diff() > 0).all())
        assert float(times.diff().max()) <= 0.125 * (1 + 1e-12)
        exact = y0[row] / (1 + y0[row] * times)
        # From 100 down, a relative tolerance of 1e-7 makes errors of some 1e-5.
        assert float((solution.ys[: counts[row], row, 0] - exact).abs().max()) < 1e-4
        assert bool(solution.ys[counts[row] :, row].isnan().all())


# States, times and arguments


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_a_row_has_the_bits_that_it_has_alone(engine: str) -> None:
    y0 = torch.tensor([[1.0, 0.5], [3.0, -2.0], [0.1, 0.2]], dtype=DOUBLE)
    rates = torch.tensor([[1.0], [40.0], [0.01]], dtype=DOUBLE)
    run = {"engine": engine, "args_batched": True}
    whole = legato.solve(lambda t, y, k: -k * y + torch.sin(t), y0, [0.0, 0.7, 2.0], rates, **run)
    for row in range(3):
        part = slice(row, row + 1)
        alone = legato.solve(lambda t, y, k: -k * y + torch.sin(t), y0[part], [0.0, 0.7, 2.0], rates[part], **run)
        assert torch.equal(whole.ys[:, part], alone.ys)
        assert torch.equal(whole.stats.steps[part], alone.stats.steps)
    assert len(set(whole.stats.steps.tolist())) > 1


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_samples_have_their_own_times_in_any_direction(engine: str) -> None:
    y0 = torch.ones(3, 1, dtype=DOUBLE)
    grids = [torch.tensor(times, dtype=DOUBLE) for times in ([0.0, 0.5, 2.0], [1.0, -1.0], [2.0])]
    solution = legato.solve(forced, y0, grids, engine=engine)
    for row, times in enumerate(grids):
        exact = torch.exp(torch.sin(times) - torch.sin(times[0]))
        assert float((solution.ys[: len(times), row, 0] - exact).abs().max()) < 1e-5
    assert solution.t_reached.tolist() == [2.0, -1.0, 2.0]
    assert solution.stats.steps[2] == 0


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_states_are_structures_complex_half_or_single_of_any_shape(engine: str) -> None:
    run = {"engine": engine, "rtol": 1e-6, "atol": 1e-8}
    state = {"a": torch.ones(2, 3, dtype=DOUBLE), "b": (torch.full((2, 1, 2), 2.0, dtype=DOUBLE),)}
    found = legato.solve(lambda t, y: {"a": -y["a"], "b": (y["b"][0] * -2,)}, state, (0.0, 1.0), **run).ys
    torch.testing.assert_close(found["a"], torch.full((1, 2, 3), math.exp(-1), dtype=DOUBLE), rtol=1e-4, atol=0)
    torch.testing.assert_close(
        found["b"][0], torch.full((1, 2, 1, 2), 2 * math.exp(-2), dtype=DOUBLE), rtol=1e-4, atol=0
    )
    turned = legato.solve(lambda t, y: 1j * y, torch.ones((), dtype=torch.complex128), (0.0, 2.0), **run).ys
    assert turned.shape == (1,)
    assert abs(complex(turned[0]) - complex(math.cos(2), math.sin(2))) < 1e-4
    for dtype in (torch.float32, torch.float16):
        seen = set()

        def field(t: Tensor, y: Tensor, seen: set = seen) -> Tensor:
            seen.add((t.dtype, t.shape, y.dtype, y.shape))
            return -y

        y0 = torch.ones(1, 2, 2, dtype=dtype)
        single = legato.solve(field, y0, (0.0, 1.0), engine=engine, batch_dims=2, rtol=1e-4, atol=1e-5).ys
        assert single.dtype == dtype
        assert float((single - math.exp(-1)).abs().max()) < 2e-3
        # Batches of one, with a 0-d time; the check of the contract shows the whole batch once.
        assert {kind[:2] for kind in seen} == {(torch.float32, torch.Size([]))}
        assert {kind[2:] for kind in seen} <= {(dtype, torch.Size([1, 1, 2])), (dtype, torch.Size([2, 1, 2]))}


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_tolerances_may_differ_from_component_to_component(engine: str) -> None:
    y0, rates = torch.ones(2, dtype=DOUBLE), torch.tensor([1.0, 3.0], dtype=DOUBLE)
    loose = legato.solve(lambda t, y: -rates * y, y0, (0.0, 1.0), engine=engine, rtol=1e-3, atol=1e-3)
    fine = legato.solve(
        lambda t, y: -rates * y, y0, (0.0, 1.0), engine=engine, rtol=1e-12, atol=torch.tensor([1e-2, 1e-9])
    )
    assert float((fine.ys[0] - torch.exp(-rates))[1].abs()) < 1e-7
    assert int(fine.stats.steps) > int(loose.stats.steps)


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_the_field_is_never_called_outside_the_interval_nor_on_a_jump(engine: str) -> None:
    """y' = 1 before the jump, -10 y after it."""
    seen: list[float] = []

    def field(t: Tensor, y: Tensor) -> Tensor:
        seen.append(float(t))
        return torch.where(t < 0.5, torch.ones_like(y), -10 * y)

    for t0, t1, exact in ((0.0, 1.0, 1.5 * math.exp(-5)), (1.0, 0.0, math.exp(5) - 0.5)):
        seen.clear()
        y0 = torch.ones(1, dtype=DOUBLE)
        solution = legato.solve(field, y0, (t0, t1), engine=engine, jumps=[0.5], stops=[0.25, 0.75, 3.0])
        assert abs(float(solution.ys) / exact - 1) < 1e-5
        assert min(seen) >= 0
        assert max(seen) <= 1
        assert 0.5 not in seen


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_steps_end_at_stops_and_begin_as_they_are_told(engine: str) -> None:
    y0 = torch.ones(1, 1, dtype=DOUBLE)
    run = {"engine": engine, "save": "steps", "rtol": 1e-3, "atol": 1e-3}
    ends = legato.solve(lambda t, y: -0.01 * y, y0, (0.0, 2.0), stops=[0.3, 1.7], **run).ts[0].tolist()
    assert {0.3, 1.7, 2.0} <= set(ends)
    first = legato.solve(lambda t, y: -0.01 * y, y0, (0.0, 2.0), dt0=0.0078125, **run).ts[0]
    assert float(first[1]) == pytest.approx(0.0078125)


@pytest.mark.parametrize("engine", [SciPy("Radau", jacobian="autograd"), SciPy("BDF", jacobian="autograd"),
                                    SciPy("LSODA", jacobian="autograd"),
                                    pytest.param(CVODE("BDF", jacobian="autograd"), marks=needs_sundials)])  # fmt: skip
def test_a_jacobian_from_autograd_gives_the_same_solution_with_fewer_evaluations(engine: Any) -> None:
    problem = PROBLEMS["hires"]
    weight = torch.ones((), dtype=DOUBLE, requires_grad=True)
    run = {"rtol": 1e-7, "atol": 1e-10}
    with torch.no_grad():
        found, other = (
            legato.solve(
                lambda t, y: weight * problem.field(t, y), problem.initial(), (0.0, 321.8122), engine=each, **run
            )
            for each in (engine, engine.name)
        )
    torch.testing.assert_close(found.ys, other.ys, rtol=1e-5, atol=1e-8)
    assert int(found.stats.evaluations) < int(other.stats.evaluations)
    assert weight.grad is None


def test_a_jacobian_from_autograd_takes_constant_and_complex_fields() -> None:
    engine = SciPy("Radau", jacobian="autograd")
    assert float(legato.solve(lambda t, y: torch.ones_like(y), torch.zeros(1), (0.0, 2.0), engine=engine).ys) == 2
    turned = legato.solve(lambda t, y: 1j * y, torch.ones(2, dtype=torch.complex128), (0.0, 1.0), engine=engine).ys
    assert abs(complex(turned[0, 1]) - complex(math.cos(1), math.sin(1))) < 1e-5


def test_any_ode_solver_of_scipys_kind_is_an_engine() -> None:
    from scipy.integrate import RK45

    class Mine(RK45):
        pass

    y0 = torch.ones(2, dtype=DOUBLE)
    mine = legato.solve(forced, y0, [0.0, 1.0, 3.0], engine=SciPy(Mine), dense=True)
    assert torch.equal(mine.ys, legato.solve(forced, y0, [0.0, 1.0, 3.0], engine="scipy-rk45").ys)
    assert mine.stats.engine == "scipy-mine"
    assert abs(float(mine(torch.tensor(2.0))[0]) - math.exp(math.sin(2.0))) < 1e-5


# In company


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_eight_threads_and_a_solve_inside_the_field_get_the_same_bits(engine: str) -> None:
    # SciPy's LSODA cannot be called by a field of its own.
    other = "scipy-rk45" if engine == "scipy-lsoda" else engine

    def inner(t: Tensor, y: Tensor) -> Tensor:
        return -legato.solve(lambda s, z: -z, y, (0.0, 0.5), engine=other, rtol=1e-6, atol=1e-8).ys[0]

    def run(_: int) -> Tensor:
        return legato.solve(inner, torch.ones(1, dtype=DOUBLE), (0.0, 0.25), engine=engine, rtol=1e-4, atol=1e-6).ys

    first = run(0)
    assert abs(float(first) - math.exp(-0.25 * math.exp(-0.5))) < 1e-4
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for found in pool.map(run, range(8)):
            assert torch.equal(found, first)


def test_lsoda_inside_a_field_of_lsoda_is_refused() -> None:
    def field(t: Tensor, y: Tensor) -> Tensor:
        return -legato.solve(lambda s, z: -z, y, (0.0, 0.5), engine="scipy-lsoda").ys[0]

    with pytest.raises(InputError, match="another engine"):
        legato.solve(field, torch.ones(1, dtype=DOUBLE), (0.0, 0.25), engine="scipy-lsoda")
    assert legato.solve(lambda t, y: -y, torch.ones(1), (0.0, 0.25), engine="scipy-lsoda").success


# What is refused


@pytest.mark.parametrize("engine", ENGINES_HERE)
def test_a_gradient_is_refused_wherever_it_would_be_lost(engine: str) -> None:
    y0, weight = torch.ones(1, dtype=DOUBLE), torch.ones(1, dtype=DOUBLE, requires_grad=True)
    linear = torch.nn.Linear(1, 1, dtype=DOUBLE)

    def late(t: Tensor, y: Tensor) -> Tensor:
        return -y * weight if t > 0.5 else -y

    cases = [
        (lambda t, y: -y, y0.clone().requires_grad_(), (0.0, 1.0), None),
        (lambda t, y: -weight * y, y0, (0.0, 1.0), None),
        (lambda t, y: linear(y), y0, (0.0, 1.0), None),
        (lambda t, y, w: -w * y, y0, (0.0, 1.0), weight),
        (lambda t, y: -y, y0, (0.0, torch.tensor(1.0, dtype=DOUBLE, requires_grad=True)), None),
        (late, y0, (0.0, 1.0), None),
    ]
    for field, start, t, args in cases:
        for gradient in ("discrete", "direct"):
            with pytest.raises(GradientError, match=r"later release.*engine='eager'.*'discrete'.*no_grad"):
                legato.solve(field, start, t, args, engine=engine, gradient=gradient)
        with torch.no_grad():
            solution = legato.solve(field, start, t, args, engine=engine)
        assert solution.status == Status.SUCCESS
        assert solution.stats.gradient == "none"
        assert not solution.ys.requires_grad


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "dopri5"},
        {"controller": "pi"},
        {"norm": "batch"},
        {"force_dt_min": True},
        {"clip": True},
        {"steps": "shared"},
    ],
)
def test_options_of_the_other_engine_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"leave|needs steps"):
        legato.solve(lambda t, y: -y, torch.ones(1), (0.0, 1.0), engine="scipy-lsoda", **options)


def test_names_are_refused_with_the_nearest_right_one() -> None:
    y0 = torch.ones(1)
    with pytest.raises(OptionError, match="'scipy-radau'"):
        legato.solve(lambda t, y: -y, y0, (0.0, 1.0), engine="scipy-raudau")
    with pytest.raises(OptionError, match="'Radau'"):
        SciPy("radau")
    with pytest.raises(OptionError, match="known: Adams, BDF"):
        CVODE("RK45")
    with pytest.raises(OptionError, match="'autograd'"):
        CVODE("BDF", jacobian="autogard")
    with pytest.raises(InputError, match="no Jacobian"):
        SciPy("RK45", jacobian="autograd")
    with pytest.raises(InputError, match="OdeSolver"):
        SciPy(3)
    with pytest.raises(InputError, match=r"BlackBox\(function\)"):
        legato.solve(lambda t, y: -y, y0, (0.0, 1.0), engine=lambda f, y0, times: y0)


@pytest.mark.parametrize("engine", ["scipy-radau", pytest.param("cvode-adams", marks=needs_sundials)])
def test_a_relative_tolerance_per_component_is_refused_where_the_solver_has_none(engine: str) -> None:
    rtol = torch.tensor([1e-3, 1e-6])
    with pytest.raises(InputError, match="takes one rtol"):
        legato.solve(lambda t, y: -y, torch.ones(2), (0.0, 1.0), engine=engine, rtol=rtol)


@pytest.mark.parametrize(("engine", "package"), [("scipy-bdf", "scipy"), ("cvode-bdf", "sksundae")])
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    engine: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*pip install 'legato\[solvers\]'"):
        legato.solve(lambda t, y: -y, torch.ones(1), (0.0, 1.0), engine=engine)


def test_a_field_that_mixes_rows_is_refused() -> None:
    y0 = torch.tensor([[1.0], [2.0]], dtype=DOUBLE)
    with pytest.raises(FieldError, match=r"mixes rows.*batch_dims=0"):
        legato.solve(lambda t, y: -y + y.mean(0), y0, (0.0, 1.0), engine="scipy-lsoda")
    flags = torch.tensor([[1.0], [3.0]], dtype=DOUBLE)
    with pytest.raises(FieldError, match="args_batched"):
        legato.solve(lambda t, y: -flags * y, y0, (0.0, 1.0), engine="scipy-lsoda")
    apart = (torch.tensor([0.0, 5.0]), torch.tensor([1.0, 6.0]))
    with pytest.raises(FieldError, match="mixes rows"):
        legato.solve(lambda t, y: -y + y.mean(0), y0, apart, engine="scipy-lsoda")
    whole = legato.solve(lambda t, y: -y + y.mean(0), y0, (0.0, 1.0), engine="scipy-lsoda", batch_dims=0)
    assert abs(float(whole.ys[0].mean()) - 1.5) < 1e-6


def test_the_frozen_engines_are_compared_and_shown_by_their_settings() -> None:
    assert SciPy("BDF") == ENGINES["scipy-bdf"]
    assert repr(CVODE("Adams")) == "CVODE(method='Adams', jacobian='differences')"
    assert BlackBox(forced).name == "black-box"
