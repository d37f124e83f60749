"""The report is one self-contained, valid, escaped page, the same in every run."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from legato.core.errors import InputError, MissingExtraError
from legato.plots import (
    Coverage,
    Note,
    Picture,
    Report,
    ScoreRow,
    ScoreTable,
    Table,
    Verdict,
    render_report,
    training_curve,
    write_report,
)

HOSTILE = "<script>alert('x')</script>\"'><img src=http://example.org/a.png>&amp;\x00\udc80"
VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Read a page: its elements with their attributes, its text, and whether every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> Iterator[str]:
        return (value for _, attributes in self.elements for key, value in attributes.items() if key == name and value)


def report(name: str = "hare", **changes: Any) -> Report:
    rows = (
        ScoreRow(name="neural ODE", values=(6.1, "4 of 6"), ours=True),
        ScoreRow(name=name, values=(4.2, None)),
        ScoreRow(name="AR(9)", reason=f"does not apply: {name}"),
    )
    verdicts = (Verdict(f"loses to {name} by 45 %", False), Verdict("beats the mean by 72 %", True))
    settings: dict[str, Any] = {
        "title": f"A forecast of {name}",
        "summary": f"The neural ODE loses to {name}.",
        "won": False,
        "pictures": (Picture(figure=training_curve([3.0, 1.0], label=name), title=name, caption=name),),
        "read": {"file": name, "rows": 21, name: None},
        "model": {"forecast": f"every year of {name}"},
        "notes": (Note(name), Note("few values", "warning")),
        "split": f"trained on 1900-1914 of {name}",
        "scores": (ScoreTable(target=name, measures=("RMSE", "80 % band"), rows=rows, verdicts=verdicts),),
        "origins": Table(columns=("origin", name), rows=((name, 8.25),), ours=1, note=name),
        "coverage": (Coverage(name, 0.8, 9, 12),),
        "command": f"legato fit {name}",
        "versions": {"legato": "0.1", name: name},
        "data_hash": "sha256:00ff",
        "settings": {"members": 5, name: [name]},
    }
    return Report(**(settings | changes))


def test_the_page_is_well_formed_and_says_its_language() -> None:
    content = render_report(report())
    page = Page(content)
    assert content.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert page.elements[0] == ("html", {"lang": "en"})
    assert [tag for tag, _ in page.elements if tag in ("title", "h1", "main")] == ["title", "h1", "main"]
    names = list(page.attributes("id"))
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["hare", HOSTILE])
def test_the_page_needs_nothing_from_outside_and_runs_nothing(name: str) -> None:
    page = Page(render_report(report(name)))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "svg"}
    assert not list(page.attributes("href"))
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.attributes("src"))
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on") or key == "style"]
    style = re.search(r"<style>(.*?)</style>", render_report(report(name)), flags=re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import|http", style[1])


def test_a_picture_on_the_page_is_a_whole_svg_that_loads_nothing() -> None:
    (source,) = Page(render_report(report(HOSTILE))).attributes("src")
    root = ElementTree.fromstring(base64.b64decode(source.partition(",")[2]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for element in root.iter():
        assert element.tag.rpartition("}")[2] not in ("script", "foreignObject", "image")
        links = [value for key, value in element.attrib.items() if key.rpartition("}")[2] == "href"]
        assert all(link.startswith("#") for link in links)


def test_a_hostile_name_is_printed_letter_by_letter() -> None:
    page = Page(render_report(report(HOSTILE)))
    shown = HOSTILE.replace("\x00", "�").replace("\udc80", "�")
    assert page.text.count(shown) >= 10
    assert [tag for tag, _ in page.elements].count("img") == 1


@pytest.mark.parametrize(
    "text",
    [
        "The neural ODE loses to hare.",
        "every year of hare",
        "Loss: loses to hare by 45 %",
        "Win: beats the mean by 72 %",
        "does not apply: hare",
        "trained on 1900-1914 of hare",
        "Warning: few values",
        "80 % 9.6 of 12 9 of 12",
        "legato fit hare",
        "sha256:00ff",
        "members 5",
        "legato 0.1",
        "rows 21",
        "hare 8.25",
    ],
)
def test_the_page_says(text: str) -> None:
    assert text in Page(render_report(report())).text


def test_the_model_is_bold_and_the_best_of_a_column_underlined() -> None:
    content = render_report(report())
    assert re.search(r'<tr class="ours"><th scope="row">neural ODE</th><td class="number">6.10</td>', content)
    assert re.findall(r'<span class="best">([^<]*)</span>', content) == ["4.20"]


def test_parts_that_are_empty_are_left_out() -> None:
    page = Page(render_report(Report(title="Nothing yet", summary="No model was fitted.")))
    assert page.text.replace("Nothing yet Nothing yet", "Nothing yet") == "Nothing yet No model was fitted."
    assert not [tag for tag, _ in page.elements if tag in ("section", "table", "img", "h2")]


def test_the_same_report_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, report())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_a_row_of_another_length_is_refused() -> None:
    table = ScoreTable(target="hare", measures=("RMSE", "MAE"), rows=(ScoreRow(name="mean", values=(1.0,)),))
    with pytest.raises(InputError, match="row 0 of the table of hare has 1 cells; expected 2"):
        render_report(report(scores=(table,)))


def test_a_report_without_jinja2_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"writing reports needs jinja2.*pip install 'legato\[plot\]'"):
        render_report(report())
