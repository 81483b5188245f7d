"""Which solutions are left out of the site: all, or those of some sections, for good or to a date.

The setting `course_solutions`, below `sphinx: config:` in `_config.yml`, says which:

    course_solutions: shown                  all solutions are shown (the default)
    course_solutions: withheld               none is
    course_solutions: {2: withheld, 3: 2027-02-01}
                                             none of section 2; those of section 3 from that day on
"""

import datetime
from collections.abc import Mapping
from typing import Any

SETTING = "course_solutions"
SHOWN, WITHHELD = "shown", "withheld"


class Withholding:
    """Which sections' solutions are withheld on a day.

    Args:
        setting: The value of `course_solutions`.
        today: The day the site is built.

    Raises:
        ValueError: If the setting is not one that the module's docstring lists.
    """

    def __init__(self, setting: Any, today: datetime.date) -> None:
        self.today = today
        self._everywhere: datetime.date | bool = False
        self._sections: dict[str, datetime.date | bool] = {}
        if isinstance(setting, Mapping):
            self._sections = {
                _section(name): _until(value, f"section {name}") for name, value in setting.items()
            }
        else:
            self._everywhere = _until(setting, "all sections")

    def until(self, number: str) -> datetime.date | bool:
        """Until when the solution of an exercise is withheld.

        Args:
            number: The exercise's number, such as "2.2a".

        Returns:
            False if it is shown, True if it is withheld without a date, else the day from which
            it is shown.
        """
        section = number.partition(".")[0]
        return self._in_force(self._sections.get(section, self._everywhere))

    @property
    def withheld(self) -> list[str]:
        """What is withheld, in words that change whenever the site would."""
        each = {"all": self._everywhere, **self._sections}
        return sorted(
            f"{name}: {'for good' if until is True else until}"
            for name, until in each.items()
            if self._in_force(until) is not False
        )

    def _in_force(self, until: datetime.date | bool) -> datetime.date | bool:
        is_over = isinstance(until, datetime.date) and until <= self.today
        return False if is_over else until


def withholding(config: Mapping[str, Any], today: datetime.date | None = None) -> Withholding:
    """Reads the setting from what `_config.yml` holds.

    Args:
        config: The file's content.
        today: The day of the build; the present one (UTC) if left out.

    Returns:
        What is withheld.

    Raises:
        ValueError: If the setting cannot be understood.
    """
    settings = (config.get("sphinx") or {}).get("config") or {}
    return Withholding(settings.get(SETTING, SHOWN), today or today_utc())


def today_utc() -> datetime.date:
    """The day it is in UTC, which is what a build on any machine goes by."""
    return datetime.datetime.now(datetime.UTC).date()


def _section(name: object) -> str:
    if not str(name).isdecimal():
        raise ValueError(f"{name!r} is no section; write its number, such as 2")
    return str(name)


def _until(value: object, where: str) -> datetime.date | bool:
    """False for shown, True for withheld, else the day from which it is shown."""
    if value in (SHOWN, WITHHELD):
        return value == WITHHELD
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(
            f"{value!r} for {where} is none of: {SHOWN}, {WITHHELD}, a date such as 2027-02-01"
        ) from None
