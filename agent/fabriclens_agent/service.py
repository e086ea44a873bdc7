"""Routes of the Open Inference Protocol v2, its model-repository and statistics extensions and our own (EXTENSIONS) onto the
repository."""

import hmac
import json
import math
import threading
import time

from . import __version__, layout, oip
from .errors import ClientGone, PackageError, RequestError, busy
from .http_messages import EventStream, Response, json_response
from .http_server import Route
from .runtime import ARGUMENT, CANCELLED, DEADLINE, DEVICE, MEMORY, RuntimeFailure
from .trace import Trace
from .turns import Job

EXTENSIONS = ['binary_tensor_data', 'model_repository', 'statistics', 'fabriclens_estimate', 'fabriclens_trace',
              'fabriclens_telemetry']
SMALL_BODY = 64 << 10
STREAMS = 8
EVENT_S = 1.0
PLATFORM = 'fabriclens_program_v%d' % layout.LAYOUT_VERSION


class Service:
    """token: str, wanted as a bearer on everything but health/live. run_timeout_s: the longest a request may wait and run. uploads:
    Uploads where there is a store."""

    def __init__(self, repository, turns, telemetry, token, run_timeout_s, uploads=None):
        self.loaded = False  # set when the packages found at the start have been tried
        self.stopping = False
        self._repository = repository
        self._turns = turns
        self._telemetry = telemetry
        self._trace = Trace()
        self._streams = threading.Semaphore(STREAMS)
        self._token = token.encode('utf-8')
        self._run_timeout_s = run_timeout_s
        self._uploads = uploads
        self._estimating = threading.Lock()  # one at a time: each takes a processor

    def route(self, head):
        """The Route of a request's head; RequestError 401, 404 or 405."""
        path = head.segments
        if path == ['v2', 'health', 'live']:
            return self._get(head, lambda exchange: json_response({'live': True}))
        self._authorise(head)
        if path[:1] != ['v2']:
            raise RequestError(404, 'no such path; the Open Inference Protocol begins at /v2')
        rest = path[1:]
        if rest == []:
            return self._get(head, self._server)
        if rest == ['health', 'ready']:
            return self._get(head, self._ready)
        if rest == ['models', 'stats']:
            return self._get(head, self._all_statistics)
        if rest[:1] == ['models'] and len(rest) >= 2:
            return self._model_route(head, rest[1], rest[2:])
        if rest == ['fabriclens', 'trace']:
            return self._get(head, lambda exchange: json_response(self._trace.describe()))
        if rest == ['fabriclens', 'telemetry']:
            return self._get(head, self._tell)
        if rest == ['repository', 'index']:
            return self._post(head, self._index)
        if rest[:2] == ['repository', 'models'] and len(rest) == 4 and rest[3] in ('load', 'unload'):
            return self._post(head, lambda exchange: self._load_or_unload(exchange, rest[2], rest[3]))
        if rest[:1] == ['store'] and self._uploads:
            return self._uploads.route(head, rest[1:])
        raise RequestError(404, 'no such path in /v2')

    def _model_route(self, head, name, rest):
        if not self.loaded and name not in self._repository.ready():
            raise busy('the agent is loading its models')
        version = None
        if rest[:1] == ['versions'] and len(rest) >= 2:
            version, rest = rest[1], rest[2:]
        if rest == []:
            return self._get(head, lambda exchange: self._metadata(name, version))
        if rest == ['ready']:
            return self._get(head, lambda exchange: self._model_ready(name, version))
        if rest == ['stats']:
            return self._get(head, lambda exchange: self._statistics(name, version))
        if rest == ['estimate']:
            if head.method == 'POST':
                return self._post(head, lambda exchange: self._estimate(exchange, name, version))
            return self._get(head, lambda exchange: self._estimate(exchange, name, version))
        if rest == ['infer']:
            with self._repository.use(name, version) as model:
                limit = oip.infer_body_limit(model.program)
            return self._post(head, lambda exchange: self._infer(exchange, name, version), limit, True)
        raise RequestError(404, 'no such path under /v2/models/%s' % name)

    def _authorise(self, head):
        scheme, _, given = head.headers.get('authorization', '').partition(' ')
        if scheme.lower() != 'bearer' or not hmac.compare_digest(given.strip().encode('latin-1'), self._token):
            raise RequestError(401, 'bearer token missing or wrong; connect with the token of this board',
                               (('WWW-Authenticate', 'Bearer'),))

    @staticmethod
    def _get(head, handler):
        if head.method not in ('GET', 'HEAD'):
            raise RequestError(405, 'use GET here', (('Allow', 'GET, HEAD'),))
        return Route(handler, SMALL_BODY)

    @staticmethod
    def _post(head, handler, limit=SMALL_BODY, length_required=False):
        if head.method != 'POST':
            raise RequestError(405, 'use POST here', (('Allow', 'POST'),))
        return Route(handler, limit, length_required)

    def _server(self, exchange):
        extensions = EXTENSIONS + (['fabriclens_store'] if self._uploads else [])
        return json_response({'name': 'fabriclens-agent', 'version': __version__, 'extensions': extensions,
                              'parameters': dict(self._repository.accelerator.describe(), queue_depth=self._turns.depth)})

    def _ready(self, exchange):
        self._check_pl()
        if self.loaded and not self.stopping:
            return json_response({'ready': True})
        raise busy('the agent is %s' % ('stopping' if self.stopping else 'loading its models'))

    def _model_ready(self, name, version):
        with self._repository.use(name, version) as model:
            if model.program.on_core:
                self._check_pl()
            return json_response({'name': name, 'ready': True})

    def _check_pl(self):
        why = self._repository.accelerator.not_ready
        if why:
            raise RequestError(503, 'the programmable logic is given up (%s)' % why)

    def _metadata(self, name, version):
        with self._repository.use(name, version) as model:
            batch = oip.max_batch(model.program)
            inputs = [{'name': tensor.name, 'datatype': 'FP32', 'shape': oip.described_shape(tensor.shape, batch),
                       'parameters': {'accepts': 'FP32,INT8', 'scale': tensor.scale, 'zero_point': tensor.zero_point}}
                      for tensor in model.program.inputs]
            outputs = [{'name': tensor.name, 'datatype': tensor.datatype, 'shape': oip.described_shape(tensor.shape, batch)}
                       for tensor in model.program.outputs]
            return json_response({'name': model.name, 'versions': [model.version], 'platform': PLATFORM, 'inputs': inputs,
                                  'outputs': outputs,
                                  'parameters': dict(model.program.describe(), program_sha256=model.sha256, max_batch_size=batch)})

    def _statistics(self, name, version):
        with self._repository.use(name, version) as model:
            return json_response({'model_stats': [model.statistics.describe(model.name, model.version)]})

    def _all_statistics(self, exchange):
        rows = []
        for name in self._repository.ready():
            with self._repository.use(name) as model:
                rows.append(model.statistics.describe(model.name, model.version))
        return json_response({'model_stats': rows})

    def _estimate(self, exchange, name, version):
        """Cycles of the core by the cycle model, layer by layer. GET: as found when the model was loaded; POST: for the clock
        and memory in the body."""
        wanted = oip.parse_json(exchange.body, 'the body')
        with self._repository.use(name, version) as model:
            try:
                if wanted:
                    with self._estimating:
                        estimate = model.program.estimate(*_setting(wanted))
                else:
                    estimate = model.estimate()
            except RuntimeFailure as failure:
                raise RequestError(400, 'the core cannot be estimated (%s)' % failure)
            body = estimate._asdict()
            body['layers'] = [layer._asdict() for layer in estimate.layers]
            return json_response(dict(body, name=model.name, version=model.version, source='model'))

    def _index(self, exchange):
        only_ready = oip.parse_json(exchange.body, 'the body').get('ready') is True
        try:
            rows = self._repository.index()
        except PackageError as error:
            raise RequestError(500, str(error))
        return json_response([row for row in rows if row['state'] == 'READY' or not only_ready])

    def _load_or_unload(self, exchange, name, action):
        parameters = oip.parse_json(exchange.body, 'the body').get('parameters') or {}
        if action == 'unload':
            self._repository.unload(name)
        elif not isinstance(parameters, dict) or parameters:
            raise RequestError(400, 'load takes no parameters: packages come from the model folder as they are')
        else:
            try:
                self._repository.load(name)
            except PackageError as error:
                raise RequestError(400, str(error))
        return Response(200)

    def _tell(self, exchange):
        """Telemetry once, or for who accepts text/event-stream every second until they leave."""
        if 'text/event-stream' not in exchange.head.headers.get('accept', ''):
            return json_response(self._telemetry.read())
        if not self._streams.acquire(blocking=False):
            raise busy('%d streams of telemetry are open already; close one or ask for it without text/event-stream' % STREAMS)
        return EventStream(lambda: b'data: %s\n\n' % json.dumps(self._telemetry.read(), separators=(',', ':')).encode('utf-8'),
                           EVENT_S, self._streams.release)

    def _infer(self, exchange, name, version):
        began_s = time.monotonic()
        entry = {'id': self._trace.begin(), 'request_bytes': len(exchange.body), 'status': 500}
        with self._repository.use(name, version) as model:
            entry.update(model=model.name, version=model.version)
            try:
                return self._run(exchange, model, entry)
            except ClientGone:
                entry['status'] = 0
                model.statistics.add(cancel=time.perf_counter_ns() - exchange.received_ns)
                raise
            except RequestError as error:
                entry['status'] = error.status
                model.statistics.add(fail=time.perf_counter_ns() - exchange.received_ns)
                raise
            finally:
                entry['total_ns'] = time.perf_counter_ns() - exchange.received_ns
                self._trace.add(dict(entry, uptime_s=self._telemetry.uptime_s(began_s)))

    def _run(self, exchange, model, entry):
        request = oip.decode_infer(exchange.body, _header_length(exchange.head), model.program)
        entry['batch'] = request.batch
        allowed_s = min(self._run_timeout_s, request.timeout_us / 1e6) if request.timeout_us else self._run_timeout_s
        deadline = time.monotonic() + allowed_s
        wanted = [False] * len(model.program.outputs)
        for index, _ in request.outputs:
            wanted[index] = True
        job = Job(exchange.client, request.batch)
        exchange.on_departure(job.cancel)
        try:
            results, timings, queue_ns = self._in_turns(job, request, model, wanted, deadline)
        except RuntimeFailure as failure:
            raise _answer(failure, job, allowed_s)
        finally:
            exchange.end_departure()
        outputs, chunks = oip.encode_outputs(request, model.program, results)
        input_ns, pl_ns, ps_ns, output_ns = (sum(getattr(timing, part) for timing in timings)
                                             for part in ('input_ns', 'pl_ns', 'ps_ns', 'output_ns'))
        source = timings[0].source
        # src/contract/oip.ts names these; what the processor does around the PL (quantise, rearrange) counts as ps.
        parameters = {
            'timing_source': source, 'timing_queue_ns': queue_ns, 'timing_pl_ns': pl_ns, 'timing_ps_ns': ps_ns + input_ns + output_ns,
            'timing_total_ns': time.perf_counter_ns() - exchange.received_ns, 'trace_id': entry['id'],
            'backend': model.program.backend, 'program_sha256': model.sha256, 'agent_version': __version__,
        }
        if model.program.overlay_sha256:
            parameters['overlay_sha256'] = model.program.overlay_sha256
        if source == 'host' and model.pl_ns is not None:
            # The golden model computes what the core would, in a time that says nothing of it: the cycle model's is told instead.
            parameters.update(timing_pl_ns=request.batch * model.pl_ns, timing_pl_source='model')
        headers, body = oip.encode_infer(request.id, model.name, model.version, parameters, outputs, chunks)
        response = Response(200, body, headers)
        entry.update(status=200, response_bytes=response.length, source=source, queue_ns=queue_ns,
                     pl_ns=parameters['timing_pl_ns'], pl_source=parameters.get('timing_pl_source', source),
                     ps_ns=parameters['timing_ps_ns'])
        model.statistics.add(request.batch, success=time.perf_counter_ns() - exchange.received_ns, queue=queue_ns,
                             compute_input=input_ns, compute_infer=pl_ns + ps_ns, compute_output=output_ns)
        return response

    def _in_turns(self, job, request, model, wanted, deadline):
        """(results, timings, nanoseconds waited) of the inferences of a batch, one after the other; others may come in between."""
        results, timings, queue_ns = [], [], 0
        for index in range(request.batch):
            queued_ns = time.perf_counter_ns()
            self._turns.take(job, deadline)
            queue_ns += time.perf_counter_ns() - queued_ns
            try:
                timeout_ns = max(1, math.ceil((deadline - time.monotonic()) * 1e9))
                result, timing = model.program.run(oip.inputs_of(request, index), wanted, timeout_ns, job.flag)
            finally:
                self._turns.give_back()
            results.append(result)
            timings.append(timing)
        return results, timings, queue_ns


