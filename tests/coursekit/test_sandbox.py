"""The walls hold: what the book for instructors promises, tried from inside."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coursekit.grading.sandbox import Limits, Walls, available, enter

LIMITS = Limits(seconds=5, memory_mb=300, files_mb=2)


def inside(
    walls: Walls, folder: Path, hidden: list[Path], attempt: Callable[[], Any]
) -> tuple[Any, int]:
    """What an attempt gives in a process behind walls, and how the process ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            enter(walls, folder, hidden, LIMITS)
            try:
                said = attempt()
            except BaseException as error:
                said = type(error).__name__
            os.write(writing, json.dumps(said).encode())
        finally:
            os._exit(0)
    os.close(writing)
    data = b""
    while part := os.read(reading, 65536):
        data += part
    os.close(reading)
    return json.loads(data) if data else None, os.waitpid(child, 0)[1]


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Path]:
    folders = {name: tmp_path / name for name in ("own", "others", "files")}
    for folder in folders.values():
        folder.mkdir()
    (folders["others"] / "homework.ipynb").write_text("somebody else's")
    (folders["files"] / "seed").write_text("secret")
    return folders


both = pytest.mark.parametrize("walls", ["namespaces", "guard"])


@pytest.fixture(autouse=True)
def possible(request: pytest.FixtureRequest) -> None:
    params = getattr(request.node, "callspec", None)
    if params and params.params.get("walls") == "guard":
        return
    if available() != "namespaces":
        pytest.skip("the kernel gives no namespaces here")


@both
def test_the_own_folder_can_be_written_to_and_no_other(
    walls: Walls, place: dict[str, Path]
) -> None:
    home = Path.home() / "new-file-of-a-test"  # before the walls give another home

    def attempt() -> list[str]:
        Path("mine.txt").write_text("x")
        done = [Path("mine.txt").read_text(), str(Path.cwd() == place["own"])]
        for path in (place["files"] / "new", Path("/tmp/new"), Path(__file__), home):
            try:
                with path.open("a"):
                    done.append(f"wrote {path}")
            except OSError:
                done.append("refused")
        return done

    said, _ = inside(walls, place["own"], [], attempt)
    assert said == ["x", "True", *["refused"] * 4]
    assert not (place["files"] / "new").exists()


@both
def test_nothing_outside_can_be_deleted(walls: Walls, place: dict[str, Path]) -> None:
    def attempt() -> list[str]:
        done = []
        for act in (
            lambda: (place["files"] / "seed").unlink(),
            lambda: os.rename(place["files"], place["files"].with_name("gone")),  # noqa: PTH104
            lambda: (place["files"] / "folder").mkdir(),
            lambda: os.chmod(place["files"] / "seed", 0),  # noqa: PTH101
        ):
            try:
                act()
                done.append("done")
            except OSError:
                done.append("refused")
        return done

    said, _ = inside(walls, place["own"], [], attempt)
    assert said == ["refused"] * 4
    assert (place["files"] / "seed").read_text() == "secret"


@both
def test_there_is_no_network(walls: Walls, place: dict[str, Path]) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    address = server.getsockname()

    def attempt() -> str:
        socket.create_connection(address, timeout=2)
        return "connected"

    said, _ = inside(walls, place["own"], [], attempt)
    assert said in ("OSError", "PermissionError", "ConnectionRefusedError")
    server.close()


def test_hidden_files_look_empty(place: dict[str, Path]) -> None:
    hidden = [place["others"], place["files"] / "seed"]

    def attempt() -> list[Any]:
        try:
            seed = (place["files"] / "seed").read_text()
        except PermissionError:
            seed = ""
        return [os.listdir(place["others"]), seed]  # noqa: PTH208

    assert inside("namespaces", place["own"], hidden, attempt)[0] == [[], ""]


def test_walls_cannot_be_taken_down(place: dict[str, Path]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def attempt() -> list[int]:
        remount = libc.mount(b"none", b"/", b"", ctypes.c_ulong(32 | 4096), None)
        mount = libc.mount(
            b"tmpfs", str(place["files"]).encode(), b"tmpfs", ctypes.c_ulong(0), None
        )
        umount = libc.umount2(str(place["own"]).encode(), 2)
        libc.unshare(0x10000000 | 0x20000)  # perhaps: with it come rights, but not over our mounts
        again = libc.mount(b"none", b"/", b"", ctypes.c_ulong(32 | 4096), None)
        try:
            (place["files"] / "new").write_text("x")
            return [0]
        except OSError:
            return [remount, mount, umount, again]

    said, _ = inside("namespaces", place["own"], [place["others"]], attempt)
    assert said == [-1, -1, -1, -1]


def test_other_processes_are_out_of_reach(place: dict[str, Path]) -> None:
    victim = subprocess.Popen(["sleep", "60"])

    def attempt() -> list[str]:
        done = []
        for number in (victim.pid, os.getppid() or 1, -1):
            try:
                os.kill(number, signal.SIGTERM if number != 1 else 0)
                done.append("sent")
            except OSError:
                done.append("refused")
        return done

    try:
        said, _ = inside("namespaces", place["own"], [], attempt)
        assert said[0] == "refused"
        time.sleep(0.2)
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_what_a_process_starts_ends_with_it(place: dict[str, Path]) -> None:
    def attempt() -> str:
        if os.fork() == 0:
            os.setsid()
            while True:
                time.sleep(1)
        return "left one behind"

    said, _ = inside("namespaces", place["own"], [], attempt)
    assert said == "left one behind"  # and `inside` has returned: nobody holds the pipe any more


@both
def test_memory_and_files_have_limits(walls: Walls, place: dict[str, Path]) -> None:
    def memory() -> str:
        kept = []
        while True:
            kept.append(bytearray(10**7))

    def disk() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with Path("big").open("wb") as file:
            for _ in range(100):
                file.write(bytes(10**5))
        return "written"

    assert inside(walls, place["own"], [], memory)[0] == "MemoryError"
    assert inside(walls, place["own"], [], disk)[0] == "OSError"


@both
def test_devices_and_reading_work_as_ever(walls: Walls, place: dict[str, Path]) -> None:
    def attempt() -> list[Any]:
        with open(os.devnull, "w") as nothing:  # noqa: PTH123
            nothing.write("x")
        return [len(os.urandom(4)), "def inside" in Path(__file__).read_text()]

    assert inside(walls, place["own"], [], attempt)[0] == [4, True]
