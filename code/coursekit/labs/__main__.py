"""Makes a laboratory's data, or a bare page to work on it.

python -m coursekit.labs NAME FILE        writes the data NAME as a script
python -m coursekit.labs NAME --preview   writes a bare page below _build/labs/preview

Data comes from the function ``data(root)`` of `coursekit.labs.NAME`.
"""

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path

from coursekit.labs.publish import data_script, preview
from coursekit.project import CourseError, Project


def main() -> int:
    """Runs the command.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser("python -m coursekit.labs", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("file", type=Path, nargs="?", help="the script to write")
    parser.add_argument("--preview", action="store_true", help="write a bare page instead")
    parser.add_argument("--root", type=Path, help="the course's folder")
    args = parser.parse_args()
    try:
        root = Project.find(args.root).root
        if args.preview:
            print(preview(root, args.name, root / "_build/labs/preview"))
        elif args.file is None:
            parser.error("name the file to write, or ask for a --preview")
        else:
            _write_data(root, args.name, args.file)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _write_data(root: Path, name: str, file: Path) -> None:
    module = f"coursekit.labs.{name.replace('-', '_')}"
    maker = importlib.import_module(module) if importlib.util.find_spec(module) else None
    if maker is None or not hasattr(maker, "data"):
        file_name = f"code/{module.replace('.', '/')}.py"
        raise CourseError(f"there is no {file_name} with a function data(root)")
    made = maker.data(root)
    part = file.with_suffix(".part")  # an interrupted run must not leave half a script
    part.write_text(data_script(name, made), encoding="utf-8")
    part.rename(file)


if __name__ == "__main__":
    sys.exit(main())
