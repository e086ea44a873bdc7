"""The agent's PL code beside PYNQ's own, on PYNQ's own overlays: python pynq.py SDIST.tar.gz. Prints a JSON object of what was found.
PYNQ's modules are run from its source as they are, without `import pynq`, which probes devices: of them here only the mapping of /dev/mem is another."""

import ast
import json
import os
import struct
import sys
import tarfile
import tempfile
import types
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../agent'))
from fabriclens_agent.pl import PlRefusal, bitstream, clocks, handoff  # noqa: E402
from tests.board import make_root  # noqa: E402

BOARD = 'boards/Pynq-Z2/'
MHZ = [250, 200, 166.666667, 142.857143, 125, 111.111111, 100, 83.333333, 50, 33.333333, 20]


def functions(source, names):
    """Those functions of a module's source, alone."""
    wanted = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name in names]
    space = {'struct': struct, 'np': np}
    exec(compile(ast.Module(wanted, []), 'pynq', 'exec'), space)
    return [space[name] for name in names]


def bits(folder):
    """Each overlay for the PYNQ-Z2: what pynq and we make of its bit file."""
    where = next(path for path in ('pynq/pl_server/embedded_device.py', 'pynq/pl_server/device.py')
                 if os.path.exists(os.path.join(folder, path)) and 'def parse_bit_header' in open(os.path.join(folder, path)).read())
    parse, to_bin = functions(open(os.path.join(folder, where)).read(), ['parse_bit_header', 'bit2bin'])
    found = {}
    for name in sorted(os.listdir(os.path.join(folder, BOARD))):
        path = os.path.join(folder, BOARD, name, name + '.bit')
        if os.path.exists(path):
            raw = open(path, 'rb').read()
            ours, theirs = bitstream.parse(raw), parse(raw)
            found[name] = {'header': (ours.part, ours.date, ours.time) == (theirs['part'], theirs['date'], theirs['time']), 'part': ours.part,
                           'same': bitstream.swapped(ours.data) == to_bin(raw), 'bytes': len(ours.data)}
    return found


def handoffs(folder):
    """Our reading of a real hwh in which one peripheral is called as our core is, and a plain reading of the same."""
    raw = open(os.path.join(folder, BOARD, 'base/base.hwh'), encoding='utf-8').read()
    try:
        handoff.parse(raw.encode())
        refused = ''
    except PlRefusal as refusal:
        refused = str(refusal)
    tree = ElementTree.fromstring(raw)
    processor = tree.find('.//MODULE[@MODTYPE="processing_system7"]')
    clock = float(processor.find('.//PARAMETER[@NAME="PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ"]').get('VALUE'))
    compared = []
    for entry in processor.findall('.//MEMRANGE[@MEMTYPE="REGISTER"]'):
        name = entry.get('INSTANCE')
        modules = tree.findall('.//MODULE[@INSTANCE="%s"]' % name)
        if len(modules) == 1 and len(processor.findall('.//MEMRANGE[@INSTANCE="%s"]' % name)) == 1:
            line = next(line for line in raw.splitlines() if '<MODULE ' in line and 'INSTANCE="%s"' % name in line)
            renamed = raw.replace(line, line.replace('MODTYPE="%s"' % modules[0].get('MODTYPE'), 'MODTYPE="fabriclens_core"'))
            ours = handoff.parse(renamed.encode())
            low, high = int(entry.get('BASEVALUE'), 16), int(entry.get('HIGHVALUE'), 16)
            compared.append((ours.address, ours.span, ours.clock_khz, ours.package, ours.vlnv) ==
                            (low, high - low + 1, round(1000 * clock), '7z020clg400', modules[0].get('VLNV')))
    return {'refused': refused, 'compared': len(compared), 'same': all(compared)}


def fclk0(folder):
    """Frequencies that pynq sets and we read, and the other way round, in the same registers."""
    pynq = sys.modules['pynq'] = types.ModuleType('pynq')
    pynq.__path__ = [os.path.join(folder, 'pynq')]
    root = make_root(tempfile.mkdtemp())
    page = np.memmap(os.path.join(root, 'dev/mem/f8000000'), dtype=np.uint32, mode='r+')
    mmio = sys.modules['pynq.mmio'] = types.ModuleType('pynq.mmio')
    mmio.MMIO = lambda address, length, **_: types.SimpleNamespace(array=page[:length // 4])
    import pynq.ps
    theirs, ours = pynq.ps._ClocksZynq(), clocks.Clocks(root)
    far = []
    for mhz in MHZ:
        theirs.set_pl_clk(0, clk_mhz=mhz)
        read_by_us = ours.fclk0_khz() / 1000
        theirs.set_pl_clk(0, clk_mhz=77)
        ours.set_fclk0(round(mhz * 1000))
        read_by_them = theirs.get_pl_clk(0)
        if max(abs(read_by_us - mhz), abs(read_by_them - mhz)) > 0.001 * mhz:
            far.append((mhz, read_by_us, read_by_them))
    return {'frequencies': len(MHZ), 'far': far}


with tempfile.TemporaryDirectory() as unpacked, warnings.catch_warnings():
    warnings.simplefilter('ignore')
    with tarfile.open(sys.argv[1]) as archive:
        members = [entry for entry in archive if entry.isfile() and '..' not in entry.name and
                   entry.name.partition('/')[2].startswith(('pynq/', BOARD)) and entry.name.endswith(('.py', '.bit', '.hwh'))]
        archive.extractall(unpacked, members)
    top = os.path.join(unpacked, os.listdir(unpacked)[0])
    print(json.dumps({'bits': bits(top), 'hwh': handoffs(top), 'fclk0': fclk0(top)}))
