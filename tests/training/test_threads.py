"""The threads of matrix products are given back, in whatever order they are taken."""

import gc
import linecache
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info

from skgd import MLPGD
from skgd._training import threads
from skgd._training.threads import OneBlasThread


def n_threads():
    import scipy.linalg  # noqa: F401  the BLAS that the kernels call

    return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]


@pytest.fixture
def two_threads():
    n_threads()
    controller = ThreadpoolController()
    limit = controller.limit(limits=2, user_api="blas")
    # Others may change it.
    with controller.limit(limits=None):
        pass
    if set(n_threads()) != {2}:
        pytest.skip("these libraries have one thread only")
    yield
    limit.restore_original_limits()


@pytest.mark.parametrize("leaves_first", [0, 1])
def test_limits_that_overlap(leaves_first, two_threads):
    entered = [threading.Event() for _ in range(2)]
    may_leave = [threading.Event() for _ in range(2)]

    def work(k):
        with OneBlasThread():
            entered[k].set()
            may_leave[k].wait(60)

    workers = [threading.Thread(target=work, args=[k]) for k in range(2)]
    for k in range(2):
        workers[k].start()
        assert entered[k].wait(60)
    for k in (leaves_first, 1 - leaves_first):
        # As long as one is inside.
        assert set(n_threads()) == {1}
        may_leave[k].set()
        workers[k].join()
    assert set(n_threads()) == {2}


def test_limits_inside_each_other_and_after_an_error(two_threads):
    with OneBlasThread(), OneBlasThread():
        assert set(n_threads()) == {1}
    with pytest.raises(ZeroDivisionError), OneBlasThread():
        1 / 0  # noqa: B018
    assert set(n_threads()) == {2}


# A line of the limit that Ctrl-C is to come before.
LINES = [
    "self._owner = threading.get_ident()",
    "self._limit.__enter__()",
    "self._inside.add(one)",
    "self._inside.discard(one)",
    "self._limit.__exit__(None, None, None)",
]


def pressing_before(text):
    """A trace function that raises KeyboardInterrupt before a line of the limit."""

    def trace(frame, event, argument):
        if frame.f_code.co_filename != threads.__file__:
            return None
        line = linecache.getline(threads.__file__, frame.f_lineno).strip()
        if event == "line" and line == text:
            raise KeyboardInterrupt
        return trace

    return trace


@pytest.mark.parametrize("line", LINES)
def test_ctrl_c_leaves_no_limit_for_ever(line, two_threads):
    before = sys.gettrace()
    sys.settrace(pressing_before(line))
    try:
        with pytest.raises(KeyboardInterrupt), OneBlasThread():
            pass
    finally:
        sys.settrace(before)
    gc.collect()  # what pytest.raises keeps of the call
    with OneBlasThread():
        assert set(n_threads()) == {1}
    assert set(n_threads()) == {2}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_at_the_same_time(two_threads):
    X = np.random.default_rng(0).standard_normal((200, 6))
    y = np.arange(200) % 3

    def fit(n_epochs):
        MLPGD(hidden_layer_sizes=(5,), max_iter=n_epochs, tol=None).fit(X, y)

    fit(1)
    for _ in range(3):
        workers = [threading.Thread(target=fit, args=[3 + k % 3]) for k in range(6)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        assert set(n_threads()) == {2}
