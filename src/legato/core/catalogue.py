"""Catalogues: the one place where a thing's name lives.

A catalogue maps a name to an object with a one-line summary. Tests run laws over it, the documentation and the
command line list it, and a wrong name is refused with the nearest right one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from .errors import OptionError

__all__ = ["Catalogue", "nearest"]

Item = TypeVar("Item")

_ALIKE = 0.65  # of the letters of two words, in order: "bogus" and "bosh3" share 0.6, "yers" and "years" 0.89


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause naming the known names nearest to `name`, for the end of an error message."""
    known = sorted(known)
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=_ALIKE)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


class Catalogue(Mapping[str, Item], Generic[Item]):
    """Map lower-case names to things of one kind.

    Arguments:
        kind: what the things are, in the singular, for error messages ("solver").
        entries: name -> (thing, one-line summary).
    """

    def __init__(self, kind: str, entries: Mapping[str, tuple[Item, str]]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Item:
        try:
            return self._entries[name.lower()][0]
        except (KeyError, AttributeError):
            raise OptionError(f"no {self.kind} is called {name!r}; {nearest(str(name), self._entries)}") from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def summary(self, name: str) -> str:
        """Return the one-line summary of an entry."""
        self[name]
        return self._entries[name.lower()][1]
