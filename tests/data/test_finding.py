"""Findings: place, message and remedy, in words and as JSON."""

from __future__ import annotations

import json
import pickle

import numpy as np

from legato.core.errors import DataError
from legato.data.finding import note, refuse


def test_a_refusal_says_where_what_and_what_to_do() -> None:
    error = refuse("bad", "'x' is no number", "correct it", column="y", rows=np.array([3, 5, 7, 9, 11]))
    assert isinstance(error, DataError)
    assert str(error) == "rows 3, 5, 7 and 2 more, column 'y': 'x' is no number; correct it"
    assert (error.row, error.column) == (3, "y")


def test_a_finding_without_a_place_is_its_message() -> None:
    assert str(note("parquet", "read as Parquet")) == "read as Parquet"


def test_a_finding_is_plain_json() -> None:
    finding = refuse("bad", "message", "fix", rows=np.array([3])).finding
    assert json.loads(json.dumps(finding.to_dict()))["rows"] == [3]


def test_a_refusal_crosses_process_borders_whole() -> None:
    error = refuse("bad", "message", "fix", column="y", rows=[3])
    assert pickle.loads(pickle.dumps(error)).finding == error.finding
