/**
 * Where the larger, uncommitted test data lie (`FABRICLENS_DATA`, by default `../shared/data` beside the checkout), and whether they do.
 * Tests that need them use `describe.skipIf(!hasData('dicom'))` under a name listed in test/allowed-skips.txt.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const DATA = resolve(ROOT, process.env['FABRICLENS_DATA'] ?? '../shared/data');

export type DataSet = 'dicom' | 'chest-xray-224' | 'pneumoniamnist-28';
export const dataPath = (set: DataSet, ...parts: string[]): string => resolve(DATA, set, ...parts);
export const hasData = (set: DataSet): boolean => existsSync(dataPath(set));
