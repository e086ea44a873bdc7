/** The window as its user waits for it: from launch to a page that answers, and from asking for a file to its first pixel. */
import type { Resources } from '../../src/hosts/resources.ts';
import type { Row } from './table.ts';

export function benchWindow(_resources: Resources, _runs: number, _say: (line: string) => void): Promise<Row[]> {
  return Promise.resolve([]);
}
