/** Reads what Vitest's JSON reporter wrote. */

/**
 * @param {{ testResults: Array<{ name: string, status: string, message?: string, assertionResults: Array<{ fullName: string, status: string }> }> }} report
 * @returns {{ passed: number, failed: number, skipped: string[], failures: string[] }} a file that could not be read or run counts as one failure
 */
export function tally(report) {
  const result = { passed: 0, failed: 0, skipped: [], failures: [] };
  for (const file of report.testResults) {
    const before = result.failed;
    for (const { fullName, status } of file.assertionResults) {
      if (status === 'passed') result.passed++;
      else if (status === 'failed') {
        result.failed++;
        result.failures.push(fullName);
      } else result.skipped.push(fullName);
    }
    if (file.status === 'failed' && result.failed === before) {
      result.failed++;
      result.failures.push(`${file.name}: ${(file.message ?? '').split('\n')[0]}`);
    }
  }
  return result;
}

/** Skips that no line of `allowed` names. `#` starts a comment. */
export function unlisted(skipped, allowed) {
  const names = new Set(allowed.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')));
  return skipped.filter((name) => !names.has(name));
}
