/** One of the many clients of a soak: asks rightly, wrongly, and leaves in the middle, and holds the agent to its answers. */
import { TOKEN } from '../support/agent-process.ts';
import { Cut, getRequest, inferRequest, Peer, tensorsOf, type PeerAnswer } from '../support/peer.ts';
import { malformed } from './malformed.ts';

export interface Target {
  /** Of the agent that serves now. */
  readonly port: number;
  /** Counts the agent's lives; odd while none is there. */
  readonly epoch: number;
  readonly stopping: boolean;
}

export interface Known {
  readonly codes: Buffer;
  /** The bytes of all outputs, as the golden model gives them. */
  readonly tensors: Buffer;
}

export const COUNTS = ['right', 'refused', 'deadline', 'left', 'cut by a kill', 'malformed refused', 'malformed closed', 'malformed taken', 'looked', 'wrong', 'hung', 'failed', 'unanswered'] as const;
export type Counts = Record<(typeof COUNTS)[number], number>;
/** None of these may happen. */
export const VIOLATIONS = ['wrong', 'hung', 'failed', 'unanswered'] as const;

export interface ClientOptions {
  readonly target: Target;
  readonly known: readonly Known[];
  readonly slowShape: readonly number[] | null;
  readonly next: () => number;
  /** Milliseconds within which a request must be answered or its connection ended. */
  readonly hangMs: number;
  readonly counts: Counts;
  /** Told of each violation. */
  readonly say: (line: string) => void;
}

const OUTPUTS = ['logits', 'features'];
const LOOKS = ['/v2', '/v2/health/ready', '/v2/models/tiny', '/v2/models/stats', '/v2/fabriclens/trace', '/v2/fabriclens/telemetry', '/v2/models/absent'];

class Hung extends Error {}

export async function client(options: ClientOptions): Promise<void> {
  const { target, next } = options;
  let peer: Peer | undefined;
  const doing = { what: 'connecting' };
  while (!target.stopping) {
    const { epoch } = target;
    try {
      doing.what = 'connecting';
      if (!peer?.open) peer = await within(options, Peer.connect(target.port));
      if (!(await act(options, peer, doing))) {
        peer.destroy();
        peer = undefined;
      }
    } catch (error) {
      peer?.destroy();
      peer = undefined;
      if (error instanceof Hung) violate(options, 'hung', `no answer within ${options.hangMs} ms to ${doing.what}`);
      else if (!(error instanceof Cut)) throw error;
      else if (epoch === target.epoch && epoch % 2 === 0) violate(options, 'unanswered', `the connection ended without an answer to ${doing.what} (${error.message})`);
      else options.counts['cut by a kill']++;
      await pause(50);
    }
    if (next() < 0.05) await pause(next() * 200);
  }
  peer?.destroy();
}

/** True where the connection can go on. */
async function act(options: ClientOptions, peer: Peer, doing: { what: string }): Promise<boolean> {
  const { next, counts, known, slowShape } = options;
  const choice = next();
  doing.what = choice < 0.6 ? 'a right request' : choice < 0.9 ? 'a malformed request' : 'a look';
  if (choice < 0.6) return ask(options, peer);
  if (choice < 0.7) { // leaves, somewhere in the request or before the answer
    const bytes = Buffer.concat(inferRequest({ model: 'tiny', token: TOKEN, shape: [1, 1, 8, 8], data: known[0]!.codes, outputs: OUTPUTS }));
    peer.write(next() < 0.5 ? bytes : bytes.subarray(0, 1 + Math.floor(next() * bytes.length)));
    if (next() < 0.5) await pause(next() * 20);
    counts.left++;
    return false;
  }
  if (choice < 0.74 && slowShape !== null) { // leaves while the accelerator works for it
    peer.write(...inferRequest({ model: 'slow', token: TOKEN, shape: slowShape, data: Buffer.alloc(slowShape.reduce((a, b) => a * b)), outputs: ['logits'], timeoutUs: 1_000_000 }));
    await pause(next() * 60);
    counts.left++;
    return false;
  }
  if (choice < 0.9) return provoke(options, peer);
  peer.write(getRequest(LOOKS[Math.floor(next() * LOOKS.length)]!, TOKEN));
  const { status, headers } = await within(options, peer.answer());
  if (![200, 404, 503].includes(status)) violate(options, 'failed', `a look was answered ${status}`);
  counts.looked++;
  return headers.get('connection') !== 'close';
}

async function ask(options: ClientOptions, peer: Peer): Promise<boolean> {
  const { known, next, counts } = options;
  const chosen = Array.from({ length: next() < 0.2 ? 1 + Math.floor(next() * 4) : 1 }, () => known[Math.floor(next() * known.length)]!);
  const request = inferRequest({ model: 'tiny', token: TOKEN, shape: [chosen.length, 1, 8, 8], data: Buffer.concat(chosen.map(({ codes }) => codes)), outputs: OUTPUTS, timeoutUs: Math.round(600 * options.hangMs) });
  peer.write(...request);
  const answer = await within(options, peer.answer());
  if (answer.status === 200) {
    // Output by output, each with all of the batch.
    const logits = Buffer.concat(chosen.map(({ tensors }) => tensors.subarray(0, 8)));
    const features = Buffer.concat(chosen.map(({ tensors }) => tensors.subarray(8)));
    if (tensorsOf(answer).equals(Buffer.concat([logits, features]))) counts.right++;
    else violate(options, 'wrong', `a batch of ${chosen.length} came back with other values`);
  } else if (answer.status === 504) counts.deadline++;
  else if (answer.status === 503) counts.refused++;
  else violate(options, 'failed', `a right request was answered ${answer.status}: ${textOf(answer)}`);
  return answer.headers.get('connection') !== 'close';
}

async function provoke(options: ClientOptions, peer: Peer): Promise<boolean> {
  const { bytes, whole } = malformed(options.next, TOKEN);
  peer.write(bytes);
  if (!whole) peer.end();
  try {
    const answer = await within(options, peer.answer());
    if (answer.status === 500) violate(options, 'failed', `500 to ${JSON.stringify(bytes.toString('latin1').slice(0, 200))}`);
    options.counts[answer.status < 300 ? 'malformed taken' : 'malformed refused']++;
  } catch (error) {
    if (!(error instanceof Cut) || whole) throw error;
    options.counts['malformed closed']++;
  }
  return false;
}

function violate({ counts, say }: ClientOptions, what: (typeof VIOLATIONS)[number], line: string): void {
  counts[what]++;
  say(`${what}: ${line}`);
}

const textOf = ({ body }: PeerAnswer): string => body.toString('latin1').slice(0, 200);
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

function within<T>({ hangMs }: ClientOptions, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Hung()), hangMs)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
