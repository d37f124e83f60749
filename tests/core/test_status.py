"""Every status is good or comes with advice."""

from __future__ import annotations

from legato.core.status import Status


def test_two_ends_are_good() -> None:
    assert [status for status in Status if status.good] == [Status.SUCCESS, Status.EVENT]


def test_every_status_has_its_own_advice() -> None:
    texts = [status.advice for status in Status]
    assert all(texts)
    assert len(set(texts)) == len(texts)


def test_every_status_fits_the_eight_bits_it_is_kept_in() -> None:
    assert all(0 <= int(status) <= 127 for status in Status)
