"""A board's file system for a test: what the image and the kernel show of themselves, a processor's system registers, and an overlay as
hls/vivado/build.tcl leaves it. The bitstream's header and the words around its sync word are as in PYNQ's base.bit, the rest is noise."""

import atexit
import functools
import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

from fabriclens_agent import layout
from fabriclens_agent.pl import at, bitstream

IMAGE = {'ID': 'pynqlinux', 'VERSION_ID': '"3.0"', 'PRETTY_NAME': '"PynqLinux, based on Ubuntu 22.04"'}
BOOT_ID = '5f0e0f0a-1c3c-4a5e-8f57-1d2f3a4b5c6d'
ADDRESS, SPAN = 0x43C00000, 4096
SLCR = 0xF8000000
# As a PYNQ-Z2 boots: IO PLL 1,000 MHz, FCLK0 100 MHz, the PL out of reset, open to the processor.
REGISTERS = {0x00C: 0, 0x108: 20 << 12 | 8, 0x170: 2 << 20 | 5 << 8, 0x240: 0, 0x900: 15}


def write(root, path, data):
    full = at(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, 'wb') as stream:
        stream.write(data.encode() if isinstance(data, str) else data)
    return full


def make_root(root, image=None, registers=None, board='Pynq-Z2', cma_free_kib=120000):
    """The file system of a board with its kernel's files, without an FPGA manager."""
    write(root, '/etc/os-release', ''.join('%s=%s\n' % pair for pair in dict(IMAGE, **(image or {})).items()))
    write(root, '/proc/device-tree/compatible', 'xlnx,zynq-7000\0')
    write(root, '/proc/device-tree/chosen/pynq_board', board + '\0')
    write(root, '/proc/sys/kernel/random/boot_id', BOOT_ID + '\n')
    write(root, '/proc/meminfo', 'MemTotal:         503464 kB\nCmaTotal:         131072 kB\nCmaFree:          %d kB\n' % cma_free_kib)
    page = bytearray(4096)
    for offset, value in {**REGISTERS, **(registers or {})}.items():
        struct.pack_into('<I', page, offset, value)
    write(root, '/dev/mem/%08x' % SLCR, bytes(page))
    os.makedirs(at(root, '/run'), exist_ok=True)
    os.makedirs(at(root, '/lib/firmware'), exist_ok=True)
    return root


def register(root, offset):
    with open(at(root, '/dev/mem/%08x' % SLCR), 'rb') as stream:
        stream.seek(offset)
        return struct.unpack('<I', stream.read(4))[0]


@functools.lru_cache()
def configuration(size=bitstream.DATA_BYTES):
    start = b'\xff' * 32 + bytes.fromhex('000000bb11220044') + b'\xff' * 8 + bitstream.SYNC + bytes.fromhex('20000000')
    return start + random.Random(7).getrandbits(8 * (size - len(start))).to_bytes(size - len(start), 'big').replace(bitstream.SYNC, b'\0' * 4)


def bit_file(data=None, part='7z020clg400', length=None):
    data = configuration() if data is None else data
    fields = b''.join(struct.pack('>BH', tag, len(text) + 1) + text.encode() + b'\0' for tag, text in (
        (ord('a'), 'overlay_wrapper;UserID=0XFFFFFFFF;Version=2022.1'), (ord('b'), part), (ord('c'), '2026/11/26'), (ord('d'), '10:00:00')))
    return bytes.fromhex('00090ff00ff00ff00ff0000001') + fields + struct.pack('>BI', ord('e'), len(data) if length is None else length) + data


