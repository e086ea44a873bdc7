/** How many panes, and which of them go together, behind one button of the toolbar. */
import { Menu } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { layoutId } from '../actions/actions.ts';
import { LAYOUTS, type Layout } from '../state/panes.ts';
import { ActionItem, ActionMenu } from '../ui/ActionMenu.tsx';
import { useAction, useAppState } from '../ui/app.ts';

export function LayoutMenu(): JSX.Element {
  const { t } = useTranslation();
  const { possible } = useAction('layout.1x1');
  const joined = useAppState(({ together }) => together.scroll || together.move || together.window);
  return (
    <ActionMenu icon="layout" label={t('layout.menu')} testId="layout-menu" pressed={joined} disabled={!possible}>
      <div className="layouts" role="group" aria-label={t('layout.panes')}>
        {LAYOUTS.map((layout) => <Choice key={layoutId(layout)} layout={layout} />)}
      </div>
      <Menu.Divider />
      <ActionItem id="prior.show" />
      <ActionItem id="pane.maximise" />
      <Menu.Divider />
      <ActionItem id="together.scroll" />
      <ActionItem id="together.move" />
      <ActionItem id="together.window" />
      <ActionItem id="together.lines" />
    </ActionMenu>
  );
}

/** Drawn as it is: what a reader looks for is the shape. */
function Choice({ layout }: { layout: Layout }): JSX.Element {
  const id = layoutId(layout);
  const { label, title, possible, pressed, run } = useAction(id);
  const { rows, columns } = layout;
  return (
    <Menu.RadioItem className="layout-choice" value={id} checked={pressed ?? false} title={title} data-testid={`action-${id}`} disabled={!possible} onClick={run} closeMenuOnClick>
      <span className="layout-shape" style={{ gridTemplate: `repeat(${rows}, 1fr) / repeat(${columns}, 1fr)` }} aria-hidden="true">{Array.from({ length: rows * columns }, (_, i) => <i key={i} />)}</span>
      {label}
    </Menu.RadioItem>
  );
}
