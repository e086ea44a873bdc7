"""Routes of our extension fabriclens_store: files in chunks, a package of them in a model's place, and what there is."""

import contextlib
import re

from . import oip
from .errors import PackageError, RequestError
from .http_messages import json_response
from .http_server import Route
from .manifest import FILE_BYTES, SHA256, parse_manifest
from .packages import NAME
from .store import DamagedFile, StoredPackage

CHUNK_BYTES = 4 << 20
MANIFEST_BYTES = 16 << 10
_RANGE = re.compile(r'bytes (?:(\d{1,15})-(\d{1,15})|\*)/(\d{1,15})\Z', re.ASCII)


class Uploads:
    def __init__(self, store, repository):
        self._store = store
        self._repository = repository

    def route(self, head, path):
        """The Route of `path`, the segments behind v2/store; RequestError 404 or 405."""
        if path == []:
            return self._by_method(head, {'GET': Route(self._describe)})
        if len(path) == 2 and path[0] == 'objects' and SHA256.match(path[1]):
            return self._by_method(head, {'GET': Route(lambda exchange: _state(*self._store.state(path[1]))),
                                          'PUT': Route(lambda exchange: self._append(exchange, path[1]), CHUNK_BYTES, True)})
        if len(path) == 2 and path[0] == 'models' and NAME.match(path[1]):
            return self._by_method(head, {'PUT': Route(lambda exchange: self._activate(exchange, path[1]), MANIFEST_BYTES, True),
                                          'DELETE': Route(lambda exchange: self._remove(path[1]))})
        raise RequestError(404, 'no such path in /v2/store')

    @staticmethod
    def _by_method(head, routes):
        route = routes.get('GET' if head.method == 'HEAD' else head.method)
        if route is None:
            raise RequestError(405, 'use %s here' % ' or '.join(routes), (('Allow', ', '.join(routes)),))
        return route

    def _describe(self, exchange):
        free, pending = self._store.room()
        rows = []
        try:
            names = self._store.names()
        except PackageError as error:
            raise RequestError(500, str(error))
        for name in names:
            with contextlib.suppress(PackageError):  # the repository's index says what is wrong with it
                manifest = self._store.manifest(name)
                if manifest:
                    rows.append(dict(manifest.describe(), name=name, package=manifest.sha256))
        return json_response({'chunk_bytes': CHUNK_BYTES, 'free_bytes': free, 'pending_bytes': pending, 'models': rows})

    def _append(self, exchange, sha256):
        offset, total = _range(exchange.head.headers.get('content-range', ''), len(exchange.body))
        return _state(*self._store.append(sha256, offset, total, exchange.body))

    def _activate(self, exchange, name):
        try:
            manifest = parse_manifest(oip.parse_json(exchange.body, 'the body'))
        except ValueError as error:
            raise RequestError(400, str(error))
        missing = self._store.missing(manifest)
        if missing:
            raise RequestError(409, 'not here whole, and of the size that the manifest says: %s; send them first' %
                               ', '.join(file.name for file in missing))
        try:
            self._repository.replace(name, StoredPackage(self._store, name, manifest), lambda: self._store.commit(name, manifest))
        except DamagedFile as error:
            self._store.discard(error.sha256)
            raise RequestError(409, str(error))
        except PackageError as error:
            raise RequestError(400, str(error))
        return json_response({'name': name, 'package': manifest.sha256})

    def _remove(self, name):
        self._repository.withdraw(name, lambda: self._store.remove(name))
        return json_response({'name': name})


def _state(count, whole):
    return json_response({'bytes': count, 'whole': whole})


def _range(text, length):
    """(offset, total) of Content-Range: `bytes FIRST-LAST/TOTAL`, or `bytes */TOTAL` with no body where every byte is sent."""
    match = _RANGE.match(text)
    if not match:
        raise RequestError(400, 'Content-Range must be bytes FIRST-LAST/TOTAL, or bytes */TOTAL with an empty body')
    total = int(match.group(3))
    if not 1 <= total <= FILE_BYTES:
        raise RequestError(413, 'a file of %d bytes is not taken: from 1 to %d' % (total, FILE_BYTES))
    if match.group(1) is None:
        if length:
            raise RequestError(400, 'Content-Range: bytes */TOTAL goes with an empty body')
        return total, total
    first, last = int(match.group(1)), int(match.group(2))
    if last - first + 1 != length or length == 0 or last >= total:
        raise RequestError(400, 'Content-Range %s does not fit a body of %d bytes' % (text, length))
    return first, total
