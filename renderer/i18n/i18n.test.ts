/** Both languages have the same texts, every text is used, and no visible word stands in a component. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { WarningCode } from '../../src/contract/engine.ts';
import { en } from './en.ts';
import { zhCN } from './zh-CN.ts';

type Tree = { readonly [key: string]: string | Tree };
const flat = (tree: Tree, path = ''): Array<[string, string]> => Object.entries(tree).flatMap(([key, value]) => (typeof value === 'string' ? [[path + key, value] as [string, string]] : flat(value, `${path}${key}.`)));
const english = new Map(flat(en));
const chinese = new Map(flat(zhCN));

const folder = fileURLToPath(new URL('..', import.meta.url));
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name) && !/\.test\.ts$|\.d\.ts$|^i18n|^testing/.test(name))
  .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));

describe('texts', () => {
  test('both languages have the same keys, none empty', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort());
    for (const [key, text] of [...english, ...chinese]) expect(text, key).not.toBe('');
  });

  test('every warning that a comparison may carry has its text', () => {
    for (const code of WarningCode.options) expect(english.has(`warnings.code.${code}`), code).toBe(true);
  });

  test('both fill in the same values', () => {
    const holes = (text: string): string[] => [...new Set([...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]!))].sort();
    for (const [key, text] of english) expect(holes(chinese.get(key)!), key).toEqual(holes(text));
  });

  test('Chinese is Chinese: only names, units and numbers are the same in both', () => {
    const same = [...english].filter(([key, text]) => chinese.get(key) === text && /[a-z]{3}/i.test(text.replace(/\{\{\w+\}\}/g, ''))).map(([key]) => key);
    expect(same).toEqual(['status.version', 'engine.cpu-fp32', 'engine.cpu-int8', 'latency.source.rtl', 'identity.file', 'identity.overlay', 'metrics.measure.auc'].filter((key) => same.includes(key)));
  });

  test('every text is used, by its key or by the key it begins with', () => {
    const used = sources.flatMap(({ text }) => [...text.matchAll(/(?:\bt|textOf)\(\s*(?:\w+ \? )?['`]([\w.-]+?)\.?(?:\$\{|['`])/g), ...text.matchAll(/['`]([a-z]\w+(?:\.[\w-]+)+)['`]/g)].map((m) => m[1]!));
    const unused = [...english.keys()].filter((key) => !used.some((u) => key === u || key.startsWith(`${u}.`) || key.startsWith(`${u}_`)));
    expect(unused).toEqual([]);
  });

  /** Text between tags, and attributes that are read to people. */
  function hardCoded(name: string, text: string): string[] {
    const found: string[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isJsxText(node) && /\p{L}{2}/u.test(node.text)) found.push(`${name}: ${node.text.trim()}`);
      if (ts.isJsxAttribute(node) && node.initializer && ts.isStringLiteral(node.initializer) && /^(title|label|placeholder|alt|aria-label|aria-description)$/.test(node.name.getText(file))) found.push(`${name}: ${node.initializer.text}`);
      ts.forEachChild(node, visit);
    };
    const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
    visit(file);
    return found;
  }

  test('no visible word is written in a component', () => {
    expect(sources.filter(({ name }) => name.endsWith('.tsx')).length).toBeGreaterThan(10);
    expect(sources.flatMap(({ name, text }) => (name.endsWith('.tsx') ? hardCoded(name, text) : []))).toEqual([]);
  });

  test('a planted word is found', () => {
    expect(hardCoded('x.tsx', 'const a = <p title="Hello">{t("x")} world</p>;')).toEqual(['x.tsx: Hello', 'x.tsx: world']);
  });
});
