"""A patient unlike those that trained the model is found, however few features or patients there
are, and one like them is not.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.bundle.records import from_record, to_record
from models.combined.applicability import (
    Applicability,
    JointDistance,
    fit_joint_distance,
    one_percent_limit,
)
from models.errors import FeatureMismatchError, TrainingError


def drawn(n: int, p: int, seed: int, latent: int = 4) -> pd.DataFrame:
    """Features of patients of one kind: a few traits, and noise."""
    kind = np.random.default_rng(100 + p).normal(size=(latent, p))
    random = np.random.default_rng(seed)
    values = random.normal(size=(n, latent)) @ kind + 0.5 * random.normal(size=(n, p))
    return pd.DataFrame(
        50 + 7 * values,
        index=[f"p{row:04d}" for row in range(n)],
        columns=[f"gtv:{column:03d}" for column in range(p)],
    )


def fitted(table: pd.DataFrame, left_out: tuple[str, ...] = ()) -> JointDistance:
    found = fit_joint_distance("radiomics", table, left_out)
    assert found is not None
    return found


@pytest.mark.parametrize(("n", "p"), [(40, 6), (200, 25), (60, 300)])
def test_one_in_a_hundred_patients_of_the_same_kind_is_outside(n: int, p: int) -> None:
    shares = []
    for seed in range(6):
        distance = fitted(drawn(n, p, seed))
        others = distance.distances(drawn(500, p, 1000 + seed))
        shares.append((others > distance.limit).mean())
    assert np.mean(shares) < 0.025
    assert max(shares) < 0.06


def test_of_few_patients_the_limit_reaches_beyond_all_and_holds() -> None:
    shares = []
    for seed in range(10):
        distance = fitted(drawn(12, 5, seed))
        assert distance.limit >= distance.left_out[-1]
        shares.append((distance.distances(drawn(200, 5, 500 + seed)) > distance.limit).mean())
    assert np.mean(shares) < 0.03


def test_the_feature_that_is_a_million_is_named() -> None:
    table = drawn(80, 8, 1)
    distance = fitted(table)
    strange = table.iloc[[3]].copy()
    strange["gtv:005"] = 1e6
    (place,) = distance.places(strange)
    assert place.outside
    assert place.feature == "gtv:005"
    assert place.z_score > 1e3
    assert place.rank == 1 / 81
    assert "What stands out most is gtv:005" in place.sentence
    assert not distance.places(table.iloc[[3]])[0].outside


def test_values_that_are_usual_alone_and_never_together_are_found() -> None:
    random = np.random.default_rng(4)
    one = random.normal(size=200)
    table = pd.DataFrame(
        {"gtv:a": one, "gtv:b": one + 0.05 * random.normal(size=200)},
        index=[f"p{row:03d}" for row in range(200)],
    )
    distance = fitted(table)
    (place,) = distance.places(pd.DataFrame({"gtv:a": [1.5], "gtv:b": [-1.5]}))
    assert place.outside
    assert abs(place.z_score) < 2
    assert not distance.places(pd.DataFrame({"gtv:a": [1.5], "gtv:b": [1.5]}))[0].outside


def test_patients_whom_a_network_did_not_learn_from_say_how_far_others_lie() -> None:
    """Learnt patients lie close together, as a network's own do; new ones do not."""
    learnt, unseen = drawn(40, 20, 1), drawn(15, 20, 2)
    learnt.loc[:] = 50 + 0.1 * (learnt - 50)
    unseen.index = [f"q{row:03d}" for row in range(len(unseen))]
    both = pd.concat([learnt, unseen])
    apart = fitted(both, tuple(unseen.index))
    assert apart.left_out.size == len(unseen)
    np.testing.assert_allclose(apart.z_score.means, learnt.to_numpy().mean(axis=0))
    new = drawn(300, 20, 3)
    assert (apart.distances(new) > apart.limit).mean() < 0.03
    assert (fitted(learnt).distances(new) > fitted(learnt).limit).mean() > 0.9


def test_the_limit_is_counted_where_it_can_be() -> None:
    assert one_percent_limit(np.arange(1.0, 100.0)) == 99.0
    assert one_percent_limit(np.arange(1.0, 200.0)) == 198.0
    assert one_percent_limit(np.array([1.0, 2.0, 1.5])) > 2.0


def test_all_within_and_the_order_of_patients_do_not_matter() -> None:
    table = drawn(60, 6, 7)
    distance = fitted(table)
    again = fitted(table.iloc[::-1])
    assert to_record(distance) == to_record(again)
    applicability = Applicability((distance,))
    strange = table.copy()
    strange.iloc[5] = 1e6
    inside = applicability.inside(strange)
    assert not inside[5]
    assert inside.sum() >= 57
    alone = distance.distances(table.iloc[[2]])[0]
    assert distance.distances(table)[2] == alone
    assert from_record(Applicability, to_record(applicability)).inside(table).tolist() == (
        applicability.inside(table).tolist()
    )


def test_nothing_varies_or_nobody_is_left_out() -> None:
    table = drawn(10, 3, 1)
    table.loc[:] = 1.0
    assert fit_joint_distance("radiomics", table) is None
    assert fit_joint_distance("radiomics", drawn(10, 3, 1), ("p0003",)) is None


def test_what_cannot_be_a_distance_is_refused() -> None:
    distance = fitted(drawn(30, 4, 1))
    record = to_record(distance)
    with pytest.raises(TrainingError, match="not finite or not above 0"):
        from_record(JointDistance, {**record, "limit": 0.0})
    with pytest.raises(TrainingError, match="has loadings of shape"):
        from_record(JointDistance, {**record, "loadings": record["loadings"][:-1]})
    with pytest.raises(FeatureMismatchError, match="missing or infinite"):
        distance.distances(drawn(2, 4, 1) * np.nan)
