"""Makes the environment in `.venv`: torch first, then everything else, as constraints.txt pins it.

Runs with the machine's own Python before anything is installed. So it uses the standard library
alone, and no syntax that a Python too old for the course cannot read.
"""

import argparse
import hashlib
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST, NEWEST = (3, 11), (3, 12)

CPU_DISK_GB = 4
"""Free space that an environment with torch's CPU build takes, pip's temporary files included."""
CUDA_DISK_GB = 12
"""The same with the CUDA build, which pip chooses on Linux."""

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch publishes its CPU builds."""


def main(argv: "list[str] | None" = None) -> None:
    """Makes or renews the environment unless it is complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", choices=["default", "cpu"], default="default")
    parser.add_argument("--pins", choices=["constraints.txt", "none"], default="constraints.txt")
    args = parser.parse_args(argv)
    torch, versions = args.torch, args.pins
    venv = ROOT / ".venv"
    stamp = venv / "installed.json"
    before = json.loads(stamp.read_text()) if stamp.exists() else {}
    # a choice of torch holds for later commands, which need not repeat it
    torch = before.get("torch", "default") if torch == "default" else torch
    wanted = {"torch": torch, "folder": str(ROOT), "pins": pins()}
    if versions == "none":
        wanted["versions"] = "newest"
    complete = (venv / "bin" / "python").exists()
    if complete and before == wanted:
        return
    anew = not complete or any(
        before.get(key) != wanted.get(key) for key in ("torch", "folder", "versions")
    )
    if anew:
        check_python(sys.version_info, sys.executable)
        check_disk(torch, shutil.disk_usage(str(ROOT)).free)
    try:
        if stamp.exists():
            stamp.unlink()
        install(venv, torch, anew, pinned=versions != "none")
    except subprocess.CalledProcessError as error:
        sys.exit(
            "\nerror: the installation failed at\n  {}\nThe reason stands above; "
            "the next `make` begins the installation anew.".format(" ".join(error.cmd))
        )
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the next `make` begins the installation anew")
    stamp.write_text(json.dumps(wanted))


def install(venv: Path, torch: str, anew: bool, pinned: bool = True) -> None:
    """Installs everything, into a new environment or over the present one.

    Args:
        venv: Where the environment is.
        torch: "cpu" for the CPU build, "default" for what pip chooses.
        anew: Whether to make the environment first.
        pinned: Whether to install the exact versions of constraints.txt, not the newest.

    Raises:
        subprocess.CalledProcessError: If a step fails.
    """
    if anew:
        print("1/3 making .venv with Python " + platform.python_version(), flush=True)
        run([sys.executable, "-m", "venv", "--clear", venv])
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check"]
    pip += ["-c", "constraints.txt"] if pinned else []
    print("2/3 installing PyTorch, the longest download", flush=True)
    run(pip + (["--extra-index-url", CPU_INDEX] if torch == "cpu" else []) + ["torch"])
    print("3/3 installing everything else", flush=True)
    run([*pip, "-e", ".[book,dev]"])


def check_python(version: tuple, executable: str) -> None:
    """Exits with an explanation unless this Python can run the course."""
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        sys.exit(
            "error: the course needs Python 3.11 or 3.12, but {} is Python {}.{}.{}\n"
            "Install one of them and name it: make book PYTHON=python3.12".format(
                executable, *version[:3]
            )
        )
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            f"error: {executable} cannot make virtual environments\n"
            "On Debian and Ubuntu: apt install python3-venv"
        )


def check_disk(torch: str, free_bytes: int) -> None:
    """Exits with an explanation unless there is room for torch."""
    cuda = torch == "default" and platform.system() == "Linux"
    needed = CUDA_DISK_GB if cuda else CPU_DISK_GB
    if free_bytes < needed * 10**9:
        advice = "Make room"
        if cuda:
            advice += f", or choose the CPU build ({CPU_DISK_GB} GB): make book TORCH=cpu"
        sys.exit(
            f"error: PyTorch and the rest need {needed} GB of free disk space in {ROOT}, "
            f"but there are {free_bytes / 10**9:.1f} GB\n{advice}"
        )


def pins() -> str:
    """Digest of the files that say what is to be installed."""
    files = [ROOT / "constraints.txt", ROOT / "pyproject.toml"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def run(command: list) -> None:
    """Runs a command in the course's folder.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    subprocess.run([str(part) for part in command], cwd=str(ROOT), check=True)


if __name__ == "__main__":
    main()
