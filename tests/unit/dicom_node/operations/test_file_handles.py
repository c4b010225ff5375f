"""The process may open what its settings need, or says so at its start."""

from __future__ import annotations

import resource

import pytest

from dicom_node.operations.file_handles import budget, reserve


def test_more_than_the_system_allows_is_a_sentence_and_what_it_allows_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = [(100, 400)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
    reserve(90)
    assert limits == [(100, 400)]
    reserve(300)
    assert limits[-1] == (300, 400)
    with pytest.raises(ValueError, match="may need 401 open files at once"):
        reserve(401)


def test_every_connection_has_a_handle_for_its_object_too() -> None:
    assert budget(36, 56, 3) - budget(0, 0, 0) == 2 * (36 + 56 + 3)
