/** The agent's figures against their aims: as lines, and as the page docs/agent.md. */
import type { Memory, Overhead, Requests, Throughput } from './measure.ts';

export const PAGE = 'docs/agent.md';

export interface AgentFigures {
  machine: { cpu: string; cores: number; node: string; python: string; load: [number, number]; date: string };
  requests: Requests[];
  overhead: Overhead;
  throughput: Throughput[];
  memory: Memory;
}

const OVERHEAD_MS = 1.5;
const SHARE = 0.8;
/** Memory is flat where it grows by less than this from the first tenth of the requests to the last. */
const FLAT = 0.05;

const word = (met: boolean): string => (met ? 'met' : 'missed');
const ms = (value: number): string => value.toFixed(2);
const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);

const percent = ({ agent, socket }: Throughput, which: 'median' | 'best'): string => `${((100 * agent[which]) / socket[which]).toFixed(0)} %`;

export function rows({ requests, overhead, throughput, memory }: AgentFigures): string[][] {
  return [
    ...requests.map((r) => [`requests, ${r.clients} client${r.clients === 1 ? '' : 's'}`, `${r.perSecond.toFixed(0)} a second; p50 ${ms(r.p50)} ms, p99 ${ms(r.p99)} ms`, '', '']),
    ['a request outside of fl_run', `p50 ${ms(overhead.p50)} ms, p99 ${ms(overhead.p99)} ms`, `p50 ≤ ${OVERHEAD_MS} ms`, word(overhead.p50 <= OVERHEAD_MS)],
    ...throughput.map((t) => [`${t.megabytes} MiB tensors`, `${percent(t, 'median')} of a bare socket (${t.agent.median.toFixed(0)} of ${t.socket.median.toFixed(0)} MB/s, medians of ${t.runs}); best of each ${percent(t, 'best')} (${t.agent.best.toFixed(0)} of ${t.socket.best.toFixed(0)})`, `≥ ${100 * SHARE} %`, word(t.agent.median >= SHARE * t.socket.median)]),
    [`memory over ${memory.requests.toLocaleString('en')} requests`, `${mb(memory.early)} MB after a tenth, ${mb(memory.late)} MB at the end`, 'flat', word(memory.late <= (1 + FLAT) * memory.early)],
  ];
}

const machineLine = ({ machine: { cpu, cores, node, python, load, date } }: AgentFigures): string =>
  `${date}, ${cpu}, ${cores} cores, Node ${node}, ${python}; load average ${load[0].toFixed(1)} before and ${load[1].toFixed(1)} after${load[0] > 1 ? ': the machine was shared, and these figures are worse than its own' : ''}.`;

export const printed = (figures: AgentFigures): string => [machineLine(figures), ...rows(figures).map((row) => row.filter(Boolean).join('  '))].join('\n');

const inSocket = ({ megabytes, socket }: Throughput): string => `${megabytes} MiB takes ${ms((megabytes << 20) / 1e3 / socket.median)} ms`;

export const page = (figures: AgentFigures): string => `# What the agent costs
Written by \`npm run bench:agent -- --record\`; not by hand. Agent and clients on one computer, over loopback; no board has run this, and a Cortex-A9 is many times slower.

${machineLine(figures)}

| | measured | aim | |
|---|---|---|---|
${rows(figures).map((row) => `| ${row.join(' | ')} |`).join('\n')}

Requests are for a model of 2,800 multiplications, so that what is counted is the agent: HTTP, JSON, queue, and the runtime's call. Tensors are INT8 on their way in, sent in one piece by one client; the time that
the agent spent inside \`fl_run\` (its statistics say how much) is taken off. The bare socket is a Python program that receives as many bytes into memory that
it allocates for them, and answers with one. What a request costs beside its bytes (above) weighs most where they are few: ${figures.throughput.map(inSocket).join(', ')} on the bare socket (medians).
`;
