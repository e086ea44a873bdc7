import { expect, test } from 'vitest';
import { ACTIONS } from '../../../renderer/actions/actions.ts';
import { MENU_ACTIONS, menuTemplate } from './menu.ts';

test('every item is an action of the page, under the shortcut that the page takes', () => {
  const shortcuts = new Map<string, readonly string[]>(ACTIONS.map(({ id, shortcuts }) => [id, shortcuts]));
  expect(MENU_ACTIONS.filter((id) => !shortcuts.has(id))).toEqual([]);
  const items = menuTemplate('en', () => {}).flatMap((menu) => menu.submenu as Electron.MenuItemConstructorOptions[]);
  for (const { id, accelerator } of items) {
    if (accelerator === undefined) continue;
    const shown = accelerator.replace('CommandOrControl', 'Ctrl').replace(/^Plus$/, '+').replace(/^Space$/, ' ').replace(/(Left|Right|Up|Down)$/, 'Arrow$1').toLowerCase();
    expect(shortcuts.get(id!)!.map((key) => key.toLowerCase()), id).toContain(shown);
  }
});

test('both languages have a label for everything, and a click performs the action', () => {
  const performed: string[] = [];
  for (const locale of ['en', 'zh-CN'] as const) {
    const menus = menuTemplate(locale, (action) => performed.push(action));
    const items = menus.flatMap((menu) => menu.submenu as Electron.MenuItemConstructorOptions[]).filter((item) => item.type !== 'separator');
    for (const item of [...menus, ...items]) expect(/\p{Script=Han}/u.test(item.label!)).toBe(locale === 'zh-CN');
    for (const item of items) (item.click as (() => void) | undefined)?.();
  }
  expect(performed).toEqual([...MENU_ACTIONS, ...MENU_ACTIONS]);
});
