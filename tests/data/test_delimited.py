"""Text tables: what is read, and what is refused with its row, column and remedy."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legato.core.errors import OptionError
from legato.data import Dialect, Table, TableError, read_table
from legato.data.delimited import read_delimited


def read(folder: Path, content: str | bytes, dialect: Dialect | None = None) -> Table:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, dialect=dialect)


@pytest.mark.parametrize(
    ("content", "code", "row"),
    [
        pytest.param(b"", "empty", None, id="empty file"),
        pytest.param(b" \n\n", "empty", None, id="blank file"),
        pytest.param(b"t,y\n", "empty", None, id="header only"),
        pytest.param(b"# a\n# b\n", "empty", None, id="comments only"),
        pytest.param(b"t,y\n1,2\n3\n", "ragged-row", 3, id="short row"),
        pytest.param(b"t,y\n1,2\n# c\n\n3,4,5\n", "ragged-row", 5, id="long row after a comment and a blank"),
        pytest.param(b"t,y\n1,2,3\n4,5,6\n", "ragged-row", 2, id="every row one field too many"),
        pytest.param(b"t,y\n1,2,5\n", "ragged-row", 2, id="decimal comma in a comma table"),
        pytest.param(b't,y\n"a\nb",2\n3\n', "ragged-row", 4, id="short row after a quoted line break"),
        pytest.param(b"t,y,y\n1,2,3\n", "duplicate-name", None, id="duplicate names"),
        pytest.param(b",y\n1,2\n", "unnamed-column", None, id="a column without a name"),
        pytest.param(b"1,2\n3,4\n", "no-header", 1, id="no header, numbers"),
        pytest.param(b"t,-2.5e3\n3,4\n", "no-header", 1, id="no header, one number"),
        pytest.param(b"2020-01-01,x\n2020-01-02,y\n", "no-header", 1, id="no header, a date"),
        pytest.param(b"%o v\n 0 5 1 2\n", "no-header", 1, id="percent comment"),
        pytest.param(b"a b\n1 2\n3 4\n", "delimiter", 1, id="whitespace"),
        pytest.param(b"a|b\n1|2\n", "delimiter", 1, id="pipe"),
        pytest.param(b"a;b,c\n1;2,3\n", "delimiter", 1, id="comma and semicolon"),
        pytest.param(b"t,y\n1,\x00\n", "nul-byte", 2, id="NUL byte"),
        pytest.param("t,tempé\n1,2\n".encode("latin-1"), "encoding", 1, id="latin-1"),
        pytest.param(b"t,y\n1,2\n3,\xff\n", "encoding", 3, id="not UTF-8 in row 3"),
        pytest.param(b't,y\n1,2\n3,"4\n5,6\n', "quotes", 3, id="unclosed quote"),
        pytest.param(b'a,t,y\n5" x,1,2\n6" x,1,2\n', "quotes", 2, id="quotes inside cells"),
        pytest.param(b'a\n5","\n6\n', "quotes", 2, id="an even number of quotes inside cells"),
    ],
)
def test_a_text_that_is_no_table_is_refused_with_its_row(
    tmp_path: Path, content: bytes, code: str, row: int | None
) -> None:
    with pytest.raises(TableError) as caught:
        read(tmp_path, content)
    assert caught.value.finding.code == code
    assert caught.value.row == row
    assert caught.value.finding.fix


def test_every_ragged_row_is_counted_and_the_first_three_are_named(tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        read(tmp_path, "t,y\n1\n1,2\n1\n1\n1,2,3\n1,2\n")
    assert caught.value.finding.rows == (2, 4, 5)
    assert caught.value.finding.count == 4


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"t,y\n1,2\n3,4\n", id="plain"),
        pytest.param(b"\xef\xbb\xbft,y\n1,2\n3,4\n", id="UTF-8 byte order mark"),
        pytest.param("t,y\n1,2\n3,4\n".encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xfe\xff" + "t,y\n1,2\n3,4\n".encode("utf-16-be"), id="UTF-16 big-endian"),
        pytest.param(b"t;y\n1;2\n3;4\n", id="semicolon"),
        pytest.param(b"t\ty\n1\t2\n3\t4\n", id="tab"),
        pytest.param(b"t , y\n1,  2 \n 3,4", id="blanks around cells, no last line feed"),
        pytest.param(b'"t","y"\n"1","2"\n"3",4\n', id="quoted"),
        pytest.param(b"t,y\r\n1,2\r\n3,4\r\n", id="CRLF"),
        pytest.param(b"t,y\r1,2\r3,4\r", id="CR"),
        pytest.param(b"t,y\r\n1,2\n3,4\r", id="mixed line ends"),
        pytest.param(b"t,y,\n1,2,\n3,4,\n", id="trailing commas"),
        pytest.param(b'# a\n\nt,y\n#, b "\n1,2\n\n# c\n3,4\n\n', id="comments and blank lines"),
        pytest.param(b"t,y\n+1,2e0\n03,4.\n", id="plus sign, exponent, leading zero, bare point"),
    ],
)
def test_equal_tables_written_differently_read_equal(tmp_path: Path, content: bytes) -> None:
    table = read(tmp_path, content)
    assert table.names == ("t", "y")
    assert table.numbers("t").tolist() == [1.0, 3.0]
    assert table.numbers("y").tolist() == [2.0, 4.0]


def test_rows_are_numbered_by_the_line_on_which_they_begin(tmp_path: Path) -> None:
    table = read(tmp_path, 'id,y\n# note\n"a\n# inside a cell\nb",1\n\nc,2\n')
    assert table.lines.tolist() == [3, 7]
    assert table.column("id").text().tolist() == ["a\n# inside a cell\nb", "c"]


def test_what_was_decided_from_the_file_is_noted(tmp_path: Path) -> None:
    notes = {finding.code: finding for finding in read(tmp_path, "# a\nt;y;\n\n1;2;\n").notes}
    assert set(notes) == {"comment", "blank", "delimiter", "empty-column"}
    assert notes["comment"].rows == (1,)
    assert notes["blank"].rows == (3,)
    assert "semicolon" in notes["delimiter"].message


def test_a_file_without_header_separated_by_blanks_is_read_as_it_is_described(tmp_path: Path) -> None:
    dialect = Dialect(comment="%", delimiter="whitespace", columns=("t", "y"))
    table = read(tmp_path, "% o v\r\n  1.0e+000   2 \r\n\t3 4\r\n", dialect)
    assert table.numbers("t").tolist() == [1.0, 3.0]
    assert table.numbers("y").tolist() == [2.0, 4.0]
    assert table.lines.tolist() == [2, 3]


def test_a_decimal_comma_is_read_where_it_is_named(tmp_path: Path) -> None:
    table = read(tmp_path, "t;y\n1;2,5\n2;-0,25e1\n3;4\n", Dialect(decimal=","))
    assert table.numbers("y").tolist() == [2.5, -2.5, 4.0]


def test_a_point_beside_decimal_commas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"row 3, column 'y'"):
        read(tmp_path, "t;y\n1;2,5\n2;1.234,5\n", Dialect(decimal=",")).numbers("y")


def test_marks_for_missing_values_can_be_added(tmp_path: Path) -> None:
    table = read(tmp_path, "t,y\n1,-\n2,-999\n3,4\n", Dialect(missing=("-", "-999")))
    assert np.isnan(table.numbers("y")).tolist() == [True, True, False]


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": "::"},
        {"comment": "//"},
        {"decimal": "'"},
        {"decimal": ",", "delimiter": ","},
        {"columns": "t,y"},
        {"missing": "-999"},
    ],
)
def test_a_dialect_that_cannot_be_meant_is_refused(options: dict) -> None:
    with pytest.raises(OptionError):
        Dialect(**options)


def test_a_table_larger_than_a_block_keeps_its_rows_and_their_numbers(tmp_path: Path) -> None:
    # 17 MiB of text: more than one block of the reader.
    width, count = 1 << 14, 1 << 10
    lines = [f"{i},{'x' * width}" for i in range(count)]
    table = read(tmp_path, "\n".join(["t,label", "# note", *lines, ""]))
    assert table.numbers("t").tolist() == list(range(count))
    assert table.lines.tolist() == list(range(3, count + 3))


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8), st.sampled_from(",;\t"))
@settings(deadline=None)
def test_what_the_standard_library_writes_is_read_back(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("a", "b", "c"), *rows])
    parsed = read_delimited(text.getvalue().encode(), Dialect())
    assert parsed.names == ("a", "b", "c")
    assert list(zip(*(column.to_pylist() for column in parsed.columns), strict=True)) == rows


@given(st.one_of(st.binary(max_size=60), st.text('at1,;\t"#\n\r .-e', max_size=60).map(str.encode)))
@settings(deadline=None, max_examples=500)
def test_any_bytes_are_a_table_or_refused(content: bytes) -> None:
    try:
        parsed = read_delimited(content, Dialect())
    except TableError:
        return
    assert len(parsed.lines) == len(parsed.columns[0]) > 0
    assert all(name.strip() for name in parsed.names)
    assert (np.diff(parsed.lines) > 0).all()
