/** The measuring tools, behind one button of the toolbar. */
import { Menu } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { isKind, KINDS } from '../measure/measure.ts';
import { shortcutText, useAction, useAppState, useView } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';
import type { ActionId } from '../actions/actions.ts';

/** A menu that fades takes the first press of the tool that was chosen in it. */
const GONE_AT_ONCE = { duration: 0 };

export function MeasureMenu(): JSX.Element {
  const { t } = useTranslation();
  const tool = useAppState((s) => s.tool);
  const shown = useView((v) => v.status === 'shown');
  const kind = isKind(tool) ? tool : null;
  return (
    <Menu position="bottom-start" width={300} transitionProps={GONE_AT_ONCE}>
      <Menu.Target>
        <button type="button" className="tool" data-testid="measure-menu" aria-pressed={kind !== null} disabled={!shown}>
          <Icon name={kind ?? 'length'} size={18} />
          <span>{kind ? t(`action.tool.${kind}`) : t('measure.menu')}</span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {KINDS.map((each) => <Item key={each} id={`tool.${each}`} />)}
        <Menu.Divider />
        <Item id="measure.undo" />
        <Item id="measure.redo" />
        <Item id="measure.remove" />
        <Item id="measure.clear" />
        <Menu.Divider />
        <Item id="measure.export" />
      </Menu.Dropdown>
    </Menu>
  );
}

function Item({ id }: { id: ActionId }): JSX.Element {
  const { action, label, possible, run } = useAction(id);
  const [shortcut] = action.shortcuts;
  return (
    <Menu.Item data-testid={`action-${id}`} disabled={!possible} onClick={run} leftSection={action.icon ? <Icon name={action.icon} size={16} /> : <span style={{ width: 16 }} />} rightSection={shortcut && <kbd>{shortcutText(shortcut)}</kbd>}>
      {label}
    </Menu.Item>
  );
}
