"""Waiting for the registry to change: a commit ends it at once, whoever's it is, and none is
missed.
"""

from __future__ import annotations

import threading
import time

from tests.support.intake_bench import Bench, ct_slice

LONG_S = 300.0


def _see_what_is_here(bench: Bench) -> None:
    """Wait until this thread has seen every commit so far."""
    bench.registry.wait_for_change(threading.Event(), 0.1)
    bench.registry.wait_for_change(threading.Event(), 0.1)


def test_a_commit_of_another_thread_ends_the_waiting(bench: Bench) -> None:
    is_ready = threading.Event()

    def wait() -> None:
        _see_what_is_here(bench)
        is_ready.set()
        bench.registry.wait_for_change(threading.Event(), LONG_S)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert is_ready.wait(30)
    bench.push(ct_slice(0))
    waiting.join(30)
    assert not waiting.is_alive()


def test_what_was_committed_before_the_waiting_began_is_not_missed(bench: Bench) -> None:
    _see_what_is_here(bench)
    bench.push(ct_slice(0))
    began = time.monotonic()
    bench.registry.wait_for_change(threading.Event(), LONG_S)
    assert time.monotonic() - began < LONG_S / 10


def test_without_a_commit_the_time_is_waited_out(bench: Bench) -> None:
    _see_what_is_here(bench)
    began = time.monotonic()
    bench.registry.wait_for_change(threading.Event(), 0.2)
    assert time.monotonic() - began >= 0.2


def test_whoever_is_told_to_stop_waits_no_more(bench: Bench) -> None:
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    bench.registry.wait_for_change(stop, LONG_S)
    assert time.monotonic() - began < LONG_S / 10
