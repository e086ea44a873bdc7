"""Model packages that came over the network, kept by content. A full disk, a kill or a power cut at any moment leaves every model
as it was before or as it was to be, and nothing that stays for ever.

    objects/SHA256        files of packages, whole and verified; gone when no package names them
    models/NAME           the manifest of the package that model NAME is now: names, sizes and hashes of its files
    incoming/SHA256       whole and verified, of no package yet
    incoming/SHA256.part  the beginning of a file that is being sent
    lock                  held while an agent runs

Bytes and names are on the disk (fsync of file and folder) before a step that relies on them; a model changes by one rename.
docs/decisions/agent-store.md says what that was tried against.
"""

import contextlib
import errno
import hashlib
import os
import threading
import time

from .errors import PackageError, RequestError, busy
from .manifest import SHA256, read_manifest
from .packages import NAME, too_large

PENDING_FILES = 64
PENDING_BYTES = 1 << 30
ABANDONED_S = 600.0  # an upload that nobody went on with for so long makes room for another
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StoreError(Exception):
    """The folder cannot be a store; the message names the mend."""


class DamagedFile(PackageError):
    """A whole file is not what it was any more; `sha256` names it."""

    def __init__(self, sha256):
        super().__init__('the file of SHA-256 %s has changed on the disk; deploy the model again' % sha256)
        self.sha256 = sha256


class StoredPackage:
    """The package that a manifest describes, under a model's name."""

    def __init__(self, store, name, manifest):
        self._store = store
        self._name = name
        self._manifest = manifest

    def read(self, file, limit):
        """The bytes of `file`, at most `limit`. Raises PackageError."""
        entry = self._manifest.file(file)
        if entry is None:
            raise PackageError('%s/%s is absent from the package; deploy it with that file' % (self._name, file))
        if entry.bytes > limit:
            raise too_large(self._name, file, limit)
        data = self._store.read(entry)
        if data is None:
            raise PackageError('%s/%s is not in the store; deploy the model again' % (self._name, file))
        return data


