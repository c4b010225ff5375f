"""Pure functions, one question a file: no report, no plot, no DICOM."""
