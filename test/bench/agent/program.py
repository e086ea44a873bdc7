"""`program.py DIR`: packages for the benchmark whose tensors are large and whose computing is little: `mb1` and `mb8`, INT8 inputs of 1 and 8 MiB."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..', 'agent'))

from fabriclens_agent import layout  # noqa: E402
from tests.program import INT8_SHA256, ProgramBuilder, write_package  # noqa: E402


HEIGHT, WIDTH = 128, 1024


def deep(channels):
    """image [1,channels,HEIGHT,WIDTH] -> its 1x1 convolution to one channel -> dense -> logits [1,2]."""
    builder = ProgramBuilder()
    image = builder.tensor('image', HEIGHT, WIDTH, channels, scale=0.03125, zero_point=3)
    mixed = builder.tensor('mixed', HEIGHT, WIDTH, 1)
    logits = builder.tensor('logits', 1, 1, 2)
    builder.bind(layout.DIRECTION_INPUT, image, 'image', [1, channels, HEIGHT, WIDTH])
    builder.bind(layout.DIRECTION_OUTPUT, logits, 'logits', [1, 2])
    builder.layer(layout.OP_CONV, 'conv', image, mixed)
    builder.layer(layout.OP_DENSE, 'dense', mixed, logits)
    return builder.pack(INT8_SHA256)[0]


for name, channels in (('mb1', 8), ('mb8', 64)):
    write_package(sys.argv[1], name, deep(channels), [1, channels, HEIGHT, WIDTH])
