"""What a program may do where it is: one line of JSON. Run inside the agent's unit, and outside for comparison, by zynq.test.ts."""
import json
import os
import socket
import sys


def tried(work):
    try:
        return 'yes, %s' % work()
    except OSError as error:
        return 'no: %s' % (error.strerror or error)


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(10)
        one.connect(address)
        return 'connected'


def names(path):
    return '%d files' % len(os.listdir(path))


def write(path):
    with open(path, 'w'):
        pass
    os.unlink(path)
    return 'written'


def peek(path):
    with open(path, 'rb') as file:
        return '%d bytes' % len(file.read(16))


print(json.dumps({
    'user': os.getuid(),
    'home': tried(lambda: names('/home/xilinx')),
    'own network address': tried(lambda: connect(socket.AF_INET, (sys.argv[1], 22))),
    'loopback': tried(lambda: connect(socket.AF_INET, ('127.0.0.1', 22))),
    'netlink': tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()),
    'etc': tried(lambda: write('/etc/fabriclens-probe')),
    'its program': tried(lambda: write('/opt/fabriclens/current/probe')),
    'memory': tried(lambda: peek('/dev/mem')),
    'kernel log': tried(lambda: peek('/dev/kmsg')),
    'its store': tried(lambda: write('/var/lib/fabriclens/probe')),
}), flush=True)
