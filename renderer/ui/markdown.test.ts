import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseMarkdown, splitInline } from './markdown.ts';

test('blocks of a model card', () => {
  const text = '# Title\n\nOne line\nand its second.\n\n- a\n- b\n  goes on\n\n1. x\n2. y\n\n| set | AUC |\n|---|---:|\n| test | 0.96 |\n\n```\n# code\n```\nend';
  expect(parseMarkdown(text)).toEqual([
    { kind: 'heading', level: 1, text: 'Title' },
    { kind: 'paragraph', text: 'One line and its second.' },
    { kind: 'list', ordered: false, items: ['a', 'b goes on'] },
    { kind: 'list', ordered: true, items: ['x', 'y'] },
    { kind: 'table', head: ['set', 'AUC'], rows: [['test', '0.96']] },
    { kind: 'code', text: '# code' },
    { kind: 'paragraph', text: 'end' },
  ]);
});

test('spans', () => {
  expect(splitInline('a **b** `c*d*` *e* [here](https://x.org)')).toEqual([
    { kind: 'text', text: 'a ' }, { kind: 'strong', text: 'b' }, { kind: 'text', text: ' ' }, { kind: 'code', text: 'c*d*' },
    { kind: 'text', text: ' ' }, { kind: 'em', text: 'e' }, { kind: 'text', text: ' here (https://x.org)' },
  ]);
});

test('any text ends, and no word of a plain one is lost', () => {
  fc.assert(fc.property(fc.string(), (text) => {
    parseMarkdown(text);
    splitInline(text);
  }));
  fc.assert(fc.property(fc.array(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1 }), (words) => {
    expect(parseMarkdown(words.join(' '))).toEqual([{ kind: 'paragraph', text: words.join(' ') }]);
  }));
});
