/** A reporter for Vitest that, when the run is ended from outside, says which files had begun and not finished. */
import { relative } from 'node:path';

export default class UnfinishedReporter {
  #open = new Map();

  onTestRunStart() {
    process.once('SIGTERM', () => {
      for (const [file, after] of this.#open) process.stderr.write(`UNFINISHED: ${relative(process.cwd(), file)}${after ? `, after ${after}` : ''}\n`);
      process.exit(1);
    });
  }

  onTestModuleQueued({ moduleId }) { this.#open.set(moduleId, ''); }
  onTestCaseResult({ module: { moduleId }, fullName }) { this.#open.set(moduleId, fullName); }
  onTestModuleEnd({ moduleId }) { this.#open.delete(moduleId); }
}
