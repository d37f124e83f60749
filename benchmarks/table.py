"""Markdown tables made from a record, for the README and the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["origin", "render", "render_overhead", "render_ratios", "render_results", "table"]


def render(record: dict[str, Any], *, source: str = "") -> str:
    """Return a record as Markdown: where it was measured, times with errors, ratios, what a step costs.

    Arguments:
        record: as `load_record` reads it.
        source: the record's path, to be named.
    """
    parts = [origin(record, source)]
    for rules, heading in (
        ("equal", "Equal rules: dopri5, one step size, root mean square over everything, the same tolerances"),
        ("defaults", "Everything but the tolerances left to the library"),
    ):
        if any(result["rules"] == rules for result in record["results"]):
            parts.append(f"{heading} (milliseconds; in brackets the relative error, then evaluations or steps):")
            parts.append(render_results(record, rules))
    if record.get("ratios"):
        parts += ["How many times as long it takes (geometric mean over the three networks):", render_ratios(record)]
    if record.get("overhead"):
        parts += ["What an attempted step costs beside the field:", render_overhead(record)]
    return "\n\n".join(parts) + "\n"


def render_results(record: dict[str, Any], rules: str) -> str:
    """Return a row per contestant and a column per problem; the cell holds the median, the error and the effort.

    The error of a gradient's row is the gradient's own.
    """
    results = [result for result in record["results"] if result["rules"] == rules]
    contestants = list(dict.fromkeys(result["contestant"] for result in sorted(results, key=_by_mode)))
    problems = [facts for facts in record["problems"] if any(r["problem"] == facts["name"] for r in results)]
    clock = record["settings"]["clock"]
    cells = {(result["contestant"], result["problem"]): _cell(result, clock) for result in results}
    rows = [[name, *(cells.get((name, facts["name"]), "") for facts in problems)] for name in contestants]
    return table(["", *(_title(facts) for facts in problems)], rows)


def render_ratios(record: dict[str, Any]) -> str:
    """Return the ratios: each problem's with its quartiles, the geometric mean, and what was aimed at."""
    names = [facts["name"] for facts in record["problems"]]
    rows = []
    for ratio in record["ratios"]:
        cells = [_ratio(ratio["problems"].get(name)) for name in names]
        mean = ratio["geometric_mean"]
        goal = f"at least {ratio['least']:g}" if ratio["least"] else ""
        rows.append([f"{ratio['over']} / {ratio['under']}", *cells, "" if mean is None else f"**{mean:.2f}**", goal])
    return table(["", *names, "mean", "aim"], rows)


def render_overhead(record: dict[str, Any]) -> str:
    """Return microseconds a step beside the field."""
    rows = [
        [
            result["library"],
            f"{result['step_s']['median'] * 1e6:.0f} ({result['step_s']['low'] * 1e6:.0f}-"
            f"{result['step_s']['high'] * 1e6:.0f})",
            f"{result['field_s']['median'] * 1e6:.1f}",
            str(result["steps"]),
        ]
        for result in record["overhead"]
    ]
    return table(["", "us a step (quartiles)", "us a field evaluation", "steps"], rows)


def origin(record: dict[str, Any], source: str) -> str:
    """Return where and how a record was made."""
    machine, versions, settings = record["machine"], record["versions"], record["settings"]
    peers = ", ".join(f"{name} {versions[name]}" for name in ("torchdiffeq", "torchode", "diffrax") if name in versions)
    state = " with changes" if record["dirty"] else ""
    where = f"Record: `{source}`. " if source else ""
    load = f", load {machine['load'][0]:.1f}" if machine.get("load") else ""
    return (
        f"{where}Commit {(record['commit'] or 'unknown')[:7]}{state}, torch {versions.get('torch', '?')}, {peers}; "
        f"{machine['processor']}, {settings['threads']} thread(s) of {machine['cores']} cores{load}; medians of "
        f"{settings['rounds']} alternating rounds, {'processor' if settings['clock'] == 'cpu' else 'wall'} time."
    )


def _cell(result: dict[str, Any], clock: str) -> str:
    error = result["error"] if result["gradient_error"] is None else result["gradient_error"]
    effort = f"{result['evaluations']} ev." if result["evaluations"] else f"{result['steps']} steps"
    return f"{_milliseconds(result[f'{clock}_s']['median'])} ({error:.0e}, {effort})"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"


def _ratio(ratio: dict[str, float] | None) -> str:
    return "" if ratio is None else f"{ratio['value']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})"


def _title(facts: dict[str, Any]) -> str:
    return f"{facts['title']}; to t = {facts['t1']:g}, rtol {facts['rtol']:g}, atol {facts['atol']:g}"


def _by_mode(result: dict[str, Any]) -> bool:
    return bool(result["mode"] != "forward")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
