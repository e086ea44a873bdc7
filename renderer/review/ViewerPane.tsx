/** The viewer: its toolbar over a grid of panes. */
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { countPanes, visiblePanes } from '../state/panes.ts';
import { useAppState } from '../ui/app.ts';
import { EmptyState } from './EmptyState.tsx';
import { Pane } from './Pane.tsx';
import { Toolbar } from './Toolbar.tsx';

export function ViewerPane(): JSX.Element {
  const { t } = useTranslation();
  const empty = useAppState((s) => s.library.studies.length === 0);
  return (
    <main className="viewer" aria-label={t('viewer.title')}>
      <Toolbar />
      {/* The panes are there before there is anything to show, so that the first picture need not wait for them. */}
      <div className="stage" data-empty={empty}>
        <Grid />
        {empty && <EmptyState />}
      </div>
    </main>
  );
}

function Grid(): JSX.Element {
  const layout = useAppState((s) => s.layout);
  const panes = useAppState((s) => s.panes);
  const active = useAppState((s) => s.active);
  const maximised = useAppState((s) => s.maximised);
  const seen = visiblePanes({ layout, panes, active, maximised });
  const { rows, columns } = maximised ? { rows: 1, columns: 1 } : layout;
  return (
    <div className="panes" data-testid="panes" data-rows={rows} data-columns={columns}>
      {seen.map((pane) => {
        const index = panes.indexOf(pane);
        return <Pane key={pane.id} pane={pane} index={index} active={index === active} count={maximised ? 1 : countPanes(layout)} />;
      })}
    </div>
  );
}
