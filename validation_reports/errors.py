"""What can go wrong in this package.

::

    ValidationReportError
    +-- StructuredReportError (ValueError)   a DICOM object cannot be built or written
    +-- CohortError (ValueError)             the scores and outcomes of a centre do not fit together
    +-- ReportFormatError (ValueError)       a stored validation report cannot be read back
    +-- ReportNotWrittenError (OSError)      the disk does not take a validation report
    +-- PdfUnavailableError (OSError)        the system cannot lay a page out as PDF

A number that cannot be estimated is no error: it is a `NotEstimable` with its sentence, and stands
in the report.
"""

from __future__ import annotations


class ValidationReportError(Exception):
    """Base of every error of this package."""


class StructuredReportError(ValidationReportError, ValueError):
    """The structured report for one patient cannot be built or written from what was given."""


class CohortError(ValidationReportError, ValueError):
    """The scores and outcomes of a centre do not fit together."""


class ReportFormatError(ValidationReportError, ValueError):
    """A stored validation report cannot be read back."""


class ReportNotWrittenError(ValidationReportError, OSError):
    """The disk does not take a validation report; nothing of it is left there."""


class PdfUnavailableError(ValidationReportError, OSError):
    """The system lacks the library that lays a page out as PDF."""
