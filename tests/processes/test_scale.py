"""The arithmetic of the page "A million stacks" agrees with a simulation, and the page with the arithmetic."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.scale import MILLION, SMALL, Fleet, arithmetic, simulate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explain" / "scale.md"
TOLERANCE = 0.02  # of the time: a client looks for a minute whether the server's hour has begun


@pytest.mark.parametrize(
    ("fleet", "pages"),
    [
        (Fleet(stacks=600, users=2, workers=3, in_flight=2, quota=100), False),
        (Fleet(stacks=600, users=2, workers=3, in_flight=2, quota=100), True),
        (Fleet(stacks=2400, users=2, workers=2, in_flight=1, quota=16), True),
    ],
    ids=["stacks", "pages within the quota", "pages"],
)
async def test_simulation_agrees_with_the_arithmetic(fleet: Fleet, pages: bool) -> None:
    found = await simulate(fleet, pages=pages)
    requests = fleet.users * fleet.requests(pages=pages)
    assert found.seconds == pytest.approx(fleet.seconds(pages=pages), rel=TOLERANCE, abs=1.0)
    assert requests <= found.requests <= requests + found.throttled
    assert found.throttled <= requests / fleet.quota  # at most one in an hour of a user, to find out that it has begun
    assert fleet.users * fleet.trips(fleet.requests(pages=pages)) <= found.trips <= 2 * found.requests


def test_page_has_the_figures_of_the_arithmetic() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, value, _ in arithmetic():
        shown = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
        assert re.search(rf"(?<![\d.,]){re.escape(shown)}(?![\d]|[.,]\d)", text), name
    for workers in (3, 8, 1000):
        trips = Fleet(stacks=3000, workers=workers, share=2 * workers).trips(MILLION.quota)
        assert f"| {workers:,} | {trips:,.0f} |" in text
    expected = SMALL.users * SMALL.trips(SMALL.requests(pages=False))
    assert f"| {SMALL.seconds(pages=False):,.0f} s |" in text
    assert f"at least {expected:.0f} " in text
