/** What every component may reach, without passing it through each level. */
import { createContext, useContext, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LocalText } from '../../src/contract/model.ts';
import { actionById, type Action, type ActionId, type Situation } from '../actions/actions.ts';
import type { MeasureState, Measurer } from '../measure/measurer.ts';
import type { Session } from '../state/session.ts';
import { activePane } from '../state/panes.ts';
import { useStore, type AppState } from '../state/store.ts';
import type { View, Viewer } from '../viewport/viewer.ts';
import type { Viewers } from '../viewport/viewers.ts';
import type { DecodePool } from '../workers/pool.ts';

export interface App {
  session: Session;
  viewers: Viewers;
  measurer: Measurer;
  pool: DecodePool;
  /** Does an action if it is possible now; says whether it was. */
  perform: (id: string) => boolean;
}

export const AppContext = createContext<App | null>(null);
/** Of the pane that a component lies in. */
export const ViewerContext = createContext<Viewer | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error('useApp outside of AppContext');
  return app;
}
export const useAppState = <T>(select: (state: AppState) => T): T => useStore(useApp().session.store, select);
export const useMeasure = <T>(select: (measure: MeasureState) => T): T => useStore(useApp().measurer.store, select);
/** Of the pane that the component lies in; outside of panes, of the active one. */
export function useViewer(): Viewer {
  const { viewers } = useApp();
  const active = useAppState((s) => activePane(s).id);
  return useContext(ViewerContext) ?? viewers.of(active);
}
export const useView = <T>(select: (view: View) => T): T => useStore(useViewer().view, select);

/** An action with its present state, for a button. */
export function useAction(id: ActionId): { action: Action; label: string; title: string; possible: boolean; pressed: boolean | undefined; run: () => void } {
  const { perform } = useApp();
  const { t } = useTranslation();
  const action = actionById(id)!;
  const possible = useSituation((now) => action.possible(now));
  const pressed = useSituation((now) => action.pressed?.(now));
  const label = t(`action.${id}`);
  const [shortcut] = action.shortcuts;
  return { action, label, title: shortcut ? `${label} (${shortcutText(shortcut)})` : label, possible, pressed, run: () => perform(id) };
}

/** How things stand when a component comes to be. */
export function useSituationOnce(): Situation {
  const { session, viewers, measurer } = useApp();
  return useState(() => ({ app: session.store.get(), view: viewers.active.view.get(), measure: measurer.store.get() }))[0];
}

function useSituation<T extends boolean | undefined>(select: (now: Situation) => T): T {
  const { session, viewers, measurer } = useApp();
  const now = (): T => select({ app: session.store.get(), view: viewers.active.view.get(), measure: measurer.store.get() });
  useStore(viewers.of(useAppState((s) => activePane(s).id)).view, now);
  useStore(measurer.store, now);
  return useStore(session.store, now);
}

const KEY_NAMES: Record<string, string> = { ' ': 'Space', ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→', PageUp: 'Page Up', PageDown: 'Page Down', Escape: 'Esc' };
export const shortcutText = (shortcut: string): string => shortcut.split(/\+(?!$)/).map((part) => KEY_NAMES[part] ?? (part.length === 1 ? part.toUpperCase() : part)).join(' + ');

/** The text of a key made at run time (a code of the host), or `fallback` where we have none for it. */
export function useTextOf(): (key: string, fallback: string, values?: Record<string, string>) => string {
  const { t, i18n } = useTranslation();
  return (key, fallback, values = {}) => (i18n.exists(key) ? (t as (key: string, values: Record<string, string>) => string)(key, values) : fallback);
}

/** A model's text in the reader's language, or in English. */
export function useLocalText(): (text: LocalText) => string {
  const { i18n } = useTranslation();
  return (text) => (i18n.language === 'zh-CN' ? (text['zh-CN'] ?? text.en) : text.en);
}

/** A board by the name that the host has for it; the virtual one's is ours. */
export function useBoardName(): (name: string) => string {
  const { t } = useTranslation();
  return (name) => (name === 'Virtual board' ? t('boards.name.virtual') : name);
}
