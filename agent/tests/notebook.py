"""Runs a notebook's code cells in order, in one namespace, in its own folder: `python3 -m tests.notebook FILE [TAG...]`. Cells with tags run only
where all of their tags are given. Exits with the first error, told with its cell."""

import json
import os
import sys
import traceback


def cells(path, tags=()):
    """(id, source) of the code cells to run."""
    with open(path, encoding='utf-8') as stream:
        notebook = json.load(stream)
    return [(cell['id'], ''.join(cell['source'])) for cell in notebook['cells']
            if cell['cell_type'] == 'code' and set(cell['metadata'].get('tags', [])) <= set(tags)]


def run(path, tags=()):
    """The namespace that is left."""
    names = {'__name__': '__main__'}
    before = os.getcwd()
    os.chdir(os.path.dirname(os.path.abspath(path)))
    try:
        for name, source in cells(path, tags):
            exec(compile(source, 'cell %s' % name, 'exec'), names)
    finally:
        os.chdir(before)
    return names


if __name__ == '__main__':
    try:
        run(sys.argv[1], sys.argv[2:])
    except Exception:
        traceback.print_exc()
        sys.exit(1)
