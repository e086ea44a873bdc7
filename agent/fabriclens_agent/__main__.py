"""python3 -m fabriclens_agent: start the agent. One line of JSON on stdout says that it listens ({"host","port","pid","version"})
or why it does not ({"error"}); everything else goes to stderr."""

import argparse
import hashlib
import ipaddress
import json
import os
import re
import signal
import ssl
import stat
import sys
import threading

if sys.version_info < (3, 8):  # before what follows fails for a reason that says nothing
    print(json.dumps({'error': 'this is Python %d.%d, the agent needs 3.8 or later; the PYNQ image v2.6 has none: write v2.7 or later to the card' %
                      sys.version_info[:2]}), flush=True)
    sys.exit(1)

from . import __version__
from .errors import PackageError
from .http_server import Limits, Server
from .pl import start as pl
from .repository import Repository
from .runtime import Runtime, RuntimeFailure
from .service import Service
from .store import Store, StoreError
from .telemetry import Telemetry
from .turns import Turns
from .uploads import Uploads

STOPPING = 'the agent is stopping; try again when it has started again'
STOPS = (signal.SIGTERM, signal.SIGINT)
TAKES_SIGNALS = hasattr(signal, 'sigwait')  # not on Windows
SWEEP_S = 1.0  # of the grace: for refusing what could not be finished in it
CERTIFICATE = re.compile('-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----', re.DOTALL)
TOKEN = re.compile(rb'[\x21-\x7e]{16,256}\Z')


class StartError(Exception):
    """Said on stdout; exit code 1."""


def main(arguments=None):
    options = _parser().parse_args(arguments)
    # A thread a connection in the 3 GiB of a 32-bit process. From 3.12 on Python bounds recursion in C by a count that 1 MiB does not hold,
    # and nested JSON would end the process; the images have older ones.
    threading.stack_size(1 << 20 if sys.version_info < (3, 12) else 16 << 20)
    sys.setswitchinterval(0.001)  # a finished inference waits for the interpreter at most this long
    try:
        _serve(options)
    except (StartError, StoreError, RuntimeFailure, PackageError, OSError) as error:
        print(json.dumps({'error': str(error)}), flush=True)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog='fabriclens_agent', description='FabricLens companion: serves model packages '
                                     'over the Open Inference Protocol v2.')
    parser.add_argument('--models', required=True, action='append', metavar='DIR',
                        help='folder of model packages; given again, of more of them: of two with one name the first is served')
    parser.add_argument('--runtime', required=True, metavar='FILE', help='libfabriclens_runtime.so')
    parser.add_argument('--store', metavar='DIR', help='folder for models that are sent over the network, made where absent; a model '
                        'there is served before one of --models with its name (without it: none are taken)')
    parser.add_argument('--store-reserve', type=int, default=256, metavar='MIB',
                        help='free space that the store leaves on its disk (default: 256)')
    parser.add_argument('--host', default='127.0.0.1', help='address to listen on (default: 127.0.0.1)')
    parser.add_argument('--port', type=int, default=0, help='TCP port (default: 0, any free one)')
    parser.add_argument('--allow-network', action='store_true',
                        help='permit --host to be other than loopback without TLS: tensors and token can be read on the way')
    parser.add_argument('--tls-cert', metavar='FILE', help='PEM certificate (chain): HTTPS, TLS 1.2 or later')
    parser.add_argument('--tls-key', metavar='FILE', help='its private key, PEM without a passphrase, mode 0600')
    token = parser.add_mutually_exclusive_group(required=True)
    token.add_argument('--token-stdin', action='store_true', help='the first line of stdin is the bearer token')
    token.add_argument('--token-file', metavar='FILE', help='file of mode 0600 that holds the bearer token')
    parser.add_argument('--exit-with-parent', action='store_true', help='exit when stdin is closed')
    parser.add_argument('--queue', type=int, default=128, metavar='N', help='inferences that may wait (default: 128)')
    parser.add_argument('--connections', type=int, default=128, metavar='N', help='connections at a time (default: 128)')
    parser.add_argument('--run-timeout', type=float, default=60.0, metavar='S',
                        help='seconds an inference may wait and run (default: 60)')
    parser.add_argument('--client-timeout', type=float, default=10.0, metavar='S',
                        help='seconds a client may take to send a request (default: 10)')
    parser.add_argument('--grace', type=float, default=5.0, metavar='S',
                        help='seconds that requests under way are given at SIGTERM (default: 5)')
    pl.add_options(parser)
    return parser


def _serve(options):
    if sys.byteorder != 'little':
        raise StartError('this machine is big-endian; tensors travel little-endian and the agent does not convert them')
    for folder in options.models:
        if not os.path.isdir(folder):
            raise StartError('model folder absent: %s; correct --models' % folder)
    _check_host(options)
    tls, certificate = _tls(options)
    token = _token_from_stdin() if options.token_stdin else _token_from_file(options.token_file)
    runtime = Runtime(options.runtime)
    if TAKES_SIGNALS:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # a PL that was begun to be used must be put to rest
    accelerator = pl.start(options, runtime)
    try:
        _listen(options, token, tls, certificate, runtime, accelerator)
    finally:
        accelerator.close()


