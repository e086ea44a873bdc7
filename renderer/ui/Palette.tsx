/** Every action that is possible now, found by its words in either language. */
import { useEffect, useId, useMemo, useRef, useState, type JSX, type KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { ACTIONS, type ActionId } from '../actions/actions.ts';
import { findActions, type Entry } from '../actions/find.ts';
import { shortcutText, useApp, useAppState, useSituationOnce } from './app.ts';
import { Icon } from './icons.tsx';

export function Palette(): JSX.Element | null {
  const open = useAppState((s) => s.paletteOpen);
  return open ? <Open /> : null;
}

function Open(): JSX.Element {
  const { t, i18n } = useTranslation();
  const { session, perform } = useApp();
  const id = useId();
  const ref = useRef<HTMLDialogElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const now = useSituationOnce();
  const entries = useMemo((): Entry[] => {
    // Nothing is said twice: Open files, not Open: Open files.
    const labelOf = (group: string, name: string): string => (name.startsWith(group) ? name : t('palette.entry', { group, name }));
    const words = (['en', 'zh-CN'] as const).map((language) => i18n.getFixedT(language));
    const group = (action: ActionId): 'open' => action.split('.')[0] as 'open';
    return ACTIONS.filter((action) => action.id !== 'help.palette' && action.possible(now)).map((action) => ({
      id: action.id,
      label: labelOf(t(`palette.group.${group(action.id)}`), t(`action.${action.id}`)),
      words: words.map((of) => `${of(`palette.group.${group(action.id)}`)} ${of(`action.${action.id}`)}`).join(' '),
      shortcut: action.shortcuts[0] ?? '',
    }));
  }, [t, i18n, now]);
  const found = useMemo(() => findActions(entries, query), [entries, query]);
  const chosen = Math.min(at, found.length - 1);

  useEffect(() => ref.current!.showModal(), []);
  useEffect(() => list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' }), [chosen]);
  const run = (action: string): void => {
    // Closed first, so that the focus is back where the action expects it.
    ref.current!.close();
    perform(action);
  };
  const key = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length > 0) setAt((chosen + step + found.length) % found.length);
    else if (event.key === 'Enter' && found[chosen]) run(found[chosen].id);
    else return;
    event.preventDefault();
  };
  return (
    <dialog ref={ref} className="palette" aria-label={t('palette.title')} data-testid="palette" onClose={() => session.store.set({ paletteOpen: false })} onClick={(event) => event.target === ref.current && ref.current.close()}>
      <input
        autoFocus role="combobox" aria-expanded="true" aria-controls={`${id}-list`} aria-activedescendant={found[chosen] ? `${id}-${found[chosen].id}` : undefined} aria-autocomplete="list"
        aria-label={t('palette.search')} placeholder={t('palette.search')} value={query} onKeyDown={key}
        onChange={(event) => {
          setQuery(event.target.value);
          setAt(0);
        }}
      />
      <ul ref={list} id={`${id}-list`} role="listbox" aria-label={t('palette.title')}>
        {found.map((entry, index) => {
          const { icon } = ACTIONS.find((action) => action.id === entry.id)!;
          return (
            <li key={entry.id} id={`${id}-${entry.id}`} role="option" aria-selected={index === chosen} onPointerMove={() => setAt(index)} onClick={() => run(entry.id)}>
              {icon ? <Icon name={icon} /> : <span className="no-icon" />}
              <span className="grow">{entry.label}</span>
              {entry.shortcut && <kbd>{shortcutText(entry.shortcut)}</kbd>}
            </li>
          );
        })}
      </ul>
      {found.length === 0 && <p className="dim pad" role="status">{t('palette.nothing')}</p>}
    </dialog>
  );
}
