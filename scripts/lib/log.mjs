/** What set-up says while it works: on stderr, so that `fabriclens --json` keeps stdout to itself. */

const started = Date.now();
const clock = () => `${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s`;

export const say = (text) => process.stderr.write(`[${clock()}] ${text}\n`);

/** An error whose message is all that its reader needs: printed without a stack. */
export class SetupError extends Error {}

const STILL_EVERY_MS = 15_000;

/** Runs `work`, saying what starts, now and then that it still goes on, and how long it took. */
export async function step(label, work) {
  say(`${label} …`);
  const from = Date.now();
  const seconds = () => ((Date.now() - from) / 1000).toFixed(1);
  const still = setInterval(() => say(`${label}: still at it after ${seconds()} s`), STILL_EVERY_MS);
  try {
    const result = await work();
    say(`${label}: done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(still);
  }
}

/** Entry point of a script: `run` gives the exit code (0 when nothing). A SetupError ends it with its message and code 1, anything else with its stack. */
export async function main(run) {
  try {
    process.exitCode = (await run()) ?? 0;
  } catch (error) {
    process.stderr.write(error instanceof SetupError ? `\n${error.message}\n` : `\n${error?.stack ?? error}\n`);
    // At once: electron-builder's exit hooks make a 0 of an exit code that is only set.
    process.exit(1);
  }
}
