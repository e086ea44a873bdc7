/** Carries a plan out over SSH, step by step, and says how it goes. What is done already is left alone: after any failure the plan is simply run again. */
import { randomBytes } from 'node:crypto';
import type { DoctorReport, SelfTest, StepEvent } from '../../contract/boards.ts';
import { OipClient } from '../client.ts';
import { BoardError } from '../errors.ts';
import type { Tensor } from '../protocol.ts';
import type { CommandOptions, SshConnection } from '../ssh/connection.ts';
import { execAsRoot, lastLine, quote } from '../ssh/shell.ts';
import { upload } from '../ssh/upload.ts';
import { diagnose } from './doctor.ts';
import { bundlePath, installPlan, overlayCheck, overlayPath, overlayStaging, tokenPath, versionPath, type PlanInput, type PlannedOverlay, type Step } from './plan.ts';
import { parseProbe, probeScript, staging, type BoardLayout } from './probe.ts';
import { LIBRARY, rollbackScript, serviceText, supervisor, uninstallScript, withoutPlScript, type Installed } from './service.ts';

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
/** A Cortex-A9 compiles the runtime in minutes; how many nobody has measured. */
const BUILD_TIMEOUT_MS = 3_600_000;
const LOG_CHARS = 4_000;

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

/**
 * Runs the plan of `input`; rejects with BoardError, whose message names the step, after what that step had done was taken back. A PL that is refused or answers wrong fails nothing: its step
 * says so and the processor computes.
 */
export async function install(session: Session, input: Installation): Promise<SelfTest[]> {
  // Without its overlay, once that proves not to fit.
  let plan: Installation = input;
  const tests: SelfTest[] = [];
  for (const { id } of installPlan(input)) {
    const began = performance.now();
    const tell = (state: InstallEvent['state'], fraction: number | null = null, message = ''): void => input.onEvent?.({ step: id, state, fraction, ms: performance.now() - began, message });
    const onProgress = (fraction: number): void => tell('running', fraction);
    const step = installPlan(plan).find((one) => one.id === id);
    // Of an overlay that turned out not to fit there is nothing to test.
    if (!step) {
      tell('already');
      continue;
    }
    tell('running');
    try {
      if (step.done !== undefined && (await run(session, step, step.done)).code === 0) tell('already');
      else if (id === 'self-test') {
        tests.push(...await selfTest(session, plan));
        tell('done');
      } else if (id === 'pl-test') {
        const { told, message, state } = await testPl(session, plan);
        tests.push(...told);
        tell(state, null, message);
      } else if (id === 'overlay' && plan.overlay) {
        const refusal = await bringOverlay(session, plan, plan.overlay, onProgress);
        if (refusal !== undefined) plan = { ...plan, overlay: undefined };
        const { stdout } = await carryOut(session, installPlan(plan).find((one) => one.id === id)!, plan);
        tell('done', null, refusal ?? stdout.trim());
      } else if (id === 'upload') {
        checked(session.ssh, await session.ssh.exec(`umask 077; mkdir -p ${quote(staging(plan.home))}`, { signal: session.signal }));
        await upload(session.ssh, plan.bundle, bundlePath(plan.home, plan.version), { signal: session.signal, onProgress: (done, total) => onProgress(done / total) });
        tell('done');
      } else {
        const { stdout } = await carryOut(session, step, plan, onProgress);
        tell('done', null, stdout.trim().slice(-LOG_CHARS));
      }
    } catch (error) {
      if (!(error instanceof BoardError)) throw error;
      const undone = step.undo !== undefined && await run({ ...session, signal: undefined }, step, step.undo).then(({ code }) => code === 0, () => false);
      tell(undone ? 'undone' : 'failed', null, error.message);
      throw new BoardError(error.code, `Step '${id}' failed. ${error.message} Run it again: what is done stays done.`, { cause: error });
    }
  }
  return tests;
}

async function carryOut(session: Session, step: Step, plan: Installation, onProgress?: (fraction: number) => void): ReturnType<SshConnection['exec']> {
  // The runtime's build says which file of how many it is at.
  const onText = (text: string): void => {
    const [, at, of] = /^(\d{1,4})\/(\d{1,4}) /m.exec(text) ?? [];
    if (at !== undefined && Number(of) > 0) onProgress?.(Math.min(1, Number(at) / Number(of)));
  };
  const result = await run(session, step, step.run, step.id === 'service' ? serviceText(plan, plan.overlay !== undefined) : '', { onText, timeoutMs: step.id === 'build' ? BUILD_TIMEOUT_MS : SCRIPT_TIMEOUT_MS });
  checked(session.ssh, result);
  return result;
}

const run = ({ ssh, sudoPassword, signal }: Session, step: Step, script: string, stdin = '', options: CommandOptions = { timeoutMs: SCRIPT_TIMEOUT_MS }): ReturnType<SshConnection['exec']> =>
  step.as === 'root' ? execAsRoot(ssh, script, sudoPassword, { ...options, signal, stdin }) : ssh.exec(`sh -c ${quote(script)}`, { ...options, signal });

function checked(ssh: SshConnection, { code, stderr }: { code: number; stderr: string }): void {
  if (code !== 0) throw new BoardError('command-failed', `Board ${ssh.address}: ${lastLine(stderr) || `exit code ${code}`}.`);
}

