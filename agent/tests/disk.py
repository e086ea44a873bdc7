"""What a disk may hold after a power cut, by the steps that were done (tests/faults.py) and what was synchronised among them.

A file system promises that bytes survive once their file was synchronised, and names once their folder was, and that a rename is done or not
done. Of all else each write and each making, renaming and removing may have reached the disk or not, each for itself: a journalling
file system keeps more of an order, so that what is right here is right there."""

import os


class File:
    def __init__(self):
        self.safe = b''
        self.since = []  # (offset, bytes), or the length that it was cut to

    def content(self, survives):
        """survives(): whether the next unsynchronised write did; a lost one that a later one lies behind reads as zeros."""
        data = bytearray(self.safe)
        for change in self.since:
            if not survives():
                continue
            if isinstance(change, int):
                del data[change:]
                continue
            offset, written = change
            data.extend(bytes(max(0, offset - len(data))))
            data[offset:offset + len(written)] = written
        return bytes(data)


class Disk:
    """apply() the steps one after another; after_cut() at any time."""

    def __init__(self, root):
        self._root = root
        self._names = {}  # path -> File, as the running process sees it
        self._safe = {}  # path -> File, by synchronised folders
        self._since = {}  # folder -> [{path: File or None}], a change each, since it was synchronised
        self._folders = {root}
        self._safe[root] = self._names[root] = File()

    def _change(self, names):
        self._since.setdefault(os.path.dirname(next(iter(names))), []).append(names)
        _carry_out(self._names, names)

    def apply(self, step, path, *more):
        if step == 'mkdir':
            self._folders.add(path)
            if path != self._root:  # that one is in the hands of whoever started the agent
                self._change({path: File()})
        elif step == 'create':
            if path not in self._names:
                self._change({path: File()})
            elif more:
                self._names[path].since.append(0)
        elif step == 'write':
            self._names[path].since.append((int(more[0]), bytes.fromhex(more[1])))
        elif step == 'truncate':
            self._names[path].since.append(int(more[0]))
        elif step == 'unlink':
            self._change({path: None})
        elif step == 'link':
            self._change({more[0]: self._names[path]})
        elif step == 'rename':
            self._change({path: None, more[0]: self._names[path]})
        elif path in self._folders:
            for change in self._since.pop(path, ()):
                _carry_out(self._safe, change)
        else:
            file = self._names[path]
            file.safe = file.content(lambda: True)
            file.since = []

    def after_cut(self, name_survives, write_survives, folder):
        """Writes to `folder` what may be left: each of the functions is asked for each thing that isn't safe."""
        names = dict(self._safe)
        for changes in self._since.values():
            for change in changes:
                if name_survives():
                    _carry_out(names, change)
        contents = {}  # two names of one file hold the same
        for name, file in sorted(names.items(), key=lambda item: item[0]):
            if name in self._folders:
                os.makedirs(os.path.join(folder, os.path.relpath(name, self._root)), exist_ok=True)
                continue
            if os.path.dirname(name) not in names:
                continue  # it went with its folder
            if file not in contents:
                contents[file] = file.content(write_survives)
            with open(os.path.join(folder, os.path.relpath(name, self._root)), 'wb') as stream:
                stream.write(contents[file])


def _carry_out(names, change):
    for path, file in change.items():
        names.pop(path, None)
        if file is not None:
            names[path] = file
