"""Every DICOM object that is made: structured reports, encapsulated PDF, parametric map."""
