import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { BoardStatus } from '../../../src/contract/ipc.ts';
import { Icon, type IconName } from '../../ui/icons.tsx';

export const STATE_ICONS: Record<BoardStatus['state'], IconName> = { starting: 'clock', connecting: 'clock', ready: 'check', busy: 'run', degraded: 'warning', lost: 'warning', absent: 'error' };

/** Icon and word: colour alone says nothing. */
export function BoardState({ state }: { state: BoardStatus['state'] }): JSX.Element {
  const { t } = useTranslation();
  return <span className={`state state-${state}`}><Icon name={STATE_ICONS[state]} size={16} />{t(`boards.state.${state}`)}</span>;
}
