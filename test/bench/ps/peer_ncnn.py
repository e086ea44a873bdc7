"""Runs a network in ncnn, on one thread, so many times: under qemu-arm, with an armhf Python that has nothing but its standard library (no numpy).

    peer_ncnn.py MODULE FOLDER WIDTH HEIGHT CHANNELS REPEATS OUTPUT...

MODULE: ncnn's extension module. FOLDER has network.param, network.bin and input.f32, the input blob's values by channel. The outputs' values go to stdout.
"""
import array
import importlib.util
import os
import sys


def main():
    module, folder = sys.argv[1:3]
    width, height, channels, repeats = map(int, sys.argv[3:7])
    # The module alone: the package around it imports numpy.
    spec = importlib.util.spec_from_file_location('ncnn.ncnn', module)
    ncnn = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ncnn)
    if not ncnn.cpu_support_arm_neon():
        sys.exit('this ncnn sees no NEON')
    net = ncnn.Net()
    net.opt.num_threads = 1
    if net.load_param(os.path.join(folder, 'network.param')) != 0 or net.load_model(os.path.join(folder, 'network.bin')) != 0:
        sys.exit('ncnn does not load the network')
    with open(os.path.join(folder, 'input.f32'), 'rb') as file:
        values = array.array('f', file.read())
    image = ncnn.Mat(width, height, channels)
    for channel in range(channels):
        memoryview(image.channel(channel)).cast('B').cast('f')[:] = values[channel * width * height:(channel + 1) * width * height]
    results = []
    for _ in range(repeats):
        extractor = net.create_extractor()
        extractor.input('input', image)
        results = [extractor.extract(name) for name in sys.argv[7:]]
    for status, blob in results:
        if status != 0:
            sys.exit('ncnn does not run the network')
        parts = [blob] if blob.dims == 1 else [blob.channel(i) for i in range(blob.c)]
        for part in parts:
            sys.stdout.buffer.write(memoryview(part).cast('B'))


main()
