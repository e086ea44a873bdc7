import { describe, expect, test } from 'vitest';
import { belongsToControl, matches, type KeyPress } from './keymap.ts';

const press = (key: string, held: Partial<KeyPress> = {}): KeyPress => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

describe('shortcuts', () => {
  test('a letter means itself, in either case of the keyboard, without modifiers', () => {
    expect(matches('f', press('f'))).toBe(true);
    expect(matches('f', press('F'))).toBe(true);
    expect(matches('f', press('f', { ctrlKey: true }))).toBe(false);
    expect(matches('f', press('F', { shiftKey: true }))).toBe(false);
  });
  test('modifiers are exact; Command is Ctrl', () => {
    expect(matches('Ctrl+O', press('o', { ctrlKey: true }))).toBe(true);
    expect(matches('Ctrl+O', press('o', { metaKey: true }))).toBe(true);
    expect(matches('Ctrl+O', press('O', { ctrlKey: true, shiftKey: true }))).toBe(false);
    expect(matches('Ctrl+Shift+O', press('O', { ctrlKey: true, shiftKey: true }))).toBe(true);
  });
  test('signs may need Shift to be typed', () => {
    expect(matches('?', press('?', { shiftKey: true }))).toBe(true);
    expect(matches('+', press('+', { shiftKey: true }))).toBe(true);
    expect(matches('+', press('+'))).toBe(true);
    expect(matches('Ctrl+,', press(',', { ctrlKey: true }))).toBe(true);
  });
});

describe('keys that a control keeps', () => {
  const on = (change: Partial<Parameters<typeof belongsToControl>[0]>): Parameters<typeof belongsToControl>[0] => ({ tagName: 'DIV', role: null, type: '', editable: false, ...change });
  test('typing', () => {
    expect(belongsToControl(on({ tagName: 'INPUT', type: 'text' }), press('f'))).toBe(true);
    expect(belongsToControl(on({ tagName: 'INPUT', type: 'text' }), press('o', { ctrlKey: true }))).toBe(false);
  });
  test('what every text field does with its own text: taking back, choosing, carrying; elsewhere they are the viewer’s', () => {
    for (const key of ['z', 'Z', 'y', 'a', 'c', 'v', 'x']) expect(belongsToControl(on({ tagName: 'INPUT', type: 'text' }), press(key, { ctrlKey: true })), key).toBe(true);
    expect(belongsToControl(on({ tagName: 'INPUT', type: 'checkbox' }), press('z', { ctrlKey: true }))).toBe(false);
    expect(belongsToControl(on({ tagName: 'BUTTON' }), press('z', { ctrlKey: true }))).toBe(false);
  });
  test('arrows on a slider, not letters', () => {
    expect(belongsToControl(on({ role: 'slider' }), press('ArrowRight'))).toBe(true);
    expect(belongsToControl(on({ role: 'slider' }), press('h'))).toBe(false);
  });
  test('what presses a button', () => {
    for (const key of [' ', 'Enter']) expect(belongsToControl(on({ tagName: 'BUTTON' }), press(key))).toBe(true);
  });
  test('nothing else on a plain button', () => expect(belongsToControl(on({ tagName: 'BUTTON' }), press('ArrowDown'))).toBe(false));
});
