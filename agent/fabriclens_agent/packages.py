"""A model package on disk (src/contract/model.ts): the part of it that a board executes, checked before use."""

import hashlib
import json
import os
import re
import struct
from collections import namedtuple

from .errors import PackageError

NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z')
METADATA_BYTES = 32 << 20  # heat-map weights of a large classifier are most of it
PROGRAM_BYTES = 256 << 20

# program: the bytes of program.bin, whose SHA-256 is `sha256`; int8_sha256: of the model.int8.onnx it was compiled from.
Package = namedtuple('Package', 'name version program sha256 int8_sha256 input_name input_shape scale zero_point')


def package_folders(roots):
    """Names of the folders of `roots` that hold a metadata.json, sorted."""
    try:
        entries = {name for root in roots for name in os.listdir(root) if _is_package(root, name)}
    except OSError as error:
        raise PackageError('model folder cannot be read: %s' % error)
    return sorted(entries)


def _is_package(root, name):
    return NAME.match(name) is not None and os.path.isfile(os.path.join(root, name, 'metadata.json'))


def find_package(roots, name):
    """The Folder of package `name` in the first of the folders `roots` that holds one."""
    return Folder(next((root for root in roots if _is_package(root, name)), roots[0]), name)


class Folder:
    """A package that is the folder `name` of `root`. read() as the store's packages have it."""

    def __init__(self, root, name):
        self._root = root
        self._name = name

    def read(self, file, limit):
        """The bytes of `file`, at most `limit`. Raises PackageError."""
        if not NAME.match(self._name) or not os.path.isdir(os.path.join(self._root, self._name)):
            raise PackageError('no model package %r in the model folder; put one there or correct the name' % self._name)
        return _read(self._root, self._name, file, limit)


def read_package(source, name):
    """The package `name`, whose files are read from `source` (a Folder, or the store's). Raises PackageError, which names the file
    and the mend."""
    metadata = _read_metadata(source, name)
    try:
        ours = metadata['fabriclens']
        tensor = ours['input']
        hashes = ours['sha256']
        declared = _text(ours['name'])
        version = _text(metadata['version'])
        int8_sha256 = _text(hashes['model.int8.onnx'])
        input_name = _text(tensor['name'])
        input_shape = tuple(int(extent) for extent in tensor['shape'])
        scale = struct.unpack('<f', struct.pack('<f', tensor['scale']))[0]
        zero_point = int(tensor['zeroPoint'])
        expected = hashes.get('program.bin')
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise PackageError('%s/metadata.json is not a FabricLens model package: %s is missing or of the wrong type; '
                           'restore the package or write it anew' % (name, error))
    if declared != name:
        raise PackageError('%s/metadata.json names the model %r: folder and fabriclens.name must be equal; rename one' %
                           (name, declared))
    if expected is None:
        raise PackageError('%s/metadata.json lists no program.bin: the model is not compiled for the board yet; '
                           'compile it' % name)
    program = source.read('program.bin', PROGRAM_BYTES)
    sha256 = hashlib.sha256(program).hexdigest()
    if sha256 != expected:
        raise PackageError('%s/program.bin is corrupt: its SHA-256 is %s, metadata.json says %s; restore the file or '
                           'compile the model again' % (name, sha256, str(expected)[:64]))
    return Package(name, version, program, sha256, int8_sha256, input_name, input_shape, scale, zero_point)


def check_program(package, program):
    """The program must be the one that the package's metadata describes; raises PackageError."""
    def refuse(what):
        raise PackageError('%s/program.bin does not belong to this package: %s; compile the model again' %
                           (package.name, what))
    if program.model_sha256 != package.int8_sha256:
        refuse('it was compiled from a model.int8.onnx of SHA-256 %s, metadata.json says %s' %
               (program.model_sha256, package.int8_sha256))
    if len(program.inputs) != 1:
        refuse('it has %d inputs, metadata.json describes one' % len(program.inputs))
    tensor = program.inputs[0]
    if (tensor.name, tensor.shape) != (package.input_name, package.input_shape):
        refuse('its input is %r of shape %s, metadata.json says %r of shape %s' %
               (tensor.name, list(tensor.shape), package.input_name, list(package.input_shape)))
    if (tensor.scale, tensor.zero_point) != (package.scale, package.zero_point):
        refuse('its input is quantised by scale %r and zero point %d, metadata.json says %r and %d' %
               (tensor.scale, tensor.zero_point, package.scale, package.zero_point))


def _text(value):
    if not isinstance(value, str):
        raise TypeError('%r' % (value,))
    return value


def _read_metadata(source, name):
    try:
        metadata = json.loads(source.read('metadata.json', METADATA_BYTES).decode('utf-8'))
    except (ValueError, RecursionError) as error:
        raise PackageError('%s/metadata.json is not JSON: %s; restore the file' % (name, error))
    if not isinstance(metadata, dict):
        raise PackageError('%s/metadata.json is not a JSON object; restore the file' % name)
    return metadata


def _read(root, name, file, limit):
    path = os.path.realpath(os.path.join(root, name, file))
    if os.path.commonpath([path, os.path.realpath(root)]) != os.path.realpath(root):
        raise PackageError('%s/%s is a link to outside of the model folder; copy the file there instead' % (name, file))
    if os.path.exists(path) and not os.path.isfile(path):  # opening a pipe would wait for its other end
        raise PackageError('%s/%s is not a regular file; restore it' % (name, file))
    try:
        with open(path, 'rb') as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError:
        raise PackageError('%s/%s is absent; restore the file or compile the model again' % (name, file))
    except OSError as error:
        raise PackageError('%s/%s cannot be read: %s' % (name, file, error.strerror))
    if len(data) > limit:
        raise too_large(name, file, limit)
    return data


def too_large(name, file, limit):
    return PackageError('%s/%s is larger than %d MiB, the most this agent takes' % (name, file, limit >> 20))
