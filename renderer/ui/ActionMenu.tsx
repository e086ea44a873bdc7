import { Menu } from '@mantine/core';
import type { JSX, ReactNode } from 'react';
import type { ActionId } from '../actions/actions.ts';
import { shortcutText, useAction } from './app.ts';
import { Icon, type IconName } from './icons.tsx';

/** A menu that fades takes the first press of the tool that was chosen in it. */
const GONE_AT_ONCE = { duration: 0 };

/** A button of the toolbar that opens a menu of actions. `pressed`: what is on is behind it. */
export function ActionMenu({ icon, label, testId, pressed, disabled, children }: { icon: IconName; label: string; testId: string; pressed?: boolean; disabled: boolean; children: ReactNode }): JSX.Element {
  return (
    // In its place in the page, so that it lies within the viewer for a screen reader too.
    <Menu position="bottom-start" transitionProps={GONE_AT_ONCE} withinPortal={false} withInitialFocusPlaceholder={false} alignItemsLabels="none">
      <Menu.Target>
        <button type="button" className="tool" data-testid={testId} aria-pressed={pressed} disabled={disabled}>
          <Icon name={icon} size={18} />
          <span>{label}</span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  );
}

/** An action as a line of a menu: ticked where it is on. */
export function ActionItem({ id }: { id: ActionId }): JSX.Element {
  const { action, label, possible, pressed, run } = useAction(id);
  const [shortcut] = action.shortcuts;
  const icon = pressed && action.tick ? 'check' : action.icon;
  const common = { className: 'action-item', 'data-testid': `action-${id}`, disabled: !possible, onClick: run, closeMenuOnClick: true, rightSection: shortcut && <kbd>{shortcutText(shortcut)}</kbd> };
  const content = <span className="action-label">{icon ? <Icon name={icon} size={16} /> : <span className="no-icon" />}{label}</span>;
  return action.tick ? <Menu.CheckboxItem checked={pressed ?? false} {...common}>{content}</Menu.CheckboxItem> : <Menu.Item {...common}>{content}</Menu.Item>;
}
