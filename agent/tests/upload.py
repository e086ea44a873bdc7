"""What a client of the store does, plainly."""

import hashlib
import json
import os

CODES = bytes(range(64))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def files_in(folder):
    """{name: bytes} of a package."""
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), 'rb') as stream:
            found[name] = stream.read()
    return found


def manifest_of(files):
    """The manifest as it is on the disk and as its hash counts."""
    rows = [{'bytes': len(data), 'name': name, 'sha256': sha256(data)} for name, data in sorted(files.items())]
    return json.dumps({'files': rows}, separators=(',', ':')).encode()


def state(agent, data):
    """(bytes there, whether whole)."""
    status, answer = agent.get('/v2/store/objects/' + sha256(data))
    assert status == 200, answer
    return answer['bytes'], answer['whole']


def put(agent, data, offset, chunk):
    """(status, answer); offset None: all bytes are there, verify them."""
    span = '*' if offset is None else '%d-%d' % (offset, offset + len(chunk) - 1)
    status, _, raw = agent.request('PUT', '/v2/store/objects/' + sha256(data), chunk,
                                   {'Content-Range': 'bytes %s/%d' % (span, len(data))})
    return status, json.loads(raw)


def send(agent, data, chunk):
    """Sends what is missing of a file; (200, …), or the answer that ended it."""
    offset, whole = state(agent, data)
    if whole and offset != len(data):  # damaged there
        offset, whole = 0, False
    while not whole:
        part = data[offset:offset + chunk]
        status, answer = put(agent, data, offset if part else None, part)
        if status != 200:
            return status, answer
        offset, whole = answer['bytes'], answer['whole']
    return 200, {}


def deploy(agent, name, files, chunk=1 << 20):
    """(status, answer) of the first request that is refused, or of the last; a damaged file is sent once more."""
    for _ in range(2):
        for data in files.values():
            status, answer = send(agent, data, chunk)
            if status != 200:
                return status, answer
        status, _, raw = agent.request('PUT', '/v2/store/models/' + name, manifest_of(files))
        if status != 409:
            break
    return status, json.loads(raw)


def listing(store):
    """What the store's folder holds, with the names of objects proven."""
    objects = os.path.join(store, 'objects')
    names = sorted(os.listdir(objects))
    for name in names:
        with open(os.path.join(objects, name), 'rb') as stream:
            assert sha256(stream.read()) == name
    assert sorted(os.listdir(store)) == ['incoming', 'lock', 'models', 'objects']
    return {'objects': names, 'models': files_in(os.path.join(store, 'models')), 'incoming': sorted(os.listdir(os.path.join(store, 'incoming')))}
