/** `npm run bench [-- --json] [--runs N] [--no-window]`: scripts/run-bundled.mjs bundles and runs it. */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { resolveResources, rootOf } from '../../src/hosts/resources.ts';
import { benchEngines } from './engines.ts';
import { printTable, type Row } from './table.ts';
import { benchWindow } from './window.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, runs: { type: 'string', default: '60' }, 'no-window': { type: 'boolean', default: false } } });
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const resources = resolveResources(rootOf(import.meta.url));

const rows: Row[] = await benchEngines(resources, Number(values.runs), say);
if (!values['no-window']) rows.push(...(await benchWindow(7, say)));

const machine = { cpu: cpus()[0]?.model.trim() ?? '', cores: cpus().length, node: process.version };
process.stdout.write(values.json ? `${JSON.stringify({ machine, software: resources.version, rows }, null, 2)}\n` : `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}\n${printTable(rows)}\n`);
