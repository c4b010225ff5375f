"""One installation for the tests of the portal: building it takes seconds, and they change
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.portal.users import User, hashed, write_users
from tests.support.portal_installations import PASSWORD, Shown, build


@pytest.fixture(scope="package")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """The installation, with a user of every centre, one of the first, and one without password."""
    found = build(tmp_path_factory.mktemp("portal") / "here")
    users = [
        User("anna", None, hashed(PASSWORD)),
        User("nora", ("north",), hashed(PASSWORD)),
        User("paul", ("north",), None),
    ]
    write_users(found.work.settings.portal_folder(), users)
    yield found
    found.work.registry.close()
