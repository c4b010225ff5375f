"""The short form of the studies of ``python -m tests.torture.geometry``: files of any encoding give
the voxels that were drawn, or the code of what is wrong.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.support.drawn_studies import DrawnStudy, studies
from tests.torture.drawn_study import check_study


@pytest.mark.slow
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
)
@given(studies())
def test_a_study_is_right_or_refused_with_a_code(drawn: DrawnStudy) -> None:
    with TemporaryDirectory() as folder:
        check_study(drawn, Path(folder))
