/** Carries a plan out over SSH, step by step, and says how it goes. What is done already is left alone: after any failure the plan is simply run again. */
import { randomBytes } from 'node:crypto';
import type { DoctorReport, SelfTest, StepEvent } from '../../contract/boards.ts';
import { OipClient } from '../client.ts';
import { BoardError } from '../errors.ts';
import type { Tensor } from '../protocol.ts';
import type { SshConnection } from '../ssh/connection.ts';
import { execAsRoot, lastLine, quote } from '../ssh/shell.ts';
import { upload } from '../ssh/upload.ts';
import { diagnose } from './doctor.ts';
import { bundlePath, installPlan, rollbackScript, staging, supervisor, tokenPath, uninstallScript, unitText, versionPath, type PlanInput, type Step } from './plan.ts';
import { parseProbe, probeScript, type BoardLayout } from './probe.ts';

export interface Session {
  ssh: SshConnection;
  layout: BoardLayout;
  /** For sudo; goes over stdin alone. */
  sudoPassword: string | undefined;
  signal?: AbortSignal | undefined;
}

/** A golden vector: what the golden model on this computer answered to an input. */
export interface Vector {
  model: string;
  input: Tensor;
  outputs: ReadonlyMap<string, Tensor>;
}

/** Which board it is says whoever passes it on. */
export type InstallEvent = Omit<StepEvent, 'board'>;

const SCRIPT_TIMEOUT_MS = 600_000;

/** Reads only. Where there is a password it is tried with sudo, which changes nothing either but leaves a line in the board's log. */
export async function doctor({ ssh, layout, sudoPassword, signal }: Session): Promise<DoctorReport> {
  const marker = `probe-${randomBytes(12).toString('hex')}`;
  const { stdout, stderr } = await ssh.exec('sh -s', { stdin: probeScript(layout, marker), signal });
  const probe = parseProbe(stdout, marker);
  if (!probe) throw new BoardError('protocol', `Board ${ssh.address}: the probe did not run to its end (${lastLine(stderr) || 'no word why'}); is there a POSIX shell?`);
  let sudo: boolean | undefined;
  if (ssh.user !== 'root' && sudoPassword !== undefined) {
    sudo = await execAsRoot(ssh, 'true', sudoPassword, { signal }).then(() => true, (error: unknown) => {
      if (error instanceof BoardError && error.code === 'unauthorised') return false;
      throw error;
    });
  }
  return diagnose(probe, { address: ssh.address, nowS: Math.floor(Date.now() / 1000), sudo });
}

export interface Installation extends PlanInput {
  bundle: Uint8Array;
  vectors: readonly Vector[];
  onEvent?: (event: InstallEvent) => void;
}

/** Runs the plan of `input`; rejects with BoardError, whose message names the step. */
export async function install(session: Session, input: Installation): Promise<SelfTest[]> {
  const tests: SelfTest[] = [];
  for (const step of installPlan(input)) {
    const began = performance.now();
    const tell = (state: InstallEvent['state'], fraction: number | null = null, message = ''): void => input.onEvent?.({ step: step.id, state, fraction, ms: performance.now() - began, message });
    tell('running');
    try {
      if (step.done !== undefined && (await run(session, step, step.done)).code === 0) tell('already');
      else {
        if (step.id === 'self-test') tests.push(await selfTest(session, input));
        else await perform(session, step, input, (fraction) => tell('running', fraction));
        tell('done');
      }
    } catch (error) {
      if (!(error instanceof BoardError)) throw error;
      tell('failed', null, error.message);
      throw new BoardError(error.code, `Step '${step.id}' failed. ${error.message} Run it again: what is done stays done.`, { cause: error });
    }
  }
  return tests;
}

async function perform(session: Session, step: Step, input: Installation, onProgress: (fraction: number) => void): Promise<void> {
  const { ssh, signal } = session;
  if (step.id === 'upload') {
    checked(ssh, await ssh.exec(`umask 077; mkdir -p ${quote(staging(input.home))}`, { signal }));
    await upload(ssh, input.bundle, bundlePath(input.home, input.version), { signal, onProgress: (done, total) => onProgress(done / total) });
  } else {
    checked(ssh, await run(session, step, step.run, step.id === 'service' ? unitText(input.layout, input.python) : ''));
  }
}

const run = ({ ssh, sudoPassword, signal }: Session, step: Step, script: string, stdin = ''): ReturnType<SshConnection['exec']> =>
  step.as === 'root' ? execAsRoot(ssh, script, sudoPassword, { signal, stdin, timeoutMs: SCRIPT_TIMEOUT_MS }) : ssh.exec(`sh -c ${quote(script)}`, { signal, timeoutMs: SCRIPT_TIMEOUT_MS });

function checked(ssh: SshConnection, { code, stderr }: { code: number; stderr: string }): void {
  if (code !== 0) throw new BoardError('command-failed', `Board ${ssh.address}: ${lastLine(stderr) || `exit code ${code}`}.`);
}

