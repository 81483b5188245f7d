"""Prints the figures of the mutation suite at the end of the test run."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each exercise, and one for all."""
    mutants: dict[str, tuple[Any, ...]] = {}
    misconceptions: dict[str, int] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "mutants":
                    mutants[value[0]] = tuple(value[1:])
                elif name == "misconceptions":
                    misconceptions[value[0]] = value[1]
    if not mutants:
        return
    write = terminalreporter.write_line
    terminalreporter.section("wrong answers that the checks reject")
    write("exercise  mutants  rejected  equivalent  misconceptions  seconds")
    total = [0, 0, 0, 0, 0.0]
    for number, (made, rejected, equal, seconds) in sorted(mutants.items()):
        known = misconceptions.get(number, 0)
        row = (made, rejected, len(equal), known, seconds)
        total = [a + b for a, b in zip(total, row, strict=True)]
        write(f"{number:<8}  {made:7}  {rejected:8}  {len(equal):10}  {known:14}  {seconds:7.1f}")
        for change in equal:
            write(f"          equivalent: {change}")
    write("all       {:7}  {:8}  {:10}  {:14}  {:7.1f}".format(*total))