class Store:
    """folder: made where absent. reserve_bytes: of the disk, left free. Every method may be called from any thread and raises
    RequestError: 409 what is there is not what the request presumes, 422 wrong bytes, 507 no room, 503 too many uploads at once."""

    def __init__(self, folder, reserve_bytes):
        self.folder = folder
        self.reserve_bytes = reserve_bytes
        self._objects = os.path.join(folder, 'objects')
        self._models = os.path.join(folder, 'models')
        self._incoming = os.path.join(folder, 'incoming')
        self._changing = threading.Lock()
        self._touched = {}  # SHA-256 of an upload -> time.monotonic() when its client was last seen
        if os.name != 'posix':
            raise StoreError('a store needs a POSIX system; leave --store out')
        try:
            for each in (folder, self._objects, self._models, self._incoming):
                if not os.path.isdir(each):
                    os.mkdir(each, 0o700)
                    _sync(os.path.dirname(os.path.abspath(each)))
            self._held = _hold(os.path.join(folder, 'lock'))
            self._settle()
        except OSError as error:
            raise StoreError('store folder %s cannot be used: %s; correct --store or its rights' % (folder, error.strerror))

    def names(self):
        """Models that have a package here, sorted."""
        try:
            return sorted(name for name in os.listdir(self._models) if NAME.match(name))
        except OSError as error:
            raise PackageError('the store cannot be read: %s' % error.strerror)

    def manifest(self, name):
        """The Manifest of model `name`, or None. Raises PackageError where it is damaged."""
        if not NAME.match(name):
            return None
        try:
            with open(os.path.join(self._models, name), 'rb') as stream:
                return read_manifest(stream.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PackageError('%s: its manifest in the store cannot be read: %s' % (name, error.strerror))
        except ValueError as error:
            raise PackageError('%s: its manifest in the store is damaged (%s); deploy the model again' % (name, error))

    def state(self, sha256):
        """(bytes of that file that are here, whether it is whole)."""
        with self._changing, _answering():
            if sha256 in self._touched:
                self._touched[sha256] = time.monotonic()
            return self._state(sha256)

    def append(self, sha256, offset, total, data):
        """Puts `data` at `offset` of the file of `total` bytes with that hash; the file's last byte, or no data when all are here,
        verifies it. Returns the state."""
        with self._changing, _answering():
            have, whole = self._state(sha256)
            if whole and (have == total or self._sound(sha256)):
                return have, True
            if whole or have > total:
                self._discard(sha256)
                have = 0
            if offset != have:
                raise RequestError(409, '%d bytes of this file are here; go on from there' % have)
            self._make_room(sha256, total - offset)
            self._touched[sha256] = time.monotonic()
            self._write(sha256, offset, data)
            if offset + len(data) < total:
                return offset + len(data), False
            self._verify(sha256)
            return total, True

    def package(self, name):
        """The StoredPackage of model `name`, or None. Raises PackageError."""
        manifest = self.manifest(name)
        return manifest and StoredPackage(self, name, manifest)

    def read(self, file):
        """The bytes of a File of a manifest, or None where it is not here whole. Raises DamagedFile."""
        for path in (self._object(file.sha256), self._whole(file.sha256)):
            try:
                with open(path, 'rb') as stream:
                    data = stream.read(file.bytes + 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise PackageError('the store cannot be read: %s' % error.strerror)
            if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
                raise DamagedFile(file.sha256)
            return data
        return None

    def missing(self, manifest):
        """Those of its files that are not here whole."""
        with self._changing, _answering():
            return [file for file in manifest.files if self._state(file.sha256) != (file.bytes, True)]

    def commit(self, name, manifest):
        """From now on, also after a restart, model `name` is this package; after an error it is this one or still the one before."""
        with self._changing, _answering():
            try:
                for file in manifest.files:
                    if not os.path.exists(self._object(file.sha256)):
                        os.link(self._whole(file.sha256), self._object(file.sha256))
                _sync(self._objects)
                self._switch(name, manifest.text)
            except FileNotFoundError:
                raise RequestError(409, 'a file of the package was dropped meanwhile, as others needed the room; send it again')
            finally:
                self._settle()

    def discard(self, sha256):
        """Away with a damaged file, so that it can be sent again."""
        with self._changing, _answering():
            self._discard(sha256)

    def remove(self, name):
        """Model `name` has no package here any more; False where it had none."""
        with self._changing, _answering():
            try:
                os.unlink(os.path.join(self._models, name))
            except FileNotFoundError:
                return False
            self._settle()
            return True

    def room(self):
        """(bytes free on the disk for packages, bytes of uploads that are of no package yet)."""
        with self._changing, _answering():
            return max(0, self._free() - self.reserve_bytes), sum(size for size, _ in self._pending().values())

    def _state(self, sha256):
        for path, whole in ((self._object(sha256), True), (self._whole(sha256), True), (self._part(sha256), False)):
            try:
                return os.stat(path).st_size, whole
            except FileNotFoundError:
                pass
        return 0, False

    def _object(self, sha256):
        return os.path.join(self._objects, sha256)

    def _whole(self, sha256):
        return os.path.join(self._incoming, sha256)

    def _part(self, sha256):
        return os.path.join(self._incoming, sha256 + '.part')

    def _write(self, sha256, offset, data):
        part = self._part(sha256)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
                if offset == 0:
                    _sync(self._incoming)
            except OSError:
                _take_back(descriptor, part, offset)
                raise
        finally:
            os.close(descriptor)

    def _verify(self, sha256):
        part = self._part(sha256)
        found = _digest(part)
        if found != sha256:
            self._discard(sha256)
            raise RequestError(422, 'the bytes are those of SHA-256 %s, not %s; they were thrown away, send the file from its '
                               'beginning' % (found, sha256))
        os.rename(part, self._whole(sha256))
        _sync(self._incoming)

    def _switch(self, name, text):
        temporary = os.path.join(self._models, '.%s.tmp' % name)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            _write_all(descriptor, text)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, os.path.join(self._models, name))

    def _pending(self):
        """{SHA-256: (bytes, when it was written by the clock of the disk)} of uploads."""
        found = {}
        for name in os.listdir(self._incoming):
            status = os.stat(os.path.join(self._incoming, name))
            found[name.partition('.')[0]] = (status.st_size, status.st_mtime_ns)
        return found

    def _free(self):
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def _make_room(self, sha256, wanted):
        """For `wanted` more bytes of an upload: drops abandoned ones, the oldest first."""
        while True:
            others = self._pending()
            others.pop(sha256, None)
            held = sum(size for size, _ in others.values())
            free = self._free()
            crowded = len(others) >= PENDING_FILES or held + wanted > PENDING_BYTES
            if wanted == 0 or not crowded and free - wanted >= self.reserve_bytes:
                return
            lately = time.monotonic() - ABANDONED_S
            abandoned = [other for other in others if self._touched.get(other, lately) <= lately]
            if abandoned:
                self._drop(min(abandoned, key=lambda other: others[other][1]))
            elif crowded:
                raise busy('%d other files of %d MiB are being sent already; try again later' % (len(others), held >> 20), 10)
            else:
                raise RequestError(507, 'the disk is full: %d more bytes are needed, %d are free and %d of them stay free; remove '
                                   'models or other files from it' % (wanted, free, self.reserve_bytes))

    def _sound(self, sha256):
        """Whether a whole file is still what it was."""
        path = self._object(sha256)
        return _digest(path if os.path.exists(path) else self._whole(sha256)) == sha256

    def _drop(self, sha256):
        self._touched.pop(sha256, None)
        _unlink(self._part(sha256), self._whole(sha256))

    def _discard(self, sha256):
        self._drop(sha256)
        _unlink(self._object(sha256))

    def _settle(self):
        """The manifests as they are now are on the disk, and after that what none of them names is removed: the other way round
        a power cut could bring back a manifest whose files are gone."""
        _sync(self._models)
        with contextlib.suppress(OSError):  # what cannot be removed now is at the next start
            self._sweep()

    def _sweep(self):
        """Removes what no package needs and no upload goes on with."""
        for name in os.listdir(self._models):
            if not NAME.match(name):
                os.unlink(os.path.join(self._models, name))
        try:
            named = {file.sha256 for name in self.names() for file in self.manifest(name).files}
        except PackageError:
            return  # nobody knows what a damaged manifest named
        for name in os.listdir(self._objects):
            if name not in named:
                os.unlink(self._object(name))
        for name in os.listdir(self._incoming):
            sha256, dot, suffix = name.partition('.')
            if sha256 in named or not SHA256.match(sha256) or dot + suffix not in ('', '.part'):
                os.unlink(os.path.join(self._incoming, name))
                self._touched.pop(sha256, None)


def _hold(path):
    """Two agents would sweep away each other's files. Released by the system when the process ends, however it ends."""
    import fcntl  # not on Windows
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError('store folder %s is used by another agent; stop that one or name another folder' % os.path.dirname(path))
    return descriptor


def _digest(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as stream:
        for block in iter(lambda: stream.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def _sync(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]


def _unlink(*paths):
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _take_back(descriptor, part, offset):
    """The part as it was before a write that failed; gone where even that fails."""
    try:
        if offset > 0:
            os.ftruncate(descriptor, offset)
            return
    except OSError:
        pass
    os.unlink(part)


@contextlib.contextmanager
def _answering():
    """An error of the disk becomes an answer; the HTTP server takes other OSErrors for a client that left."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise RequestError(507, 'the store is full (%s); remove models or other files from that disk' % error.strerror)
        raise RequestError(500, 'the store cannot be written (%s); look at the disk' % error.strerror)
