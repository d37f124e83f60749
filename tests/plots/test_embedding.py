"""Pictures are the same bytes in every run, touch no global setting, and are written whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from legato.core.errors import InputError, MissingExtraError
from legato.plots import picture_bytes, save_picture, training_curve


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_the_same_picture_has_the_same_bytes(kind: str) -> None:
    assert picture_bytes(training_curve([3.0, 2.0, 1.0]), kind) == picture_bytes(training_curve([3.0, 2.0, 1.0]), kind)


def test_another_process_draws_the_same_bytes() -> None:
    program = (
        "import sys; from legato.plots import picture_bytes, training_curve; "
        "sys.stdout.buffer.write(picture_bytes(training_curve([3.0, 2.0, 1.0])))"
    )
    other = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    assert other == picture_bytes(training_curve([3.0, 2.0, 1.0]))


def test_the_users_own_settings_change_no_picture_and_are_left_alone() -> None:
    import matplotlib as mpl

    plain = picture_bytes(training_curve([3.0, 2.0, 1.0]))
    with mpl.rc_context({"font.size": 30.0, "text.parse_math": True, "axes.facecolor": "black"}):
        assert picture_bytes(training_curve([3.0, 2.0, 1.0])) == plain
        assert mpl.rcParams["font.size"] == 30.0


def test_a_picture_holds_no_date() -> None:
    assert b"<dc:date>" not in picture_bytes(training_curve([1.0, 2.0]))


def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "loss.svg"
    path.write_text("older")
    save_picture(path, training_curve([1.0, 2.0]))
    assert path.read_bytes() == picture_bytes(training_curve([1.0, 2.0]))
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "loss.svg"
    path.write_text("older")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        save_picture(path, training_curve([1.0, 2.0]))
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_kind_of_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'bmp'; expected one of svg, png, pdf"):
        save_picture(tmp_path / "loss.bmp", training_curve([1.0, 2.0]))


def test_importing_the_floor_imports_neither_matplotlib_nor_jinja2() -> None:
    program = "import sys, legato.plots; sys.exit(any(name in sys.modules for name in ('matplotlib', 'jinja2')))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_picture_without_matplotlib_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"drawing pictures needs matplotlib.*pip install 'legato\[plot\]'"):
        training_curve([1.0, 2.0])
