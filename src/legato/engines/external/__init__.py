"""Black boxes as engines: SciPy's solvers, SUNDIALS' CVODE, or a function of the user's own.

Every sample is solved by itself, with its own steps, status and end, in float64 inside whatever the dtype of the state.
Values at times, every step and dense output are the solver's own; forced stops and jumps begin it afresh. It neither
hangs nor hands on NaN: the field counts its calls and refuses what is not finite, and the march looks at every step.
There are no gradients through it yet; under `torch.no_grad()` any field will do.

Their method and the rule for its steps are their own, so `solver=`, `controller=`, `norm=`, `clip=`, `force_dt_min=`
and `steps="shared"` are refused; `rtol`, `atol`, `dt0`, `dt_min`, `dt_max`, `max_steps`, `max_evaluations`, `max_time`,
`stops` and `jumps` mean what they mean elsewhere.
"""

from __future__ import annotations

from .black_box import BlackBox
from .leg import is_black_box
from .scipy_methods import SCIPY_METHODS, SciPy
from .sundials import CVODE

__all__ = ["CVODE", "SCIPY_METHODS", "BlackBox", "SciPy", "is_black_box"]