/** Sends it where it must be sent, and asks the new version's agent whether it fits. Why not, where it is the one that was there; throws where it is a new one. */
async function bringOverlay({ ssh, layout, signal }: Session, { python, home, version }: Installation, { sha256, files }: PlannedOverlay, onProgress: (fraction: number) => void): Promise<string | undefined> {
  const folder = files ? overlayStaging(home, sha256) : overlayPath(layout, sha256);
  if (files) {
    const total = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
    let before = 0;
    checked(ssh, await ssh.exec(`umask 077; mkdir -p ${quote(folder)}`, { signal }));
    for (const { name, bytes } of files) {
      await upload(ssh, bytes, `${folder}/${name}`, { signal, onProgress: (done) => onProgress((before + done) / total) });
      before += bytes.length;
    }
  }
  const { code, stdout, stderr } = await ssh.exec(`sh -c ${quote(overlayCheck(layout, python, version, folder))}`, { signal });
  if (code === 0) return undefined;
  let why = lastLine(stderr);
  try {
    why = String((JSON.parse(stdout) as { error: unknown }).error);
  } catch {
    // What it said otherwise will do.
  }
  if (files) throw new BoardError('command-failed', `Board ${ssh.address}: the overlay cannot be used: ${why}.`);
  return `The overlay that was there does not fit this version: ${why}. The processor computes until one is imported.`;
}

/** What the PL answers, through the service that runs now. Wrong answers take it away; a refusal leaves it, as its reason may pass. */
async function testPl(session: Session, input: Installation): Promise<{ told: SelfTest[]; message: string; state: 'done' | 'undone' }> {
  const { ssh, layout, signal } = session;
  const token = await readToken(ssh);
  try {
    const told = await compare(ssh, layout.port, token, input.vectors, signal);
    const hardware = told.filter(({ backend }) => backend === 'hardware');
    if (hardware.length > 0) return { told: hardware, message: '', state: 'done' };
    return { told: [], message: `The PL is not used, the processor computes: ${await plRefusal(ssh, layout.port, token, signal) || 'no model can run on it'}.`, state: 'done' };
  } catch (error) {
    if (!(error instanceof BoardError) || error.code === 'board-unreachable' || error.code === 'cancelled') throw error;
    checked(ssh, await execAsRoot(ssh, withoutPlScript(input), session.sudoPassword, { signal, stdin: serviceText(input, false), timeoutMs: SCRIPT_TIMEOUT_MS }));
    await compare(ssh, layout.port, token, input.vectors, signal);
    return { told: [], message: `The PL is taken away from the agent, the processor computes: ${error.message}`, state: 'undone' };
  }
}

async function plRefusal(ssh: SshConnection, port: number, token: string, signal?: AbortSignal): Promise<string> {
  const client = agentClient(ssh, port, token);
  try {
    return String((await client.serverMetadata({ signal })).parameters?.['pl_refusal'] ?? '');
  } finally {
    client.close();
  }
}

/** The version's own agent, as the login and on a free port, until its connection is closed. */
async function selfTest({ ssh, signal }: Session, { layout, version, python, vectors }: Installation): Promise<SelfTest[]> {
  const folder = versionPath(layout, version);
  const token = randomBytes(32).toString('base64url');
  const words = [python, '-E', '-s', '-B', '-m', 'fabriclens_agent', '--models', `${folder}/models`, '--runtime', `${folder}/${LIBRARY}`, '--port', '0', '--token-stdin', '--exit-with-parent'];
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

/** Every vector's outputs, bit for bit; what answered is told by what the agent says of each answer. */
export async function compare(ssh: SshConnection, port: number, token: string | undefined, vectors: readonly Vector[], signal?: AbortSignal): Promise<SelfTest[]> {
  const client = agentClient(ssh, port, token);
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
    const tests = new Map<string, SelfTest>();
    for (const { model, input, outputs } of vectors) {
      const answer = await client.infer(model, [input], { signal, outputs: [...outputs.keys()] });
      for (const [name, wanted] of outputs) {
        const got = answer.outputs.get(name)!;
        if (!Buffer.from(bytesOf(wanted)).equals(bytesOf(got))) throw new BoardError('command-failed', `Board ${ssh.address}: model ${model} answers '${name}' otherwise than the golden model; do not use it, and report this.`);
      }
      const backend = String(answer.parameters['backend'] ?? '');
      const { models, vectors: count } = tests.get(backend) ?? { models: [], vectors: 0 };
      tests.set(backend, { backend, models: [...new Set([...models, model])], vectors: count + 1 });
    }
    return [...tests.values()];
  } finally {
    client.close();
  }
}

const bytesOf = ({ data }: Tensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

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
  const { stdout } = await session.ssh.exec(supervisor(session.layout, report.systemd).status, { signal: session.signal });
  return { active: stdout.trim() || 'unknown', version: report.installed };
}
/** Its last 200 lines. */
export const logs = async (session: Session, report: DoctorReport): Promise<string> => (await asRoot(session, supervisor(session.layout, report.systemd).logs)).stdout;

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

/** Of an agent on the board's loopback, through that connection. */
export const agentClient = (ssh: SshConnection, port: number, token: string | undefined): OipClient =>
  new OipClient({ host: ssh.address.replace(/:\d+$/, ''), port, token, connect: () => ssh.stream(port) });

const installed = ({ layout }: Session, { systemd, python, home }: DoctorReport): Installed => ({ layout, systemd, python, home });
