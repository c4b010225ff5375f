"""The demonstration: synthetic centres whose patients exist nowhere, as DICOM files that any PACS
takes.
"""
