import { Button, Switch } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Workspace } from '../../state/store.ts';
import type { Provisioning } from '../../state/provisioning.ts';
import { useApp, useAppState } from '../../ui/app.ts';
import { Icon, type IconName } from '../../ui/icons.tsx';
import { BoardState } from './BoardState.tsx';

export function ReadyStep({ now: { board } }: { now: Provisioning }): JSX.Element | null {
  const { t } = useTranslation();
  const { session } = useApp();
  const status = useAppState((s) => s.boards.find(({ id }) => id === board?.id));
  if (!board) return null;
  const go = (workspace: Workspace): void => {
    session.store.set({ workspace, boardId: board.id });
    session.provisioner.leave();
  };
  const way = (icon: IconName, what: 'review' | 'models' | 'boards'): JSX.Element => (
    <li>
      <Icon name={icon} size={22} />
      <div className="grow"><strong>{t(`setup.ready.${what}.title`)}</strong><p className="dim">{t(`setup.ready.${what}.text`)}</p></div>
      <Button size="xs" variant={what === 'review' ? 'filled' : 'default'} data-testid={`ready-${what}`} onClick={() => go(what)}>{t(`setup.ready.${what}.go`)}</Button>
    </li>
  );
  return (
    <>
      <div className="verdict agree" role="status" data-testid="ready">
        <Icon name="check" size={20} />
        <div className="grow">
          <strong>{t('setup.ready.done', { name: board.name })}</strong>
          {status && <p><BoardState board={status} /></p>}
          {status?.message && <p className="dim" lang="en">{status.message}</p>}
        </div>
        {status && <Switch className="verdict-switch" size="sm" label={t('boards.use')} checked={status.use} onChange={(event) => void session.keeper.use(board.id, event.currentTarget.checked)} />}
      </div>
      <ul className="ways">
        {way('review', 'review')}
        {way('models', 'models')}
        {way('boards', 'boards')}
      </ul>
    </>
  );
}
