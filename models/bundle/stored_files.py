"""Files of a frozen bundle: what the manifest says of each, and its bytes when somebody wants them.

The network is by far the largest part of a bundle, and whoever scores with one engine has no use
for the other's file: what is not used stays on the disk.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from models.errors import BundleError
from models.network.weights import NetworkWeights, named_weights
from models.wording import counted


@dataclass(frozen=True)
class BundleFile:
    """A file as the manifest lists it.

    Parameters
    ----------
    folder : Path
        The bundle.
    name : str
        The file in it.
    size : int
        In bytes.
    digest : str
        SHA-256, lowercase hexadecimal.
    """

    folder: Path
    name: str
    size: int
    digest: str

    @classmethod
    def listed(cls, folder: Path, name: str, entry: object) -> BundleFile:
        """Take a file's entry of the manifest.

        Raises
        ------
        BundleError
            If it gives no size and digest.
        """
        match entry:
            case {"size": int(size), "sha256": str(digest)}:
                return cls(folder, name, size, digest)
        raise BundleError(
            f"The manifest of {folder.name} gives no size and SHA-256 of {name}: freeze the "
            "bundle again."
        )

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.folder / self.name

    def read(self) -> bytes:
        """Return the file's bytes, verified each time.

        Raises
        ------
        BundleError
            If they are not what the manifest lists.
        """
        content = read(self.folder, self.name)
        self._compare(len(content), sha256(content))
        return content

    def verify(self) -> None:
        """Read the file in pieces, none of which is kept, and hold it against the manifest.

        Raises
        ------
        BundleError
            If it is not what the manifest lists.
        """
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
        except OSError as error:
            raise _unreadable(self.folder, self.name, error) from error
        self._compare(size, digest)

    def _compare(self, size: int, digest: str) -> None:
        if (size, digest) != (self.size, self.digest):
            raise BundleError(
                f"The file {self.name} of the bundle in {self.folder.name} was changed after "
                f"freezing: {counted(size, 'byte')} found, {self.size} listed, "
                f"SHA-256 {digest[:12]} found, {self.digest[:12]} listed; put the original back."
            )


@dataclass(frozen=True)
class StoredNetwork:
    """A trained network whose weights lie in a bundle.

    Parameters
    ----------
    file : BundleFile
        Its npz file.
    digest : str
        `NetworkWeights.digest` of the weights.
    squeeze_excitation : bool
        Whether the network has its SE modules.
    """

    file: BundleFile
    digest: str
    squeeze_excitation: bool

    @classmethod
    def of(cls, file: BundleFile) -> StoredNetwork:
        """Check the weights in a file, and keep what names them.

        Raises
        ------
        BundleError
            If the file is not what the manifest lists, or holds no usable weights.
        """
        try:
            with file.path.open("rb") as opened:
                return cls(file, *named_weights(opened))
        except OSError as error:
            raise _unreadable(file.folder, file.name, error) from error
        finally:
            file.verify()  # what was read there is what the manifest lists

    def weights(self) -> NetworkWeights:
        """Read the weights.

        Raises
        ------
        BundleError
            If the file is no longer what the manifest lists.
        """
        return NetworkWeights.from_npz(self.file.read())


def read(folder: Path, name: str) -> bytes:
    """Return the bytes of a file of a bundle, not verified.

    Raises
    ------
    BundleError
        If it cannot be read.
    """
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise _unreadable(folder, name, error) from error


def _unreadable(folder: Path, name: str, error: OSError) -> BundleError:
    return BundleError(
        f"The bundle folder {folder.name} has no readable {name} ({error.strerror}): copy the "
        "whole bundle."
    )


def sha256(content: bytes) -> str:
    """Return the SHA-256 digest of bytes, lowercase hexadecimal."""
    return hashlib.sha256(content).hexdigest()
