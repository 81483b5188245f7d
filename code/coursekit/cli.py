"""The command `coursekit`; a subcommand is `main` of the module with its name."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from coursekit.project import CourseError

COMMANDS = {
    "build": "execute the chapters that changed and build the site",
    "serve": "show the built site in a browser on this machine",
    "notebooks": "write the student notebooks from the chapters",
    "handouts": "set the assignment as PDF, with and without solutions",
    "doctor": "say what is missing before this edition can be published",
    "links": "follow every link to another site",
    "grade": "grade a folder of notebooks that students handed in",
    "autograder": "write a Gradescope zip for each notebook, through Otter-Grader",
    "prose": "check the chapters' prose",
    "budgets": "print what pages and exercises take, beside their budgets",
    "audit": "look at every page of the built site, and hold it against its budgets",
    "screenshots": "photograph the built pages, wide and narrow, light and dark",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand.

    Args:
        argv: Arguments; those of the process if left out.

    Returns:
        The exit status.
    """
    listing = "\n".join(f"  {name:<11} {does}" for name, does in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "coursekit",
        description=f"Publishes the course.\n\ncommands:\n{listing}",
        epilog="`coursekit COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    try:
        return importlib.import_module(f"coursekit.{args.command}").main(args.arguments) or 0
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what is finished is kept, run it again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
