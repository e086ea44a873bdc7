import { Button } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { BoardStatus } from '../../src/contract/ipc.ts';
import { useApp, useAppState, useTextOf } from '../ui/app.ts';
import { Icon, type IconName } from '../ui/icons.tsx';

const STATE_ICONS: Record<BoardStatus['state'], IconName> = { starting: 'clock', connecting: 'clock', ready: 'check', busy: 'check', degraded: 'warning', lost: 'warning', absent: 'error' };

export function Boards(): JSX.Element {
  const { t } = useTranslation();
  const boards = useAppState((s) => s.boards);
  return (
    <main className="screen" aria-label={t('boards.title')}>
      <div className="screen-body narrow">
        <h2 className="screen-title">{t('boards.title')}</h2>
        <div className="callout info"><Icon name="info" size={18} /><p>{t('boards.untried')}</p></div>
        {boards.length === 0 && <p className="dim">{t('boards.none')}</p>}
        {boards.map((board) => <Board key={board.id} board={board} />)}
      </div>
    </main>
  );
}

function Board({ board }: { board: BoardStatus }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const { session } = useApp();
  const name = textOf(`boards.name.${board.id}`, board.name);
  const busy = board.state === 'starting' || board.state === 'connecting';
  return (
    <section className="card board" aria-label={name} data-testid="board" data-state={board.state}>
      <header>
        <Icon name="boards" size={24} />
        <div className="grow">
          <h3 className="card-title">{name}</h3>
          <p className="dim">{board.virtual ? t('boards.virtual') : t('boards.physical')}</p>
        </div>
        <span className={`state state-${board.state}`} role="status"><Icon name={STATE_ICONS[board.state]} size={16} />{t(`boards.state.${board.state}`)}</span>
      </header>
      {board.message && <p className={board.state === 'ready' ? 'dim' : 'callout warning'} lang="en">{board.message}</p>}
      <dl className="facts">
        <dt>{t('boards.address')}</dt><dd><code>{board.address || '–'}</code></dd>
        <dt>{t('boards.backend')}</dt><dd>{board.backend ? textOf(`boards.backends.${board.backend}`, board.backend) : t('boards.unknown')}</dd>
        <dt>{t('boards.models')}</dt><dd>{board.models.join(', ') || '–'}</dd>
      </dl>
      <Button size="xs" variant="default" disabled={busy} onClick={() => void session.reconnect(board.id)} leftSection={<Icon name="plug" />}>{board.virtual ? t('boards.restart') : t('boards.reconnect')}</Button>
    </section>
  );
}
