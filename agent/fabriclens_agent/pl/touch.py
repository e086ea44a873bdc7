"""python3 -m fabriclens_agent.pl.touch ROOT ADDRESS: says what it is about to do, reads one word at the address, prints it. In a process of
its own because, on a PL that does not answer, it never comes back."""

import sys

from . import PlRefusal
from .physical import PAGE, Window


def main(root, address):
    try:
        window = Window(root, address, PAGE)
    except PlRefusal as refusal:
        print(refusal, file=sys.stderr, flush=True)
        return 1
    print('about to touch 0x%08X in the PL; if nothing follows, the board has hung: switch it off for 5 s' % address, file=sys.stderr,
          flush=True)
    print(window[0], flush=True)
    print('0x%08X answered' % address, file=sys.stderr, flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
