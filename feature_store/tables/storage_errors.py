"""What is wrong when files of the store cannot be read or written, in words: the disk, or the
object store's server.
"""

from __future__ import annotations

import re

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_KNOWN = (
    (
        r"NoSuchBucket",
        (
            "the bucket does not exist on the server: make it, or mend the store's location in the "
            "[features] table"
        ),
    ),
    (
        r"URL scheme is not allowed",
        (
            "the server's address has no TLS, which is refused unless AWS_ALLOW_HTTP=true is set "
            "in the environment"
        ),
    ),
    (
        r"169\.254\.169\.254|NoCredentials|InvalidToken",
        (
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the "
            "environment"
        ),
    ),
    (
        r"403 Forbidden|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|401 Unauthorized",
        (
            "the server denies access: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the "
            "rights to the bucket"
        ),
    ),
    (
        r"tcp connect error|dns error|error sending request|timed? ?out",
        (
            "the object store's server does not answer: check that it runs, and AWS_ENDPOINT_URL "
            "and AWS_REGION"
        ),
    ),
    (
        r"Data corruption|Parquet (argument )?error|[Ii]nvalid [Tt]hrift|[Ss]nappy|[Zz]std",
        (
            "the bytes of a file of rows were changed on the disk and cannot be read: restore the "
            "files from a back-up, which are written once and never changed"
        ),
    ),
    (
        r"task \d+ panicked",
        (
            "the library that reads its files gave up on one, most probably because bytes of it "
            "were changed on the disk: restore the files from a back-up, which are written once "
            "and never changed"
        ),
    ),
    (
        r"Not a directory|Invalid table location|Is a directory",
        (
            "something else lies in the place of its folder or of one of its files: move it away, "
            "and restore the folder from a back-up"
        ),
    ),
    (
        r"No table metadata or protocol",
        (
            "its log does not begin with what the table is: restore the folder _delta_log from a "
            "back-up, or have it made anew with `python -m flows store check --repair`"
        ),
    ),
    (
        r"Unsupported minimum (reader|writer) version|Unsupported.*(reader|writer) feature",
        (
            "its log asks for a newer Delta Lake than this release knows: run the release that "
            "wrote it, or restore the folder _delta_log from a back-up"
        ),
    ),
    (
        (
            r"while parsing|Json error|Invalid protocol action|not found in schema|"
            r"expected \S+ (?:or \S+ )?at line"
        ),
        (
            "what its log says of the table cannot be understood: restore the folder _delta_log "
            "from a back-up"
        ),
    ),
    (r"No space left on device", "the disk is full: make space"),
    (r"Permission denied", "the folder may not be written by this user: mend its rights"),
)
_LONGEST = 300
_STACK = re.compile(r" 0: (?:<unknown>|0x|std::|core::|\w+::).*")
_OF_THE_LIBRARY = re.compile(
    r"^(?:(?:Kernel error|Generic \w+ error|C Data interface error|External error|External|"
    r"Arrow error|Object at location \S+)\s*(?:->|:)?\s*)+"
)


def in_words(error: Exception) -> str:
    """Return what is wrong with the storage and how to mend it; unknown trouble in the library's
    own words.

    Parameters
    ----------
    error : Exception
        As `deltalake` or `pyarrow` raised it.
    """
    plain = _STACK.sub("", " ".join(_ANSI.sub("", str(error)).replace("↳", " ").split()))
    for pattern, words in _KNOWN:
        if re.search(pattern, plain):
            return words
    plain = _OF_THE_LIBRARY.sub("", plain) or plain
    cut = plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
    return f"{cut.rstrip('.')}. Check the store's disk or server"
