"""The walls around a student's code, in the process that runs it.

Where the kernel lets us (Linux, as root or with user namespaces), the process gets namespaces of
its own: no network, the whole file system read-only but for its own folder (in memory, and gone
afterwards), the other submissions out of sight, no other process to stop, and no privileges with
which to change that. Elsewhere a guard in Python refuses network, other programs and writing
outside of its own folder; it stops accidents and plain attempts, not somebody who knows Python.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Walls = Literal["namespaces", "guard"]
"""What holds a student's code."""

MEGABYTE = 1 << 20

PATIENCE = 4.0
"""Seconds by the wall's clock for each second that the processor may take."""

_NEW_NS, _NEW_UTS, _NEW_IPC = 0x20000, 0x4000000, 0x8000000
_NEW_USER, _NEW_PID, _NEW_NET = 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_SETATTR = -100, 0x8000, 442
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


@dataclass(frozen=True)
class Limits:
    """What a student's code may use, for each exercise."""

    seconds: float = 20.0
    """time of the processor; by the wall's clock `PATIENCE` times as much, for busy machines"""
    memory_mb: int = 1500
    """memory beyond what the grader itself has loaded"""
    files_mb: int = 64
    """size of a file, and of all files together"""
    processes: int = 32
    """processes at a time"""


class WallsError(RuntimeError):
    """The kernel does not let us build the walls that were asked for."""


def enter(walls: Walls, folder: Path, hidden: Sequence[Path], limits: Limits) -> None:
    """Puts this process behind walls, for good.

    With namespaces the process that returns is a new one; the caller's process waits for it and
    ends with it.

    Args:
        walls: What to build.
        folder: An empty folder, which becomes the current one and the only one to write to.
        hidden: Files and folders that are to look empty; with the guard they stay readable.
        limits: What the code may use.

    Raises:
        WallsError: If the kernel refuses the namespaces.
    """
    _die_with_parent()
    if walls == "namespaces":
        _namespaces()
        _enter_new_process()
        _mounts(folder, hidden, limits)
    os.chdir(folder)
    os.environ.update(HOME=str(folder), TMPDIR=str(folder), MPLCONFIGDIR=str(folder))
    _set_limits(limits)
    if walls == "namespaces":
        _drop_privileges()
    else:
        sys.addaudithook(_guard(folder))


def available() -> Walls:
    """Tries the namespaces in a process of its own.

    Returns:
        "namespaces" if the kernel gives them, otherwise "guard".
    """
    import tempfile

    if not sys.platform.startswith("linux"):
        return "guard"
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            try:
                os.close(2)
                enter("namespaces", Path(folder), [], Limits())
                (Path(folder) / "file").write_text("written")
                os._exit(0)
            except BaseException:
                os._exit(1)
        return "namespaces" if os.waitpid(child, 0)[1] == 0 else "guard"


_libc = ctypes.CDLL(None, use_errno=True)


def _call(function: Callable[..., int], *arguments: Any) -> None:
    if function(*arguments) < 0:
        number = ctypes.get_errno()
        raise WallsError(f"{function.__name__}: {os.strerror(number)}")


def _die_with_parent() -> None:
    if sys.platform.startswith("linux"):
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _namespaces() -> None:
    kinds = _NEW_NS | _NEW_UTS | _NEW_IPC | _NEW_PID | _NEW_NET
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _call(_libc.unshare, kinds)
        return
    _call(_libc.unshare, kinds | _NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _enter_new_process() -> None:
    """Goes on in the first process of the new namespace; with it all others there end."""
    child = os.fork()
    if child == 0:
        _die_with_parent()
        return
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


class _Attributes(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")
    )


def _set_attributes(path: str, *, on: int = 0, off: int = 0, below: bool = False) -> None:
    attributes = _Attributes(on, off, 0, 0)
    _call(
        _libc.syscall,
        *(_MOUNT_SETATTR, _AT_FDCWD, path.encode(), _AT_RECURSIVE if below else 0),
        *(ctypes.byref(attributes), ctypes.sizeof(attributes)),
    )


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    _call(
        _libc.mount,
        *(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()),
    )


def _mounts(folder: Path, hidden: Sequence[Path], limits: Limits) -> None:
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    for path in hidden:
        if path.is_dir():
            _mount("tmpfs", str(path), "tmpfs", _MS_NOSUID | _MS_NODEV, "size=4k")
        elif path.exists():
            _mount("/dev/null", str(path), "", _MS_BIND)
    devices = [device for device in _DEVICES if Path(device).exists()]
    for device in devices:
        _mount(device, device, "", _MS_BIND)
    as_root = os.getuid() == 0  # who could open the disks themselves
    _set_attributes("/", on=_ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV * as_root, below=True)
    for device in devices if as_root else ():
        _set_attributes(device, off=_ATTR_NODEV)
    size = f"size={limits.files_mb}m,mode=700"
    _mount("tmpfs", str(folder), "tmpfs", _MS_NOSUID | _MS_NODEV, size)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def _drop_privileges() -> None:
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header, nothing = _Header(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _call(_libc.capset, ctypes.byref(header), ctypes.byref(nothing))
    _call(_libc.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _set_limits(limits: Limits) -> None:
    seconds = int(limits.seconds) + 2
    most = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: limits.files_mb * MEGABYTE,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
    }
    statm = Path("/proc/self/statm")
    if statm.exists():
        loaded = int(statm.read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        most[resource.RLIMIT_AS] = loaded + limits.memory_mb * MEGABYTE
    for kind, value in most.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


_REFUSED = (
    *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"),
    *("socket.gethostbyname", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"),
    *("os.fork", "os.forkpty", "os.kill", "os.killpg", "pty.spawn", "signal.pthread_kill"),
)

_CHANGING = (
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.truncate"),
    *("os.link", "os.symlink", "os.utime", "shutil.rmtree", "shutil.move", "shutil.chown"),
)


def _guard(folder: Path) -> Callable[[str, tuple[Any, ...]], None]:
    own = os.path.realpath(folder) + os.sep

    def inside(path: Any) -> bool:
        return isinstance(path, int) or (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(
            own
        )

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REFUSED:
            raise PermissionError(f"the grader refuses {event}")
        if event == "open":
            path, _, flags = arguments[:3]
            writes = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writes and not inside(path) and str(path) != os.devnull:
                raise PermissionError(f"the grader refuses to write to {path}")
        elif event in _CHANGING:
            paths = [part for part in arguments[:2] if isinstance(part, str | bytes | os.PathLike)]
            if not all(map(inside, paths)):
                raise PermissionError(f"the grader refuses {event} outside of its folder")

    return watch
