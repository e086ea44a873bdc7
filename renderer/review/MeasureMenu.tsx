/** The measuring tools, behind one button of the toolbar. */
import { Menu } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { isKind, KINDS } from '../measure/measure.ts';
import { ActionItem, ActionMenu } from '../ui/ActionMenu.tsx';
import { useAppState, useView } from '../ui/app.ts';

export function MeasureMenu(): JSX.Element {
  const { t } = useTranslation();
  const tool = useAppState((s) => s.tool);
  const shown = useView((v) => v.status === 'shown');
  const kind = isKind(tool) ? tool : null;
  return (
    <ActionMenu icon={kind ?? 'length'} label={kind ? t(`action.tool.${kind}`) : t('measure.menu')} testId="measure-menu" pressed={kind !== null} disabled={!shown}>
      {KINDS.map((each) => <ActionItem key={each} id={`tool.${each}`} />)}
      <Menu.Divider />
      <ActionItem id="measure.undo" />
      <ActionItem id="measure.redo" />
      <ActionItem id="measure.remove" />
      <ActionItem id="measure.clear" />
      <Menu.Divider />
      <ActionItem id="measure.export" />
    </ActionMenu>
  );
}
