import { useEffect, useRef, useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { ACTIONS, type ActionId } from './actions/actions.ts';
import { Anonymise } from './review/Anonymise.tsx';
import { ComparisonPanel } from './review/ComparisonPanel.tsx';
import { ExportImage } from './review/ExportImage.tsx';
import { StudyPanel } from './review/StudyPanel.tsx';
import { TagBrowser } from './review/TagBrowser.tsx';
import { ViewerPane } from './review/ViewerPane.tsx';
import { Boards } from './screens/Boards.tsx';
import { STATE_ICONS } from './screens/boards/BoardState.tsx';
import { Models } from './screens/Models.tsx';
import { Results } from './screens/Results.tsx';
import { Settings } from './screens/Settings.tsx';
import { Studies } from './screens/Studies.tsx';
import { boardMarks, NAMED, takesRequests, wordOf } from './state/boards.ts';
import { shortcutText, useAction, useApp, useAppState, useTextOf } from './ui/app.ts';
import { Icon } from './ui/icons.tsx';
import { Palette } from './ui/Palette.tsx';

export function Window(): JSX.Element {
  const workspace = useAppState((s) => s.workspace);
  const panelOpen = useAppState((s) => s.panelOpen);
  return (
    <div className="window">
      <Banners />
      <div className="workspace">
        <Rail />
        {workspace === 'review' && (
          <div className={panelOpen ? 'review' : 'review folded'}>
            <StudyPanel />
            <ViewerPane />
            {panelOpen && <ComparisonPanel />}
          </div>
        )}
        {workspace === 'studies' && <Studies />}
        {workspace === 'results' && <Results />}
        {workspace === 'models' && <Models />}
        {workspace === 'boards' && <Boards />}
        {workspace === 'settings' && <Settings />}
      </div>
      <StatusBar />
      <Notices />
      <Shortcuts />
      <Palette />
      <ExportImage />
      <Anonymise />
      <TagBrowser />
      <DropTarget />
    </div>
  );
}

function Banners(): JSX.Element {
  const { t } = useTranslation();
  const info = useAppState((s) => s.info);
  const startError = useAppState((s) => s.startError);
  return (
    <header>
      <h1 className="sr-only">{t('title')}</h1>
      {info?.endOfLifeRuntime && <div className="banner" role="note" data-testid="eol-banner"><Icon name="warning" />{t('banner.endOfLife', { version: info.electron })}</div>}
      {info?.sandboxOff && <div className="banner" role="note" data-testid="sandbox-banner"><Icon name="warning" />{t('banner.sandboxOff')}</div>}
      {startError && <div className="banner error" role="alert"><Icon name="error" />{t('start.failed', { message: startError })}</div>}
    </header>
  );
}

function Rail(): JSX.Element {
  const { t } = useTranslation();
  return (
    <nav className="rail" aria-label={t('rail.title')}>
      <RailButton id="workspace.review" />
      <RailButton id="workspace.studies" />
      <RailButton id="workspace.results" />
      <RailButton id="workspace.models" />
      <RailButton id="workspace.boards" />
      <span className="grow" />
      <RailButton id="help.shortcuts" />
      <RailButton id="workspace.settings" />
    </nav>
  );
}

function RailButton({ id }: { id: ActionId }): JSX.Element {
  const { action, label, title, pressed, run } = useAction(id);
  return (
    <button type="button" className="rail-button" data-testid={`rail-${id}`} title={title} aria-current={pressed ? 'page' : undefined} onClick={run}>
      {action.icon && <Icon name={action.icon} size={22} />}
      <span>{label}</span>
    </button>
  );
}

function StatusBar(): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const boards = useAppState((s) => s.boards);
  const marks = boardMarks(boards);
  const running = useAppState((s) => Object.values(s.comparisons).filter((entry) => entry.state === 'running').length);
  const version = useAppState((s) => s.info?.version);
  return (
    <footer className="status-bar">
      <strong className="not-diagnostic" data-testid="not-diagnostic">{t('notDiagnostic')}</strong>
      <span className="grow" />
      {running > 0 && <span className="board-state" data-testid="running-count"><Icon name="clock" size={14} />{t('status.running', { count: running })}</span>}
      {marks.length > NAMED && <span className="board-state" data-testid="boards-summary"><Icon name="boards" size={14} />{t('status.boards', { ready: marks.filter(({ board }) => takesRequests(board)).length, all: marks.length })}</span>}
      {marks.length <= NAMED && marks.map(({ board, standsBy }) => (
        <span key={board.id} className={`board-state state-${wordOf(board)}`} data-testid={`board-state-${board.id}`}>
          <Icon name={STATE_ICONS[wordOf(board)]} size={14} />
          <span className="ellipsis">{textOf(`boards.name.${board.id}`, board.name)}: {standsBy ? t('status.standsBy') : t(`boards.state.${wordOf(board)}`)}</span>
        </span>
      ))}
      {version && <span className="dim">{t('status.version', { version })}</span>}
    </footer>
  );
}

function Notices(): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const notices = useAppState((s) => s.notices);
  return (
    <div className="notices" role="region" aria-label={t('notices.title')} aria-live="polite">
      {notices.map((notice) => (
        <div key={notice.id} className={`notice ${notice.kind}`} role={notice.kind === 'error' ? 'alert' : 'status'}>
          <Icon name={notice.kind === 'error' ? 'error' : 'info'} size={18} />
          <p className="grow">{notice.text}</p>
          <button type="button" className="icon-button" aria-label={t('common.dismiss')} onClick={() => session.dismiss(notice.id)}><Icon name="close" size={14} /></button>
        </div>
      ))}
    </div>
  );
}

function Shortcuts(): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const open = useAppState((s) => s.helpOpen);
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) ref.current!.showModal();
    else ref.current!.close();
  }, [open]);
  return (
    <dialog ref={ref} className="shortcuts" aria-labelledby="shortcuts-title" onClose={() => session.store.set({ helpOpen: false })}>
      <header>
        <h2 id="shortcuts-title">{t('help.title')}</h2>
        <button type="button" className="icon-button" aria-label={t('common.close')} onClick={() => session.store.set({ helpOpen: false })}><Icon name="close" /></button>
      </header>
      <p className="dim">{t('help.mouse')}</p>
      <dl>
        {ACTIONS.filter((action) => action.shortcuts.length > 0).map((action) => (
          <div key={action.id}><dt>{t(`action.${action.id}`)}</dt><dd>{action.shortcuts.map((s) => <kbd key={s}>{shortcutText(s)}</kbd>)}</dd></div>
        ))}
      </dl>
    </dialog>
  );
}

/** The whole window takes files; the overlay says so while they are held over it. */
function DropTarget(): JSX.Element | null {
  const { t } = useTranslation();
  const { session } = useApp();
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const enter = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      depth++;
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const hold = (event: DragEvent): void => {
      // A pane takes a series.
      if (event.defaultPrevented) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = hasFiles(event) ? 'copy' : 'none';
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      depth = 0;
      setOver(false);
      void session.drop([...(event.dataTransfer?.files ?? [])]);
    };
    window.addEventListener('dragenter', enter);
    window.addEventListener('dragleave', leave);
    window.addEventListener('dragover', hold);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragenter', enter);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('dragover', hold);
      window.removeEventListener('drop', drop);
    };
  }, [session]);
  if (!over) return null;
  return <div className="drop-overlay" data-testid="drop-overlay"><Icon name="folder" size={48} /><strong>{t('empty.dropNow')}</strong></div>;
}
