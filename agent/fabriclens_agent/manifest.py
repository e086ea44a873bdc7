"""What a package in the store is made of: names, sizes and hashes of its files. The SHA-256 of the manifest identifies the package."""

import hashlib
import json
import re
from collections import namedtuple

from .packages import NAME

SHA256 = re.compile(r'[0-9a-f]{64}\Z')
FILES = 16
FILE_BYTES = 512 << 20

File = namedtuple('File', 'name bytes sha256')


class Manifest:
    """files: of File, sorted by name. text: its one form, JSON in ASCII without blanks, keys sorted."""

    def __init__(self, files):
        self.files = sorted(files)
        self.text = json.dumps(self.describe(), sort_keys=True, separators=(',', ':')).encode('ascii')
        self.sha256 = hashlib.sha256(self.text).hexdigest()

    def describe(self):
        return {'files': [file._asdict() for file in self.files]}

    def file(self, name):
        return next((file for file in self.files if file.name == name), None)


def parse_manifest(value):
    """A Manifest of parsed JSON from anywhere; raises ValueError."""
    rows = value.get('files') if isinstance(value, dict) and set(value) == {'files'} else None
    if not isinstance(rows, list) or not 1 <= len(rows) <= FILES:
        raise ValueError('a manifest is {"files": […]} of 1 to %d files' % FILES)
    files = []
    for row in rows:
        if not isinstance(row, dict) or set(row) != set(File._fields):
            raise ValueError('a file of a manifest is {"name", "bytes", "sha256"}')
        file = File(**row)
        if not isinstance(file.name, str) or not NAME.match(file.name):
            raise ValueError('%.100r is no name for a file of a package: letters, digits, . _ and -' % (file.name,))
        if not isinstance(file.sha256, str) or not SHA256.match(file.sha256):
            raise ValueError('%s: sha256 is not 64 lower-case hexadecimal digits' % file.name)
        if type(file.bytes) is not int or not 1 <= file.bytes <= FILE_BYTES:
            raise ValueError('%s: bytes is not a number from 1 to %d' % (file.name, FILE_BYTES))
        files.append(file)
    if len({file.name for file in files}) < len(files):
        raise ValueError('two files of a manifest have one name')
    return Manifest(files)


def read_manifest(raw):
    """A Manifest of the bytes that were its text; raises ValueError."""
    try:
        manifest = parse_manifest(json.loads(raw.decode('ascii')))
    except RecursionError:
        raise ValueError('it is nested too deeply')
    if manifest.text != raw:
        raise ValueError('it is not written as the agent writes one')
    return manifest
