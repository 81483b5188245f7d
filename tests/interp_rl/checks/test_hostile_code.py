"""Whatever a student's code does, the check answers and the notebook stays as it was."""

import builtins
import contextlib
import gc
import math
import os
import random
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch

from interp_rl.checks import framework, global_state, section3
from interp_rl.checks.framework import OUTPUT_LIMIT, Student, check, compare, show
from interp_rl.checks.time_limit import Overtime, time_limit

X = torch.tensor([1.0, 2.0, 3.0])


@check("9.9")
def check_double(fn: Student) -> None:
    compare(fn(X), 2 * X)
    compare(fn(X + 1), 2 * X + 2)


# ----- code that does not end


def for_ever(x):
    while True:
        pass


def asleep(x):
    time.sleep(1000)


def catches_exceptions(x):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.001)


def catches_everything(x):
    while True:
        try:  # noqa: SIM105  as students write it
            math.sqrt(2.0)
        except BaseException:
            pass


def catches_everything_asleep(x):
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(1)


def counts_for_ever(x):
    return sum(iter(int, 1))


def prints_for_ever(x):
    while True:
        print("." * 1000)


NEVER = (
    *(for_ever, asleep, catches_exceptions, catches_everything, catches_everything_asleep),
    prints_for_ever,
)


