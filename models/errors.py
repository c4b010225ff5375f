"""What can go wrong in this package.

::

    ModelError (Exception)
    ├── SurvivalDataError (ValueError)              days and events that cannot be survival data
    ├── TrainingError (ValueError)                  data from which no model can be fitted
    │   ├── NoFeatureSelectedError                  a selection step left nothing
    │   └── NotConvergedError (ArithmeticError)     an iteration did not reach its tolerance
    ├── FeatureMismatchError (ValueError)           features that are not those of the model
    ├── CombatError (ValueError)                    features of a centre that cannot be aligned
    ├── BackendError (RuntimeError)                 a Keras backend that is not there
    └── BundleError (RuntimeError)                  a frozen bundle that must not be used
"""

from __future__ import annotations


class ModelError(Exception):
    """Root of this package's errors; the message is a sentence for the person who has to mend
    it.
    """


class SurvivalDataError(ModelError, ValueError):
    """Survival times or events are not usable."""


class TrainingError(ModelError, ValueError):
    """The training data cannot give a model."""


class NoFeatureSelectedError(TrainingError):
    """A selection step left no feature.

    Parameters
    ----------
    message : str
        The sentence.
    block : str
        The feature block that is empty.
    """

    def __init__(self, message: str, block: str) -> None:
        super().__init__(message)
        self.block = block


class NotConvergedError(TrainingError, ArithmeticError):
    """An iteration ended without reaching its tolerance, so its result is not given out."""


class FeatureMismatchError(ModelError, ValueError):
    """The features offered are not the ones that the model was trained on.

    Parameters
    ----------
    message : str
        The sentence.
    columns : tuple of str
        The offending feature columns.
    """

    def __init__(self, message: str, columns: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.columns = columns


class CombatError(ModelError, ValueError):
    """A centre's features cannot be aligned with the training centre's."""


class BackendError(ModelError, RuntimeError):
    """The network cannot run on the backend that was asked for."""


class BundleError(ModelError, RuntimeError):
    """A frozen bundle is missing, foreign, changed or not the pinned one."""
