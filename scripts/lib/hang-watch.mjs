/**
 * A set-up file of Vitest's that ends what hangs. A test that never returns to its event loop (an endless loop, a native call) is beyond Vitest's own
 * timeouts, and would keep the whole run waiting for ever without a word about where. A second thread of the test's process looks on: when the event
 * loop has stood still for FL_HANG_S seconds (default 300), it says on which line and kills the process, so that the file counts as failed and the others go on.
 */
import { Worker } from 'node:worker_threads';
import { expect } from 'vitest';

const BEAT_MS = 500;

/** Runs in the second thread, which sees nothing of this module. */
function watch({ Session, writeSync, workerData: { beat, file, limitMs, pid } }) {
  const PAUSE_MS = 5000;
  let [last, since] = [-1, Date.now()];
  const end = (where) => {
    // Not by process.stderr, which goes through the thread that hangs.
    writeSync(2, `HUNG: ${file} stood still for ${limitMs / 1000} s, at\n${where}\n`);
    process.kill(pid, 'SIGKILL');
  };
  const timer = setInterval(() => {
    const now = Atomics.load(beat, 0);
    if (now !== last) [last, since] = [now, Date.now()];
    if (Date.now() - since < limitMs) return;
    clearInterval(timer);
    const session = new Session();
    session.connectToMainThread();
    const urls = new Map();
    session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url));
    session.on('Debugger.paused', ({ params }) => end(params.callFrames.map(({ functionName, location }) => `    ${functionName || '(anonymous)'} ${urls.get(location.scriptId)}:${location.lineNumber + 1}`).join('\n')));
    session.post('Debugger.enable');
    session.post('Debugger.pause');
    setTimeout(() => end('    native code, or a child process that it waits for'), PAUSE_MS);
  }, limitMs / 10);
}

const beat = new Int32Array(new SharedArrayBuffer(4));
const workerData = { beat, file: expect.getState().testPath, limitMs: 1000 * Number(process.env.FL_HANG_S ?? 300), pid: process.pid };
const source = `(${watch})({ ...require('node:inspector'), ...require('node:fs'), ...require('node:worker_threads') })`;
new Worker(source, { eval: true, workerData }).unref();
setInterval(() => Atomics.add(beat, 0, 1), BEAT_MS).unref();
