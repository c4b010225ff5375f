"""The graphs of metrics that Great Expectations makes of a suite, kept from table to table.

Of each expectation it works out which metrics of a table must be computed, in which order: the same
for every table, and half of what judging a study costs. What is computed, and what is concluded,
stays its own work on each table.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

_GRAPHS_OF = "_generate_metric_dependency_subgraphs_for_each_expectation_configuration"
Graphs = tuple[list[Any], list[Any], list[Any]]


class KeptGraphs:
    """The graphs of the suites that have been judged in this process.

    Parameters
    ----------
    most : int
        How many suites; when there are more, all are made anew.
    """

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._kept: dict[Hashable, Graphs] = {}

    def use_in(self, validator: Any, suite: Hashable) -> None:
        """Let a validator take the graphs of a suite from here, and leave them here.

        Parameters
        ----------
        validator : great_expectations.validator.validator.Validator
            It validates one table, and nothing but this suite.
        suite : hashable
            What names the suite and how its results are told.
        """
        make = getattr(validator, _GRAPHS_OF)
        key = suite, validator.active_batch_id

        def graphs(*args: Any, **kwargs: Any) -> Graphs:
            if key not in self._kept:
                made: Graphs = make(*args, **kwargs)
                if made[1]:  # an expectation that has no graph is told of each time
                    return made
                if len(self._kept) >= self._most:
                    self._kept.clear()
                self._kept[key] = made
            of_expectations, _, configurations = self._kept[key]
            # from the configurations it strikes out what could not be computed
            return of_expectations, [], list(configurations)

        setattr(validator, _GRAPHS_OF, graphs)
