"""The sanity checks of the exercises, one module per section.

Each check takes the reader's answer and returns a `CheckResult`, which shows itself.
"""

from interp_rl.checks.framework import CheckResult

__all__ = ["CheckResult"]
