"""Writes the pages of the reference, one for each public module of `interp_rl`.

Run it after adding or removing a module: ``python -m coursekit.sphinx_ext.reference_pages``
"""

from pathlib import Path

from coursekit.project import Project
from coursekit.sphinx_ext.public_names import modules

PACKAGE = "interp_rl"
"""The package the reference documents; the page of the package itself is written by hand."""

PAGE = """\
# `{module}`

```{{eval-rst}}
.. automodule:: {module}
{contents}```
"""

OF_A_PACKAGE = """\
   :no-members:

.. package-contents:: {module}
"""


def pages() -> dict[str, str]:
    """Name and content of each page."""
    every = modules(PACKAGE)
    written = {}
    for module in every:
        is_package = any(other.startswith(f"{module}.") for other in every)
        contents = OF_A_PACKAGE.format(module=module) if is_package else ""
        written[f"{module}.md"] = PAGE.format(module=module, contents=contents)
    del written[f"{PACKAGE}.md"]
    return written


def write(folder: Path) -> None:
    """Write the pages into ``folder`` and remove those of modules that are gone."""
    written = pages()
    for old in folder.glob(f"{PACKAGE}.*.md"):
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Project.find().root / "book/api")
