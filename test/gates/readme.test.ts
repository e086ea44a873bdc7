/** Both READMEs say what the evaluation measured and what package.json can run; every file they point to is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';

interface Figures {
  auc: number;
  accuracy: number;
  sensitivity: number;
  specificity: number;
}
const evaluation = JSON.parse(readFileSync(join(ROOT, 'models/pneumonia/evaluation.json'), 'utf8')) as { test: Record<'fp32' | 'int8', Figures> };
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

const figures = (readme: string, row: 'fp32' | 'int8'): string[] => {
  const line = readme.split('\n').find((text) => text.startsWith(`| ${row} |`));
  return line ? line.split('|').slice(2, 6).map((cell) => cell.trim()) : [];
};
const measured = ({ auc, accuracy, sensitivity, specificity }: Figures): string[] => [auc, accuracy, sensitivity, specificity].map((value) => value.toFixed(3));

describe.each(['README.md', 'README.zh-CN.md'])('%s', (name) => {
  const text = readFileSync(join(ROOT, name), 'utf8');

  test.each(['fp32', 'int8'] as const)('its %s figures are the evaluation’s', (row) => {
    expect(figures(text, row)).toEqual(measured(evaluation.test[row]));
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
