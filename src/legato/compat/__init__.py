"""Other libraries' signatures over `legato.solve`: change the import, keep the program."""

from __future__ import annotations

from .torchdiffeq import odeint, odeint_adjoint

__all__ = ["odeint", "odeint_adjoint"]
