from __future__ import annotations

from pathlib import Path

import pytest

from legato.core import files
from legato.core.files import write_whole


def test_a_new_file_holds_the_content_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "data.bin", bytes(range(256)))
    assert (tmp_path / "data.bin").read_bytes() == bytes(range(256))
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "data.bin"
    place.write_bytes(b"a longer text than the new one")
    write_whole(place, b"new")
    assert place.read_bytes() == b"new"


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    write_whole(f"{tmp_path}/data.bin", b"content")
    assert (tmp_path / "data.bin").read_bytes() == b"content"


def test_a_reader_who_opened_the_old_file_keeps_it(tmp_path: Path) -> None:
    place = tmp_path / "data.bin"
    place.write_bytes(b"old")
    with place.open("rb") as reader:
        write_whole(place, b"new")
        assert reader.read() == b"old"


@pytest.mark.parametrize("interruption", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: BaseException
) -> None:
    def fail(_: int) -> None:
        raise interruption

    place = tmp_path / "data.bin"
    place.write_bytes(b"old")
    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(type(interruption)):
        write_whole(place, b"new")
    assert place.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


def test_a_missing_folder_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "missing" / "data.bin", b"content")
    assert caught.value.filename == str(tmp_path / "missing" / "data.bin")
    assert "part" not in str(caught.value)


def test_a_place_that_cannot_be_taken_is_named_as_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "data.bin").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_whole(tmp_path / "data.bin", b"content")
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "data.bin"), None)
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "whole", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode
