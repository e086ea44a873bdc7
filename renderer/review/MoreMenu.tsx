/** What is wanted less often, or has no room in a narrow toolbar, behind one button of it. */
import { Menu } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { ActionItem, ActionMenu } from '../ui/ActionMenu.tsx';
import { useView } from '../ui/app.ts';

export function MoreMenu(): JSX.Element {
  const { t } = useTranslation();
  const shown = useView((v) => v.status === 'shown');
  return (
    <ActionMenu icon="more" label={t('viewer.more')} testId="more-menu" disabled={!shown}>
      <ActionItem id="tool.magnifier" />
      <ActionItem id="key.toggle" />
      <ActionItem id="key.next" />
      <ActionItem id="image.tags" />
      <ActionItem id="image.export" />
      <ActionItem id="study.anonymise" />
      <ActionItem id="window.fullScreen" />
      <Menu.Divider />
      <ActionItem id="cine.toggle" />
      <ActionItem id="cine.faster" />
      <ActionItem id="cine.slower" />
      <Menu.Divider />
      <ActionItem id="view.actualSize" />
      <ActionItem id="view.turn" />
      <ActionItem id="view.mirror" />
      <ActionItem id="view.smooth" />
      <ActionItem id="view.planes" />
      <ActionItem id="view.reset" />
    </ActionMenu>
  );
}
