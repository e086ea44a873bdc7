"""The driver class, and the notebook that shows it; ONNX Runtime's cells are test/interop's."""

import contextlib
import io
import json
import os
import re
import shutil
import tempfile
import unittest
from array import array

from fabriclens_agent.driver import Driver, OnnxRuntimeCore
from fabriclens_agent.errors import PackageError
from fabriclens_agent.pl import PlRefusal
from fabriclens_agent.runtime import Runtime

from . import notebook
from .support import AGENT, RUNTIME

PACKAGE = os.path.join(os.path.dirname(AGENT), 'models', 'pneumonia')
NOTEBOOK = os.path.join(AGENT, 'notebooks', 'two_routes.ipynb')


def image(count):
    return array('f', [((i * 2654435761) % 4096) / 1024 - 2 for i in range(count)])


class DriverTest(unittest.TestCase):
    def test_gives_the_programs_own_values_of_any_buffer(self):
        with Driver(PACKAGE, RUNTIME) as driver:
            values = image(224 * 224)
            answer = driver.run(values)
            program = Runtime(RUNTIME).load(driver.package.program)
            (tensor,) = program.inputs
            results, _ = program.run([('FP32', bytearray(values.tobytes()))], [True] * len(program.outputs))
            self.assertEqual({name: output.tobytes() for name, output in answer.outputs.items()},
                             {output.name: bytes(result) for output, result in zip(program.outputs, results)})
            self.assertEqual(list(answer.probabilities), ['NORMAL', 'PNEUMONIA'])
            self.assertAlmostEqual(sum(answer.probabilities.values()), 1)
            self.assertEqual((answer.backend, answer.timing.source), ('golden', 'host'))
            self.assertGreater(answer.timing.total_ns, 0)
            codes = array('b', [max(-128, min(127, round(value / tensor.scale) + tensor.zero_point)) for value in values])
            self.assertEqual(list(driver.run(codes).outputs), list(answer.outputs))
            self.assertEqual(driver.run(memoryview(values).cast('B').cast('f', (224, 224))).probabilities, answer.probabilities)
            program.close()

    def test_refuses_other_inputs_in_words(self):
        with Driver(PACKAGE, RUNTIME) as driver:
            for values, words in ((image(7), r'the input has 7 elements, image of shape \[1, 1, 224, 224\] has 50176'),
                                  (array('d', [0.0]), "format 'd'"), (b'\0' * 50176, "format 'B'")):
                with self.assertRaisesRegex(ValueError, words):
                    driver.run(values)

    def test_refuses_packages_and_cores_that_are_not_there(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copytree(PACKAGE, os.path.join(folder, 'pneumonia'))
            with open(os.path.join(copy, 'program.bin'), 'r+b') as stream:
                stream.write(b'x')
            with self.assertRaisesRegex(PackageError, 'program.bin is corrupt'):
                Driver(copy, RUNTIME)
            with self.assertRaisesRegex(PlRefusal, 'simulated_board'):
                Driver(PACKAGE, RUNTIME, simulated_board=folder)
            with self.assertRaisesRegex(PlRefusal, 'name one'):
                Driver(PACKAGE, RUNTIME, overlay=folder, simulated_board=folder)
        with self.assertRaisesRegex(PackageError, 'no model package'):
            Driver(os.path.join(PACKAGE, 'absent'), RUNTIME)
        with self.assertRaisesRegex(PlRefusal, 'neither an overlay nor a simulated board'):
            OnnxRuntimeCore(RUNTIME)


class NotebookTest(unittest.TestCase):
    def test_is_one_of_format_4_5_without_outputs_or_paths_of_a_machine(self):
        with open(NOTEBOOK, encoding='utf-8') as stream:
            text = stream.read()
        found = json.loads(text)
        self.assertEqual((found['nbformat'], found['nbformat_minor']), (4, 5))
        self.assertEqual(text, json.dumps(found, indent=1, ensure_ascii=False) + '\n')
        names = [cell['id'] for cell in found['cells']]
        self.assertEqual(len(set(names)), len(names))
        for cell in found['cells']:
            self.assertRegex(cell['id'], r'\A[a-zA-Z0-9_-]{1,64}\Z')
            self.assertIn(cell['cell_type'], ('code', 'markdown'))
            self.assertEqual((cell.get('outputs', []), cell.get('execution_count')), ([], None))
        self.assertIsNone(re.search(r'/(home|root|Users|work|tmp)/', text))

    def test_its_driver_cells_run(self):
        said = io.StringIO()
        os.environ['FABRICLENS_LIBRARIES'] = os.path.dirname(RUNTIME)
        with contextlib.redirect_stdout(said):
            names = notebook.run(NOTEBOOK)
        self.assertRegex(said.getvalue(), r'\ANORMAL 0\.\d{4}, PNEUMONIA 0\.\d{4}\ngolden: [\d.]+ ms in all, by the clock of source "host"\n\Z')
        with Driver(PACKAGE, RUNTIME) as driver:
            self.assertEqual(driver.run(names['image']).outputs, names['answer'].outputs)
