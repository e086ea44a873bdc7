"""The programmable logic of a PYNQ-Z2: everything between an overlay on the disk and a core that the runtime may drive.

Below the image's `pynq`, on the kernel's own interfaces; docs/decisions/pynq-backend.md says why. Every path lies under a root folder,
`/` on a board. PlRefusal says why there is no PL and what mends it."""

import os


class PlRefusal(Exception):
    """The PL cannot be used; the message names the thing and the mend."""


def at(root, path):
    """`path`, absolute on a board, under `root`."""
    return os.path.join(root, path.lstrip('/'))


def read_text(root, path, limit=65536):
    """The file's text, or '' where there is none; at most `limit` bytes of it."""
    try:
        with open(at(root, path), 'rb') as stream:
            return stream.read(limit).decode('utf-8', 'replace')
    except OSError:
        return ''
