"""STOW-RS (PS3.18 section 10.5): the other door of the archive, for centres that send over
HTTPS.
"""

from typing import Final

PATH: Final = "/dicom-web/studies"
"""Where instances are posted; a study's UID may follow."""
