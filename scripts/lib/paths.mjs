/** Where things lie. Everything that set-up makes is under node_modules/, build/, dist/ or .cache/ of the checkout. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const CACHE = join(ROOT, '.cache');
export const inRoot = (...parts) => join(ROOT, ...parts);
export const inCache = (...parts) => join(CACHE, ...parts);
