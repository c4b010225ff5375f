"""The DICOM node: receives, keeps and sends DICOM, and knows when a study is complete."""