def _listen(options, token, tls, certificate, runtime, accelerator):
    turns = Turns(options.queue)
    store = Store(options.store, options.store_reserve << 20) if options.store else None
    repository = Repository(options.models, accelerator, turns, store)
    service = Service(repository, turns, Telemetry(options.board_root, turns, repository), token, options.run_timeout,
                      Uploads(store, repository) if store else None)
    server = Server(options.host, options.port, service.route,
                    Limits(connections=options.connections, client_s=options.client_timeout), tls)

    def drain():
        turns.drain(STOPPING)
        server.drain(max(0.0, options.grace - SWEEP_S))
        turns.end(STOPPING)
        server.drain(min(SWEEP_S, options.grace))
        server.close()
        leave(0)

    def leave(code):
        accelerator.close()
        os._exit(code)

    def stop(number=None, _=None):
        if service.stopping and number is not None:
            threading.Thread(target=leave, args=(1,), daemon=True).start()  # told twice: somebody is in a hurry
        if not service.stopping:
            server.wind_down()  # first: whoever reads that the agent is stopping reads it on a connection that closes
            service.stopping = True
            threading.Thread(target=drain, daemon=True).start()

    if TAKES_SIGNALS:
        threading.Thread(target=_take_signals, args=(stop,), daemon=True).start()
    else:
        for number in STOPS:
            signal.signal(number, stop)
    if options.exit_with_parent:
        threading.Thread(target=_follow_parent, args=(stop,), daemon=True).start()
    threading.Thread(target=_load, args=(repository, service), daemon=True).start()
    print(json.dumps(dict({'host': options.host, 'port': server.port, 'pid': os.getpid(), 'version': __version__},
                          **({'certificate_sha256': certificate} if tls else {}))), flush=True)
    print('agent %s, runtime %s, Python %s' % (__version__, runtime.version, sys.version.split()[0]), file=sys.stderr,
          flush=True)
    server.serve()
    threading.Event().wait()  # drain() ends the process


def _take_signals(stop):
    """In a thread, while all others have them blocked: a handler runs in the main thread only, which may have gone to sleep in accept() the moment
    before, or hold a lock that the handler wants."""
    while True:
        stop(signal.sigwait(STOPS))


def _load(repository, service):
    try:
        repository.load_all()
    finally:
        service.loaded = True


def _check_host(options):
    try:
        loopback = ipaddress.ip_address(options.host).is_loopback
    except ValueError:
        raise StartError('--host takes an IP address, not %r' % options.host)
    if not loopback and not options.tls_cert and not options.allow_network:
        raise StartError('--host %s is reachable from the network and the connection is not encrypted; use 127.0.0.1 through '
                         'SSH, or add --tls-cert and --tls-key, or --allow-network' % options.host)
    if not loopback and not options.tls_cert:
        print('warning: listening on %s without encryption: tensors and token can be read on the way' % options.host,
              file=sys.stderr, flush=True)


def _tls(options):
    """(ssl.SSLContext, SHA-256 of the certificate in hexadecimal), by which clients pin it; (None, '') for plain HTTP."""
    if not options.tls_cert and not options.tls_key:
        return None, ''
    if not options.tls_cert or not options.tls_key:
        raise StartError('--tls-cert and --tls-key belong together; give both')
    try:
        with open(options.tls_key, 'rb') as stream:
            if _others_can_read(stream):
                raise StartError('TLS key %s can be read by others; chmod 600 it' % options.tls_key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        # A passphrase would be asked for on the terminal; an empty one fails instead.
        context.load_cert_chain(options.tls_cert, options.tls_key, password='')
        with open(options.tls_cert, encoding='ascii', errors='replace') as stream:
            first = CERTIFICATE.search(stream.read())
        return context, hashlib.sha256(ssl.PEM_cert_to_DER_cert(first.group(0))).hexdigest()
    except (OSError, ValueError) as error:
        raise StartError('TLS certificate %s or key %s cannot be used (%s); make both anew' %
                         (options.tls_cert, options.tls_key, error.strerror if type(error) is FileNotFoundError else error))


def _checked(token, where):
    if not TOKEN.match(token):
        raise StartError('the token from %s must be 16 to 256 visible ASCII characters' % where)
    return token.decode('ascii')


def _token_from_stdin():
    # Byte by byte from the descriptor: nothing may be left in a buffer when _follow_parent reads on.
    line = b''
    while len(line) <= 256:
        byte = os.read(0, 1)
        if byte in (b'', b'\n'):
            break
        line += byte
    return _checked(line.rstrip(b'\r'), 'stdin')


def _token_from_file(path):
    try:
        with open(path, 'rb') as stream:
            if _others_can_read(stream):
                raise StartError('token file %s can be read by others; chmod 600 it' % path)
            return _checked(stream.read(300).strip(), path)
    except OSError as error:
        raise StartError('token file %s cannot be read: %s' % (path, error.strerror))


def _others_can_read(stream):
    return os.name == 'posix' and stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077 != 0


def _follow_parent(stop):
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    stop()


if __name__ == '__main__':
    sys.exit(main())
