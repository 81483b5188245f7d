"""`coursekit audit`: looks at every page of the built site, and fails where a budget is exceeded.

Weight, requests to other hosts, accessibility, valid HTML, links, solutions that ought to be
withheld, width on the narrowest screen and speed on a slow phone: one line per page, one table.
`limits` holds the budgets, `files` what is found in the files, `view` what a browser finds,
`command` the rest.
"""

from coursekit.audit.command import audit, main
from coursekit.audit.limits import LIMITS, Limits, PageReport

__all__ = ["LIMITS", "Limits", "PageReport", "audit", "main"]
