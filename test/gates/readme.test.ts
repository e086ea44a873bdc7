/** Both READMEs say what the evaluation measured and what package.json can run; every file they point to is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readEvaluation } from '../../models/eval/card.ts';
import type { Row } from '../../models/eval/record.ts';
import { ROOT } from '../support/data.ts';

const evaluation = readEvaluation('pneumonia');
const ENGINES = { fp32: 'cpu-fp32', int8: 'cpu-int8' } as const;
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

const figures = (readme: string, row: 'fp32' | 'int8'): string[] => {
  const line = readme.split('\n').find((text) => text.startsWith(`| ${row} |`));
  return line ? line.split('|').slice(2, 6).map((cell) => cell.trim()) : [];
};
const measured = ({ auc, accuracy, sensitivity, specificity }: Row): string[] => [auc, accuracy, sensitivity, specificity].map((value) => value.toFixed(3));

describe.each(['README.md', 'README.zh-CN.md'])('%s', (name) => {
  const text = readFileSync(join(ROOT, name), 'utf8');

  test.each(['fp32', 'int8'] as const)('its %s figures are the evaluation’s', (row) => {
    expect(figures(text, row)).toEqual(measured(evaluation.test.rows.find(({ engine }) => engine === ENGINES[row])!));
  });

  test('every npm command in it exists', () => {
    const commands = [...text.matchAll(/(?:^|`|-a )npm (?:run )?([a-z:]+)/gm)].map((match) => match[1]!).filter((word) => word !== 'run');
    expect(commands.length).toBeGreaterThan(5);
    expect(commands.filter((command) => !(command in scripts))).toEqual([]);
  });

  test('every file it points to is there', () => {
    const targets = [...text.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1]!).filter((target) => !/^https?:/.test(target));
    expect(targets.length).toBeGreaterThan(6);
    expect(targets.filter((target) => !existsSync(join(ROOT, target)))).toEqual([]);
  });
});
