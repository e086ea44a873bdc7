import type { Runtime } from './lib/electron.mjs';
export function checkNode(version?: string): void;
export function installedAsLocked(lock: { packages: Record<string, { version?: string; optional?: boolean }> }, noted: { packages: Record<string, { version?: string }> } | null): boolean;
export function setUp(purpose: 'start' | 'test' | 'cli' | 'core' | 'dicom'): Promise<Runtime | null>;
