/** The way of a board from the network to "ready": what is known and chosen so far, and what follows from it. Pure. */
import type { Connected, DoctorReport, Finding, Found, Grade, Installed, Plan, PlanStep, StepEvent } from '../../src/contract/boards.ts';
import type { BoardStatus, PickedFile } from '../../src/contract/ipc.ts';

export const SETUP_STEPS = ['find', 'trust', 'check', 'plan', 'install', 'test', 'ready'] as const;
export type SetupStep = (typeof SETUP_STEPS)[number];

/** `code` is stable; `message` is the host's English. */
export interface Failure {
  code: string;
  message: string;
}

/** The password for sudo: not known yet, or not the right one. */
export type Locked = 'needed' | 'refused';

export interface Provisioning {
  step: SetupStep;
  /** What was typed to look for: an address or a subnet. */
  where: string;
  /** null: nobody has looked yet. */
  found: readonly Found[] | null;
  looked: { done: number; total: number } | null;
  address: string;
  user: string;
  connected: Connected | null;
  /** A person says that the fingerprint is the board's. */
  compared: boolean;
  keyFile: PickedFile | null;
  /** A public key of the reader's own. */
  publicKey: PickedFile | null;
  /** Once trusted. */
  board: { id: string; name: string } | null;
  secured: { done: readonly string[]; fingerprint: string | null } | null;
  report: DoctorReport | null;
  overlay: PickedFile | null;
  plan: Plan | null;
  events: readonly StepEvent[];
  installed: Installed | null;
  /** Of the installation, by this computer's clock (milliseconds). */
  startedAt: number | null;
  endedAt: number | null;
  busy: 'find' | 'connect' | 'pick' | 'unlock' | 'secure' | 'check' | 'plan' | 'install' | 'cancel' | null;
  locked: Locked | null;
  failure: Failure | null;
}

export const NEW_BOARD: Provisioning = {
  step: 'find', where: '', found: null, looked: null, address: '', user: 'xilinx', connected: null, compared: false, keyFile: null, publicKey: null, board: null, secured: null,
  report: null, overlay: null, plan: null, events: [], installed: null, startedAt: null, endedAt: null, busy: null, locked: null, failure: null,
};

/** What the reader may stop. */
export const STOPPABLE: ReadonlySet<Provisioning['busy']> = new Set(['find', 'connect', 'check', 'plan', 'install']);

/** What the list can offer for a board: `continue` where its installation was left, `update` where it is through. */
export function offerOf({ ssh }: BoardStatus): 'continue' | 'update' | null {
  if (ssh === undefined) return null;
  return ssh.installed === '' ? 'continue' : 'update';
}

/** May the wizard go on from here? */
export function mayGoOn({ step, busy, address, connected, compared, report, plan }: Provisioning): boolean {
  if (busy !== null && busy !== 'pick') return false;
  if (step === 'find') return address !== '';
  if (step === 'trust') return connected?.state === 'trusted' || (connected?.state === 'unknown' && compared);
  if (step === 'check') return report !== null;
  if (step === 'plan') return plan !== null && plan.obstacles.length === 0;
  return step === 'test';
}

export interface StepLine extends PlanStep {
  /** `waiting`: its turn has not come. */
  state: StepEvent['state'] | 'waiting';
  fraction: number | null;
  ms: number;
  message: string;
}

/** The plan with what has happened of it. A step that the plan did not name stands at the end, under its id. */
export function stepLines(steps: readonly PlanStep[], events: readonly StepEvent[]): StepLine[] {
  const last = new Map(events.map((event) => [event.step, event]));
  const unplanned = [...last.keys()].filter((id) => !steps.some((step) => step.id === id)).map((id): PlanStep => ({ id, title: id, as: 'login', why: '' }));
  return [...steps, ...unplanned].map((step) => {
    const { state = 'waiting', fraction = null, ms = 0, message = '' } = last.get(step.id) ?? {};
    return { ...step, state, fraction, ms, message };
  });
}

export const GRADES: readonly Grade[] = ['red', 'amber', 'green'];

/** What wants attention first; in the report's own order within a grade. */
export const byGrade = (findings: readonly Finding[]): Finding[] => GRADES.flatMap((grade) => findings.filter((finding) => finding.grade === grade));