def hwh_file(address=ADDRESS, span=SPAN, mhz='100.000000', core='fabriclens_core', enabled='1', device='7z020'):
    return ('''<?xml version="1.0" encoding="UTF-8" standalone="no" ?>
<EDKSYSTEM EDWVERSION="1.2" TIMESTAMP="Thu Nov 26 10:00:00 2026" VIVADOVERSION="2022.1">
<SYSTEMINFO ARCH="zynq" DEVICE="%s" NAME="overlay" PACKAGE="clg400" SPEEDGRADE="-1"/>
<MODULES>
<MODULE FULLNAME="/control" HWVERSION="1.0" INSTANCE="control" IPTYPE="BUS" MODTYPE="smartconnect" VLNV="xilinx.com:ip:smartconnect:1.0">
<PARAMETERS><PARAMETER NAME="PCW_FPGA_FCLK0_ENABLE" VALUE="0"/></PARAMETERS></MODULE>
<MODULE FULLNAME="/fabriclens" HWVERSION="1.0" INSTANCE="fabriclens" IPTYPE="PERIPHERAL" MODTYPE="%s" VLNV="xilinx.com:module_ref:%s:1.0">
<MEMORYMAP><MEMRANGE BASEVALUE="0x00000000" HIGHVALUE="0x1FFFFFFF" INSTANCE="ps" MASTERBUSINTERFACE="m_axi_weights" MEMTYPE="MEMORY"/></MEMORYMAP></MODULE>
<MODULE FULLNAME="/ps" HWVERSION="5.5" INSTANCE="ps" IPTYPE="PERIPHERAL" MODTYPE="processing_system7" VLNV="xilinx.com:ip:processing_system7:5.5">
<PARAMETERS><PARAMETER NAME="PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ" VALUE="%s"/><PARAMETER NAME="PCW_FPGA_FCLK0_ENABLE" VALUE="%s"/></PARAMETERS>
<MEMORYMAP><MEMRANGE ADDRESSBLOCK="reg0" BASEVALUE="0x%08X" HIGHVALUE="0x%08X" INSTANCE="fabriclens" MASTERBUSINTERFACE="M_AXI_GP0" MEMTYPE="REGISTER"/></MEMORYMAP>
</MODULE></MODULES></EDKSYSTEM>''' % (device, core, core, mhz, enabled, address, address + span - 1)).encode()


def write_overlay(folder, bit=None, hwh=None, changes=()):
    """overlay.json, bit and hwh in `folder`; `changes` overwrite entries of the manifest, None removes one."""
    bit, hwh = bit_file() if bit is None else bit, hwh_file() if hwh is None else hwh
    manifest = {'format': 1, 'core': {'version': layout.CORE_VERSION, 'layout': layout.LAYOUT_VERSION}, 'address': ADDRESS, 'span': SPAN, 'clock_khz': 100000}
    for kind, data in (('bit', bit), ('hwh', hwh)):
        write(folder, 'fabriclens.' + kind, data)
        manifest[kind] = {'file': 'fabriclens.' + kind, 'sha256': hashlib.sha256(data).hexdigest()}
    manifest.update(changes)
    write(folder, 'overlay.json', json.dumps({name: value for name, value in manifest.items() if value is not None}))
    return folder


HERE = os.path.dirname(os.path.abspath(__file__))
MANAGER = '/sys/class/fpga_manager/fpga0/'


@functools.lru_cache()
def kernel():
    """The path of kernel.c, compiled."""
    folder = tempfile.TemporaryDirectory(prefix='fabriclens-kernel-')
    atexit.register(folder.cleanup)
    path = os.path.join(folder.name, 'kernel.so')
    subprocess.run(['cc', '-O1', '-shared', '-fPIC', '-o', path, os.path.join(HERE, 'kernel.c')], check=True, timeout=120)
    return path


def environment(**fakes):
    """Of a process on such a board; LOAD and BUS as kernel.c takes them."""
    return dict(os.environ, LD_PRELOAD=kernel(), **{'FAKE_' + name: value for name, value in fakes.items()})


class Board:
    """A root folder with everything but a core: an FPGA manager in which PYNQ's base overlay runs, zocl's node with `memory` bytes, and our
    overlay's folder."""

    def __init__(self, test, memory=16 << 20, **options):
        folder = tempfile.TemporaryDirectory(prefix='fabriclens-board-')
        test.addCleanup(folder.cleanup)
        self.root = make_root(os.path.join(folder.name, 'root'), **options)
        for name, text in (('state', 'operating\n'), ('flags', '0\n'), ('firmware', '')):
            write(self.root, MANAGER + name, text)
        write(self.root, '/lib/firmware/base.bin', b'base')
        self.registers = write(self.root, '/dev/mem/%08x' % ADDRESS, bytes(SPAN))
        self.memory = write(self.root, '/dev/dri/renderD128', b'')
        os.truncate(self.memory, memory)
        self.overlay = write_overlay(os.path.join(folder.name, 'overlay'))

    def read(self, path):
        with open(at(self.root, path), encoding='utf-8') as stream:
            return stream.read()

    def exists(self, path):
        return os.path.exists(at(self.root, path))

    def python(self, code, **fakes):
        """What `code` prints, run as a process of the board with `root` and `folder` (of the overlay) defined."""
        text = 'import sys\nroot, folder = sys.argv[1:]\nfrom fabriclens_agent.pl import PlRefusal\ntry:\n    %s\nexcept PlRefusal as error:\n    print(error)\n' % \
            code.strip().replace('\n', '\n    ')
        return subprocess.run([sys.executable, '-B', '-c', text, self.root, self.overlay], cwd=os.path.dirname(HERE), env=environment(**fakes),
                              stdout=subprocess.PIPE, universal_newlines=True, timeout=60, check=True).stdout.strip()
