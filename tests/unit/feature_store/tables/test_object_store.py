"""The store on an S3-compatible server: commits by conditional put, and each trouble with the
server as a sentence.
"""

from __future__ import annotations

import re

import pytest

from deploy.local.processes import free_port
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.storage_errors import in_words
from feature_store.tables.store import FeatureStore
from tests.support.feature_stores import fill
from tests.support.object_store import ObjectStore


def test_the_server_keeps_what_is_there_when_a_second_writer_puts_the_same_commit(
    object_store: ObjectStore,
) -> None:
    bucket = object_store.new_bucket().removeprefix("s3:/")
    assert object_store.put(f"{bucket}/commit", b"first", If_None_Match="*") == 200
    assert object_store.put(f"{bucket}/commit", b"second", If_None_Match="*") == 412


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "the bucket does not exist on the server: make it"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:{port}"},
            "the object store's server does not answer",
        ),
        ({"AWS_ALLOW_HTTP": "false"}, "has no TLS, which is refused unless AWS_ALLOW_HTTP=true"),
    ],
)
def test_what_is_wrong_with_the_server_is_said_with_how_to_mend_it(
    object_store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    sentence: str,
) -> None:
    for name, value in ({**object_store.environment, **changes}).items():
        monkeypatch.setenv(name, value.format(port=free_port()))
    store = FeatureStore("s3://no-such-bucket/store")
    with pytest.raises(StoreError, match=re.escape(sentence)) as refusal:
        store.versions()
    assert "\x1b" not in str(refusal.value)


def test_writing_to_a_bucket_that_does_not_exist_is_refused_with_the_same_words(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="the bucket does not exist on the server: make it"):
        fill(FeatureStore("s3://no-such-bucket/store"))


def test_denied_access_full_disks_and_unknown_trouble_are_told_apart() -> None:
    assert "the server denies access" in in_words(
        OSError("Kernel error -> 403 Forbidden AccessDenied")
    )
    assert "there are no credentials" in in_words(
        OSError("PUT http://169.254.169.254/latest/api/token")
    )
    assert "the disk is full" in in_words(
        OSError("IO error: No space left on device (os error 28)")
    )
    assert (
        in_words(OSError("odd.\n  \x1b[31m↳\x1b[0m thing."))
        == "odd. thing. Check the store's disk or server"
    )
    assert len(in_words(OSError("x" * 5000))) < 350
