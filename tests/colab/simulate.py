"""Opens a student notebook as Colab would: a new environment and nothing but the file.

    python tests/colab/simulate.py 2-2-circuits-and-metrics --transcript tests/colab/transcript.txt

Colab brings its own torch, so the new environment has torch, matplotlib and ipykernel from the
start (borrowed from the environment that runs this) and nothing else. The notebook is run to its
end as it is, in an empty folder. Its first cell installs the course from the repository's address;
git is told to fetch a clone on this machine in its place, and pip fetches the rest from its index.
Afterwards torch must be what it was, every cell must have run, and the status cell must say that
nothing has been attempted.

It takes minutes and needs a network, so it is no test of the suite; its transcript is kept.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from coursekit.book import Book

ROOT = Path(__file__).resolve().parents[2]
COLABS_OWN = ("torch", "matplotlib", "ipykernel", "pip")
"""What Colab has and we borrow, with all that these need."""


def closure(names: tuple[str, ...]) -> Iterator[metadata.Distribution]:
    """Some installed packages and all that they need."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        yield found
        for line in found.requires or []:
            if "extra ==" not in line:
                waiting.append(re.match(r"[\w.-]+", line)[0])  # type: ignore[index]


def borrow(folder: Path) -> None:
    """Links the packages that Colab has into a folder."""
    folder.mkdir()
    for found in closure(COLABS_OWN):
        for file in found.files or []:
            top = file.parts[0]
            link = folder / top
            if top not in ("..", "__pycache__") and not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))).resolve())


def environment(scratch: Path) -> Path:
    """A new environment with Colab's packages; its Python."""
    venv.create(scratch / "venv", with_pip=False)
    borrow(scratch / "colab")
    python = scratch / "venv/bin/python"
    [packages] = (scratch / "venv/lib").glob("python*/site-packages")
    (packages / "colab.pth").write_text(f"{scratch / 'colab'}\n")
    kernel = scratch / "venv/share/jupyter/kernels/colab"
    kernel.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "Colab", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    return python


def facts(python: Path, folder: Path) -> dict[str, Any]:
    """What the environment has."""
    code = """
import importlib.metadata, importlib.util, json, torch
packages = {d.metadata['Name']: d.version for d in importlib.metadata.distributions()}
print(json.dumps({'torch': torch.__version__, 'at': torch.__file__, 'packages': packages,
                  'course': bool(importlib.util.find_spec('interp_rl'))}))
"""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(python), "-c", code], cwd=folder, env=clean, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def shown(cell: Any) -> str:
    """What a cell showed, as text."""
    outputs = cell.get("outputs", [])
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs)


def simulate(name: str, say: Any) -> None:
    """Runs one notebook; raises where anything is not as it should be."""
    book = Book(ROOT)
    with tempfile.TemporaryDirectory(prefix="colab-") as temporary:
        scratch = Path(temporary)
        clone, place = scratch / "clone.git", scratch / "content"
        place.mkdir()
        say("a clone of the repository, and a new environment with Colab's own packages")
        subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(clone)], check=True)
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        branch = ["git", "update-ref", f"refs/heads/{book.branch}", head]
        subprocess.run(branch, cwd=clone, check=True)
        python = environment(scratch)
        before = facts(python, place)
        assert not before["course"], "the new environment already has the course"
        say(f"torch {before['torch']}, {len(before['packages'])} packages, no interp_rl")

        source = ROOT / f"exercises/{name}/{name}.ipynb"
        notebook = nbformat.read(source, as_version=4)
        os.environ.update(
            PYTHONNOUSERSITE="1",
            JUPYTER_PATH=str(scratch / "venv/share/jupyter"),
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0=f"url.file://{clone}.insteadOf",
            GIT_CONFIG_VALUE_0=book.repository,
            OMP_NUM_THREADS="1",
        )
        for variable in ("PYTHONPATH", "VIRTUAL_ENV", "PIP_CONSTRAINT"):
            os.environ.pop(variable, None)
        where = {"metadata": {"path": str(place)}}
        client = NotebookClient(notebook, timeout=1800, kernel_name="colab", resources=where)
        started, setup_seconds = time.monotonic(), 0.0
        with client.setup_kernel():
            for number, cell in enumerate(notebook.cells):
                client.execute_cell(cell, number)
                if number == 0:
                    setup_seconds = time.monotonic() - started
                    say(f"first cell: the course installed in {setup_seconds:.0f} s")
        seconds = time.monotonic() - started - setup_seconds
        codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in codes), "a cell did not run"
        after = facts(python, place)
        new = sorted(set(after["packages"]) - set(before["packages"]))
        changed = sorted(
            package
            for package, version in before["packages"].items()
            if after["packages"].get(package) != version
        )
        assert after["course"], "the course is not installed"
        assert (after["torch"], after["at"]) == (before["torch"], before["at"]), "torch changed"
        say(f"torch is as it was; {len(new)} packages are new, changed: {changed or 'none'}")
        say(f"{len(codes)} code cells ran to the end in {seconds:.0f} s")
        for cell in codes:
            if "check" in cell.metadata.get("tags", []):
                assert "not attempted" in shown(cell), shown(cell)
                say(f"check: {shown(cell).strip().splitlines()[0]}")
        for line in shown(codes[-1]).strip().splitlines():
            say(f"status: {line}")
        again = nbformat.v4.new_notebook(cells=[nbformat.from_dict(codes[0])])
        started = time.monotonic()
        NotebookClient(again, timeout=600, kernel_name="colab", resources=where).execute()
        took = time.monotonic() - started
        assert not shown(again.cells[0]), shown(again.cells[0])
        say(f"the first cell again, in a new kernel: nothing to do ({took:.0f} s with the kernel)")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+")
    parser.add_argument("--transcript", type=Path)
    options = parser.parse_args()
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        print(text, flush=True)

    for name in options.notebooks:
        say(f"== exercises/{name}/{name}.ipynb")
        simulate(name, say)
    if options.transcript:
        options.transcript.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
