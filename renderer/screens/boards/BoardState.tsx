import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { BoardStatus } from '../../../src/contract/ipc.ts';
import { wordOf } from '../../state/boards.ts';
import { Icon, type IconName } from '../../ui/icons.tsx';

export const STATE_ICONS: Record<ReturnType<typeof wordOf>, IconName> = { starting: 'clock', connecting: 'clock', ready: 'check', busy: 'run', degraded: 'warning', lost: 'warning', absent: 'error', unfinished: 'clock' };

/** Icon and word: colour alone says nothing. */
export function BoardState({ board }: { board: BoardStatus }): JSX.Element {
  const { t } = useTranslation();
  const word = wordOf(board);
  return <span className={`state state-${word}`}><Icon name={STATE_ICONS[word]} size={16} />{t(`boards.state.${word}`)}</span>;
}