/** The version's own agent, as the login and on a free port, until its connection is closed. */
async function selfTest({ ssh, signal }: Session, { layout, version, python, vectors }: Installation): Promise<SelfTest> {
  const folder = versionPath(layout, version);
  const token = randomBytes(32).toString('base64url');
  const words = [python, '-E', '-s', '-B', '-m', 'fabriclens_agent', '--models', `${folder}/models`, '--runtime', `${folder}/runtime/libfabriclens_runtime.so`, '--port', '0', '--token-stdin', '--exit-with-parent'];
  const agent = await ssh.program(`cd ${quote(`${folder}/agent`)} && exec ${words.map(quote).join(' ')}`, `${token}\n`, { signal });
  try {
    let port: unknown;
    try {
      const first = JSON.parse(agent.firstLine) as { port?: unknown; error?: unknown };
      if (typeof first.error === 'string') throw new BoardError('command-failed', `Board ${ssh.address}: ${first.error}.`);
      port = first.port;
    } catch (error) {
      if (error instanceof BoardError) throw error;
    }
    if (typeof port !== 'number') throw new BoardError('command-failed', `Board ${ssh.address}: the new version's agent did not start (${agent.firstLine.slice(0, 200)}).`);
    return await compare(ssh, port, token, vectors, signal);
  } finally {
    agent.end();
  }
}

/** Every vector's outputs, bit for bit, through whatever the agent computes with. */
export async function compare(ssh: SshConnection, port: number, token: string | undefined, vectors: readonly Vector[], signal?: AbortSignal): Promise<SelfTest> {
  const client = new OipClient({ host: ssh.address, port, token, connect: () => ssh.stream(port) });
  try {
    for (const end = performance.now() + 180_000; ;) {
      try {
        await client.ready({ signal });
        break;
      } catch (error) {
        if (!(error instanceof BoardError && error.code === 'busy') || performance.now() > end) throw error;
        await new Promise((done) => setTimeout(done, 200));
      }
    }
    for (const { model, input, outputs } of vectors) {
      const answer = await client.infer(model, [input], { signal, outputs: [...outputs.keys()] });
      for (const [name, wanted] of outputs) {
        const got = answer.outputs.get(name)!;
        if (!Buffer.from(bytesOf(wanted)).equals(bytesOf(got))) throw new BoardError('command-failed', `Board ${ssh.address}: model ${model} answers '${name}' otherwise than the golden model; do not use it, and report this.`);
      }
    }
    const { parameters } = await client.serverMetadata({ signal });
    return { backend: String(parameters?.['backend'] ?? ''), models: [...new Set(vectors.map(({ model }) => model))], vectors: vectors.length };
  } finally {
    client.close();
  }
}

const bytesOf = ({ data }: Tensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

type Installed = Pick<PlanInput, 'layout' | 'systemd' | 'python' | 'home'>;
const asRoot = (session: Session, script: string): ReturnType<SshConnection['exec']> => execAsRoot(session.ssh, script, session.sudoPassword, { signal: session.signal, timeoutMs: SCRIPT_TIMEOUT_MS });

export async function rollback(session: Session, report: DoctorReport): Promise<string> {
  if (report.previous === '') throw new BoardError('bad-request', `Board ${session.ssh.address}: there is no version before ${report.installed || 'this one'} to go back to.`);
  checked(session.ssh, await asRoot(session, rollbackScript(installed(session, report), report.previous)));
  return report.previous;
}

export async function uninstall(session: Session, report: DoctorReport): Promise<void> {
  checked(session.ssh, await asRoot(session, uninstallScript(installed(session, report))));
}

/** Whether the service runs, and as which version. */
export async function status(session: Session, report: DoctorReport): Promise<{ active: string; version: string }> {
  const { stdout } = await session.ssh.exec(supervisor(session.layout, report.systemd, report.python).status, { signal: session.signal });
  return { active: stdout.trim() || 'unknown', version: report.installed };
}
/** Its last 200 lines. */
export const logs = async (session: Session, report: DoctorReport): Promise<string> => (await asRoot(session, supervisor(session.layout, report.systemd, report.python).logs)).stdout;

/** The id that an installation wrote to the board, where one did. */
export async function readBoardId(ssh: SshConnection, { root }: BoardLayout): Promise<string | undefined> {
  const { stdout } = await ssh.exec(`cat ${quote(`${root}/etc/fabriclens/board-id`)}`);
  return /^[0-9a-f]{32}$/.exec(stdout.trim())?.[0];
}

/** The token of the installed agent, as the login may read it; for BoardLink. */
export async function readToken(ssh: SshConnection): Promise<string> {
  const { code, stdout } = await ssh.exec(`cat ${tokenPath('"$HOME"')}`);
  if (code !== 0 || !/^[\x21-\x7e]{16,256}\s*$/.test(stdout)) throw new BoardError('unauthorised', `Board ${ssh.address}: there is no agent of ours for '${ssh.user}'; install it: npx fabriclens board install.`);
  return stdout.trim();
}

const installed = ({ layout }: Session, { systemd, python, home }: DoctorReport): Installed => ({ layout, systemd, python, home });