def _setting(wanted):
    """(clock_khz, bytes_per_second, latency_ns) of a request's JSON object."""
    names = ('clock_khz', 'bytes_per_second', 'latency_ns')
    values = [wanted.get(name) for name in names]
    if set(wanted) != set(names) or not all(type(value) is int and 0 <= value < 1 << 32 or
                                            name == 'bytes_per_second' and type(value) is int and 0 <= value < 1 << 64
                                            for name, value in zip(names, values)):
        raise RequestError(400, 'the body must hold the whole numbers %s and nothing else' % ', '.join(names))
    return values


def _header_length(head):
    text = head.headers.get('inference-header-content-length')
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise RequestError(400, 'Inference-Header-Content-Length is not a number')
    return int(text)


def _answer(failure, job, allowed_s):
    if failure.status == CANCELLED:
        return job.ended()
    if failure.status == DEADLINE:
        return RequestError(504, 'the inference did not end within %.3g s; allow more time' % allowed_s)
    if failure.status == ARGUMENT:
        return RequestError(400, 'the runtime refused the input (%s)' % failure)
    if failure.status == MEMORY:
        return busy('the board is out of memory (%s)' % failure)
    if failure.status == DEVICE:
        return RequestError(503, 'the programmable logic failed (%s)' % failure, (('Retry-After', '1'),) if failure.again else ())
    return RequestError(500, 'the runtime failed (%s)' % failure)