@pytest.fixture
def nothing_to_collect():
    """What is collected while code is interrupted could have pytest's own hook interrupted."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("nothing_to_collect")
@pytest.mark.parametrize("function", NEVER, ids=lambda function: function.__name__)
def test_code_that_never_ends_is_stopped(function, monkeypatch):
    monkeypatch.setattr(framework, "TIME_LIMIT", 0.2)
    started = time.monotonic()
    result = check_double(function)
    assert time.monotonic() - started < 8
    assert result.status == "failed"
    assert "stopped after 0.2 seconds" in result.message
    assert check_double(lambda x: 2 * x).passed, "the next check runs as ever"


def test_an_answer_whose_comparison_never_ends_is_stopped_too(monkeypatch):
    class Endless:
        def __repr__(self):
            return for_ever(self)

    monkeypatch.setattr(framework, "TIME_LIMIT", 0.2)
    assert "stopped" in check_double(lambda x: Endless()).message


def test_a_check_may_have_a_limit_of_its_own():
    @check("9.9", seconds=0.1)
    def check_quickly(fn):
        fn()

    assert "stopped after 0.1 seconds" in check_quickly(lambda: time.sleep(100)).message


def test_the_limit_also_holds_outside_the_main_thread(monkeypatch):
    monkeypatch.setattr(framework, "TIME_LIMIT", 0.2)
    results = []

    def work():
        results.append(check_double(for_ever))
        results.append(check_double(lambda x: 2 * x))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert "stopped" in results[0].message and results[1].passed


def test_somebody_elses_alarm_is_put_back():
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert check_double(lambda x: 2 * x).passed
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        time.sleep(0.5)
        assert rang == [1]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_code_in_time_is_not_disturbed():
    with time_limit(0.05):
        pass
    time.sleep(0.1)
    with pytest.raises(Overtime), time_limit(0.05):
        time.sleep(1)


# ----- output


def test_megabytes_of_output_are_cut(capsys):
    def talkative(x):
        for _ in range(2000):
            print("." * 10_000)
        sys.stdout.write("the end")
        return 2 * x

    result = check_double(talkative)
    assert result.passed
    assert len(result.printed) < OUTPUT_LIMIT + 60 and "40" in result.printed[-40:]
    assert capsys.readouterr() == ("", "")


def test_closing_or_replacing_the_output_breaks_nothing(capsys):
    def closes(x):
        sys.stdout.close()
        sys.stderr = None
        sys.stdout = None
        return 2 * x

    assert check_double(closes).passed
    print("still here")
    assert capsys.readouterr().out == "still here\n"


# ----- answers of the oddest kinds


class Raises:
    def __getattribute__(self, name):
        raise RuntimeError("no attributes")

    def __repr__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    def __hash__(self):
        raise RuntimeError("no hash")


class UnreadableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class UnreadableStubError(UnreadableError, NotImplementedError):
    pass


def raising(error):
    def function(x):
        raise error

    return function


ODD = {
    "raises without text": raising(UnreadableError()),
    "raises a stub's error without text": raising(
        type("E", (NotImplementedError, UnreadableError), {})()
    ),
    "raises a base exception": raising(BaseException("so")),
    "raises the end of a generator": raising(GeneratorExit()),
    "without attributes": lambda x: Raises(),
    "a class": lambda x: Raises,
    "a generator": lambda x: (2 * value for value in x),
    "a coroutine": lambda x: asyncio_coroutine(),
    "sparse": lambda x: (2 * x).to_sparse(),
    "complex": lambda x: 2j * x,
    "a tensor without data": lambda x: torch.empty(3, device="meta"),
    "all NaN": lambda x: x * float("nan"),
    "infinite": lambda x: x / 0,
    "huge": lambda x: torch.zeros(1).expand(10**9),
    "quantised": lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8),
    "nested": lambda x: torch.nested.nested_tensor([x, x[:1]]),
    "strings": lambda x: np.array(["a", "b"]),
    "objects": lambda x: np.array([Raises(), None], dtype=object),
    "itself": lambda x: check_double,
    "half precision of the wrong shape": lambda x: torch.zeros(2, dtype=torch.half),
    "no memory": lambda x: bytearray(1 << 62),
}


async def asyncio_coroutine():
    return 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ODD)
def test_every_odd_answer_fails_and_is_shown(kind):
    result = check_double(ODD[kind])
    assert result.status in ("failed", "not attempted")
    assert not result.passed
    assert len(repr(result)) < 3000 and result._repr_html_()


def test_values_without_text_can_be_shown():
    assert len(show(Raises())) < 250


# ----- global state


def seeds():
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)


def float64():
    torch.set_default_dtype(torch.float64)


def device():
    torch.set_default_device("meta")


def no_gradients():
    torch.set_grad_enabled(False)


def threads():
    torch.set_num_threads(torch.get_num_threads() + 1)


def deterministic():
    torch.use_deterministic_algorithms(True)


def folder():
    os.chdir("/")


def environment():
    os.environ.clear()
    os.environ["COURSE"] = "none"


def search_path():
    sys.path[:] = []


def recursion():
    sys.setrecursionlimit(300)


def numpy_errors():
    np.seterr(all="raise")


def warnings_are_errors():
    warnings.simplefilter("error")


def torch_functions():
    torch.allclose = torch.isclose = lambda *args, **options: torch.tensor(True)
    torch.as_tensor = None
    del torch.outer


def operators():
    torch.Tensor.__eq__ = torch.Tensor.equal = lambda self, other: torch.tensor(True)
    torch.Tensor.all = lambda self, *args: True
    torch.Tensor.double = lambda self: torch.zeros(())


def functional():
    torch.nn.functional.softmax = lambda *args, **options: X


def python():
    builtins.abs = builtins.max = builtins.sum = lambda *args: 0
    math.sqrt = lambda value: 0.0
    np.array_equal = lambda *args: True


STATE = (
    *(seeds, float64, device, no_gradients, threads, deterministic, folder, environment),
    *(search_path, recursion, numpy_errors, warnings_are_errors),
    *(torch_functions, operators, functional, python),
)


def snapshot():
    return {
        "random": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state().tolist(),
        "settings": [read() for read, _, _ in global_state._SETTINGS],
        "filters": list(warnings.filters),
        "functions": (torch.allclose, torch.isclose, torch.as_tensor, torch.zeros, np.array_equal),
        "operators": (torch.Tensor.__eq__, torch.Tensor.all, torch.Tensor.double),
        "python": (
            builtins.abs,
            builtins.max,
            builtins.sum,
            math.sqrt,
            torch.nn.functional.softmax,
        ),
        "class": set(vars(torch.Tensor)),
    }


@pytest.mark.parametrize("change", STATE, ids=lambda change: change.__name__)
@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_changes_of_global_state_are_undone_and_change_no_verdict(change, right):
    def student(x):
        answer = 2 * x if right else 3 * x
        change()
        return answer

    before = snapshot()
    result = check_double(student)
    after = snapshot()
    assert after == before
    assert result.passed is right, result


@pytest.mark.parametrize("change", STATE, ids=lambda change: change.__name__)
def test_what_a_notebook_has_set_before_stays_and_changes_no_verdict(change):
    """In a cell of their own, students may set what they like; the check does not mind."""
    with global_state.standard_state():
        change()
        here = snapshot()
        verdicts = check_double(lambda x: 2 * x).passed, check_double(lambda x: 3 * x).passed
        after = snapshot()
    assert verdicts == (True, False)
    assert after == here


def test_inference_mode_of_the_caller_does_not_reach_the_check():
    @check("9.9")
    def check_gradient(fn):
        compare(fn.gradient(X), torch.full((3,), 2.0))

    with torch.inference_mode():
        assert check_gradient(lambda x: (2 * x).sum()).passed
    with torch.no_grad():
        assert check_gradient(lambda x: (2 * x).sum()).passed


def test_a_loss_without_gradient_is_told():
    @check("9.9")
    def check_gradient(fn):
        fn.gradient(X)

    message = check_gradient(lambda x: (2 * x.detach()).sum()).message
    assert "cut off from `x`" in message


def test_a_folder_that_was_deleted_is_no_obstacle(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert check_double(lambda x: 2 * x).passed


def test_a_check_leaves_torch_without_a_default_device() -> None:
    """One that is set, even to the CPU, would send every later call through a mode."""
    section3.check_reward_to_go(torch.clone)
    assert torch.utils._device.CURRENT_DEVICE is None
