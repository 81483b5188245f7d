"""The budgets of the site, and what is held against them."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """What a page may weigh and take; of everything else that is wrong none is allowed."""

    kilobytes: float = 250.0
    """first view of a page, compressed, without figures, in units of 1000 bytes"""
    search_kilobytes: float = 300.0
    """the page of search, which brings the index of all words"""
    lcp_seconds: float = 1.5
    """largest contentful paint on a mid-range phone with a slow 4G network, as `view` simulates"""


LIMITS = Limits()
"""The budgets of this course."""


@dataclass
class PageReport:
    """What was found on a page."""

    name: str
    """its path on the site"""
    size: int = 0
    """bytes that a browser loaded for its first view, figures left out"""
    lcp: float | None = None
    """seconds to the largest contentful paint; None where it is not measured"""
    foreign: list[str] = field(default_factory=list)
    """addresses on other hosts that were asked"""
    axe: list[str] = field(default_factory=list)
    """violations of WCAG 2 A and AA, in light and in dark"""
    html: list[str] = field(default_factory=list)
    """errors of the HTML validator"""
    links: list[str] = field(default_factory=list)
    """links to pages or places of the site that are not there"""
    leaks: list[str] = field(default_factory=list)
    """lines of solutions that ought to be withheld"""
    silent: list[str] = field(default_factory=list)
    """figures without a text for those who cannot see them, and plots without their data"""
    wide: list[str] = field(default_factory=list)
    """what reaches over the edge of a window of 320 pixels"""

    FINDINGS = ("foreign", "axe", "html", "links", "leaks", "silent", "wide")
    """Names of the lists above, as the table has them."""

    def problems(self, limits: Limits = LIMITS) -> Iterator[str]:
        """Say what exceeds the budgets.

        Args:
            limits: The budgets.

        Yields:
            A line for each problem, beginning with the page.
        """
        most = limits.search_kilobytes if self.name == "search.html" else limits.kilobytes
        if self.size > 1000 * most:
            size = f"{self.size / 1000:.0f} KB, more than {most:g} KB"
            yield f"{self.name}: weight: {size}"
        if self.lcp is not None and self.lcp > limits.lcp_seconds:
            lcp = f"{self.lcp:.2f} s, more than {limits.lcp_seconds:g} s"
            yield f"{self.name}: largest contentful paint: {lcp}"
        for name in self.FINDINGS:
            for finding in getattr(self, name):
                yield f"{self.name}: {name}: {finding}"
