import ast
import glob
import importlib.util
import os
import sys
import sysconfig
import unittest

from .support import AGENT

FILES = sorted(glob.glob(os.path.join(AGENT, 'fabriclens_agent', '**', '*.py'), recursive=True))


def imported(source):
    """Top-level names of the absolute imports in `source`."""
    for node in ast.walk(ast.parse(source, feature_version=(3, 8))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split('.')[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split('.')[0]


def in_standard_library(name):
    if name in sys.builtin_module_names:
        return True
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin in (None, 'frozen'):
        return spec is not None and spec.origin is not None
    return spec.origin.startswith(sysconfig.get_paths()['stdlib']) and '-packages' not in spec.origin


class Sources(unittest.TestCase):
    def test_every_file_is_python_3_8(self):
        self.assertGreater(len(FILES), 8)
        for path in FILES:
            with open(path, encoding='utf-8') as stream:
                ast.parse(stream.read(), path, feature_version=(3, 8))

    def test_the_3_8_check_refuses_newer_syntax(self):
        with self.assertRaises(SyntaxError):
            ast.parse('match 1:\n    case 1: pass\n', feature_version=(3, 8))

    def test_only_the_standard_library_is_imported(self):
        for path in FILES:
            with open(path, encoding='utf-8') as stream:
                for name in imported(stream.read()):
                    self.assertTrue(in_standard_library(name), '%s imports %s' % (path, name))

    def test_the_import_check_sees_a_planted_one(self):
        self.assertEqual(list(imported('def f():\n    import onnxruntime.capi\n    from torch import nn\n')),
                         ['onnxruntime', 'torch'])
        self.assertFalse(in_standard_library('onnxruntime'))
        self.assertFalse(in_standard_library('pip'))
