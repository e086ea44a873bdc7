import { Button } from '@mantine/core';
import { useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { BoardStatus } from '../../src/contract/ipc.ts';
import { boardOf } from '../state/selectors.ts';
import { useApp, useAppState, useTextOf } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';
import { BoardPage } from './boards/BoardPage.tsx';
import { BoardState } from './boards/BoardState.tsx';
import { DirectForm } from './boards/DirectForm.tsx';
import { SetUpBoard } from './boards/SetUpBoard.tsx';

export function Boards(): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const boards = useAppState((s) => s.boards);
  const board = useAppState(boardOf);
  const provisioning = useAppState((s) => s.provisioning);
  // The wizard stays as it is while a board is looked at.
  const [beside, setBeside] = useState<'wizard' | 'direct' | null>(provisioning === null ? null : 'wizard');
  const wizard = beside === 'wizard' && provisioning !== null;
  const direct = beside === 'direct';
  const show = (id: string): void => {
    setBeside(null);
    session.store.set({ boardId: id });
  };
  const setUp = (resumed: BoardStatus | null): void => {
    setBeside('wizard');
    if (resumed) void session.provisioner.resume(resumed);
    else session.provisioner.begin();
  };
  return (
    <main className="screen split" aria-label={t('boards.title')}>
      <div className="screen-list">
        <h2 className="screen-title">{t('boards.title')}</h2>
        <div className="list-buttons">
          <Button size="xs" variant="default" leftSection={<Icon name="zoomIn" />} disabled={provisioning !== null} data-testid="add-board" onClick={() => setUp(null)}>{t('boards.add')}</Button>
          <Button size="xs" variant="subtle" disabled={direct} data-testid="add-direct" onClick={() => setBeside('direct')}>{t('boards.addDirect')}</Button>
        </div>
        {provisioning !== null && (
          <button type="button" className="list-item" aria-current={wizard} data-testid="provisioning-item" onClick={() => setBeside('wizard')}>
            <strong className="ellipsis">{provisioning.board?.name ?? t('boards.new')}</strong>
            <span className="dim">{t('boards.settingUp', { step: t(`setup.step.${provisioning.step}`) })}</span>
          </button>
        )}
        {boards.length === 0 && <p className="dim">{t('boards.none')}</p>}
        {boards.map((one) => <Item key={one.id} board={one} current={!wizard && !direct && one.id === board?.id} onShow={() => show(one.id)} />)}
      </div>
      {wizard && <div className="screen-body"><SetUpBoard now={provisioning} /></div>}
      {direct && <div className="screen-body"><DirectForm onDone={(id) => (id === null ? setBeside(null) : show(id))} /></div>}
      {!wizard && !direct && board && <div className="screen-body" tabIndex={0} role="region" aria-label={t('boards.about')}><BoardPage key={board.id} board={board} onSetUp={provisioning === null ? () => setUp(board) : null} /></div>}
    </main>
  );
}

function Item({ board, current, onShow }: { board: BoardStatus; current: boolean; onShow: () => void }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  return (
    <button type="button" className="list-item" aria-current={current} data-testid="board-item" data-state={board.state} onClick={onShow}>
      <strong className="ellipsis">{textOf(`boards.name.${board.id}`, board.name)}</strong>
      <span className="list-line"><BoardState board={board} />{!board.use && <span className="unused">{t('boards.unused')}</span>}</span>
      <span className="dim ellipsis">{t(`boards.link.${board.link}`)}{board.address !== '' && ` · ${board.address}`}</span>
    </button>
  );
}
