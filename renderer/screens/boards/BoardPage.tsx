import { Button, Switch, Tabs, TextInput } from '@mantine/core';
import { useState, type FormEvent, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { BoardStatus } from '../../../src/contract/ipc.ts';
import { NO_CARE, type Care } from '../../state/boardKeeper.ts';
import { wordOf } from '../../state/boards.ts';
import { offerOf } from '../../state/provisioning.ts';
import { useApp, useAppState, useTextOf } from '../../ui/app.ts';
import { Confirm } from '../../ui/Confirm.tsx';
import { Icon } from '../../ui/icons.tsx';
import { BoardFailure } from './BoardFailure.tsx';
import { BoardState } from './BoardState.tsx';
import { DoctorFindings } from './DoctorFindings.tsx';
import { UnlockForm } from './UnlockForm.tsx';

/** One board: how it is and what can be done with it. `onSetUp`: opens the wizard for it; null while that is taken. */
export function BoardPage({ board, onSetUp }: { board: BoardStatus; onSetUp: (() => void) | null }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const { session: { keeper } } = useApp();
  const care = useAppState((s) => s.care[board.id] ?? NO_CARE);
  const name = textOf(`boards.name.${board.id}`, board.name);
  const { id, ssh, message, state } = board;
  return (
    <section className="card board" aria-label={name} data-testid="board" data-state={state}>
      <header>
        <Icon name="boards" size={24} />
        <div className="grow">
          <Name board={board} name={name} />
          <p className="dim">{board.virtual ? t('boards.virtual') : t('boards.physical')}</p>
        </div>
        <span role="status"><BoardState board={board} /></span>
      </header>
      {message !== '' && wordOf(board) !== 'unfinished' && (state === 'ready' || state === 'busy' ? <p className="dim" lang="en">{message}</p> : <div className="callout warning"><Icon name="warning" size={18} /><p lang="en">{message}</p></div>)}
      {offerOf(board) === 'continue' && (
        <div className="callout info" data-testid="unfinished">
          <Icon name="info" size={18} />
          <p className="grow">{t('boards.unfinished')}</p>
          <Button size="xs" disabled={onSetUp === null} data-testid="continue-board" onClick={() => onSetUp?.()}>{t('boards.continue')}</Button>
        </div>
      )}
      {care.done && <div className="callout info" role="status" data-testid="board-done"><Icon name="check" size={18} /><p>{t(`boards.done.${care.done.what}`, { version: care.done.version })}</p></div>}
      {care.failure && <BoardFailure failure={care.failure} onRetry={care.busy === null && care.locked === null ? () => void keeper.retry(id) : null} />}
      {care.locked && ssh && <UnlockForm locked={care.locked} user={ssh.user} busy={care.busy !== null} onUnlock={(password, remember) => void keeper.unlock(id, password, remember)} />}
      {ssh === undefined ? <Overview board={board} care={care} onSetUp={onSetUp} /> : (
        <Tabs defaultValue="overview" keepMounted={false}>
          <Tabs.List aria-label={t('boards.about')}>
            <Tabs.Tab value="overview">{t('boards.overview')}</Tabs.Tab>
            <Tabs.Tab value="doctor" data-testid="doctor-tab">{t('doctor.title')}</Tabs.Tab>
            <Tabs.Tab value="logs" data-testid="logs-tab">{t('boards.logs')}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="overview"><Overview board={board} care={care} onSetUp={onSetUp} /></Tabs.Panel>
          <Tabs.Panel value="doctor"><Doctor id={id} care={care} /></Tabs.Panel>
          <Tabs.Panel value="logs"><Logs id={id} care={care} /></Tabs.Panel>
        </Tabs>
      )}
      {board.virtual && <p className="dim small">{t('boards.untried')}</p>}
    </section>
  );
}

/** The virtual board keeps its name. */
function Name({ board, name }: { board: BoardStatus; name: string }): JSX.Element {
  const { t } = useTranslation();
  const { session: { keeper } } = useApp();
  const [text, setText] = useState<string | null>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text === null || text.trim() === '') return;
    setText(null);
    if (text.trim() !== board.name) void keeper.rename(board.id, text.trim());
  };
  if (text === null) {
    return (
      <div className="board-name">
        <h3 className="card-title">{name}</h3>
        {!board.virtual && <button type="button" className="link" data-testid="rename-board" onClick={() => setText(board.name)}>{t('boards.rename')}</button>}
      </div>
    );
  }
  return (
    <form
      className="board-name" onSubmit={submit}
      onKeyDown={(event) => { if (event.key === 'Escape') { event.preventDefault(); setText(null); } }}
    >
      <TextInput size="xs" w={260} autoFocus aria-label={t('boards.nameOf')} maxLength={200} value={text} data-testid="rename-field" onChange={(event) => setText(event.currentTarget.value)} />
      <Button size="xs" type="submit" disabled={text.trim() === ''} data-testid="rename-go">{t('boards.save')}</Button>
    </form>
  );
}

type Asked = 'rollback' | 'uninstall' | 'forget';

function Overview({ board, care: { busy }, onSetUp }: { board: BoardStatus; care: Care; onSetUp: (() => void) | null }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const { session: { keeper } } = useApp();
  const [asked, setAsked] = useState<Asked | null>(null);
  const { id, ssh, virtual } = board;
  const waiting = board.state === 'starting' || board.state === 'connecting';
  const name = textOf(`boards.name.${id}`, board.name);
  return (
    <div className="board-overview">
      <dl className="facts">
        <dt>{t('boards.linkTitle')}</dt><dd>{t(`boards.linkLong.${board.link}`)}</dd>
        <dt>{t('boards.address')}</dt><dd><code>{board.address || '–'}</code></dd>
        {ssh && <><dt>{t('boards.user')}</dt><dd><code>{ssh.user}</code></dd></>}
        <dt>{t('boards.backend')}</dt><dd>{board.backend ? textOf(`boards.backends.${board.backend}`, board.backend) : t('boards.unknown')}</dd>
        <dt>{t('boards.models')}</dt><dd>{board.models.join(', ') || '–'}</dd>
        {ssh && <><dt>{t('boards.version')}</dt><dd>{ssh.installed ? <code>{ssh.installed}</code> : t('setup.plan.none')}</dd></>}
        {ssh && ssh.previous !== '' && <><dt>{t('setup.plan.previous')}</dt><dd><code>{ssh.previous}</code></dd></>}
      </dl>
      <Switch size="sm" label={t('boards.use')} description={t('boards.useHint')} checked={board.use} disabled={busy !== null} data-testid="use-board" onChange={(event) => void keeper.use(id, event.currentTarget.checked)} />
      <div className="board-buttons">
        <Button size="xs" variant="default" disabled={waiting || busy !== null} leftSection={<Icon name="plug" />} data-testid="reconnect" onClick={() => void keeper.reconnect(id)}>{virtual ? t('boards.restart') : t('boards.reconnect')}</Button>
        {offerOf(board) === 'update' && <Button size="xs" variant="default" disabled={onSetUp === null || busy !== null} data-testid="update-board" onClick={() => onSetUp?.()}>{t('boards.update')}</Button>}
        {ssh && ssh.previous !== '' && <Button size="xs" variant="default" disabled={busy !== null} data-testid="rollback" onClick={() => setAsked('rollback')}>{t('boards.rollback')}</Button>}
        {ssh && ssh.installed !== '' && <Button size="xs" variant="default" disabled={busy !== null} data-testid="uninstall" onClick={() => setAsked('uninstall')}>{t('boards.uninstall')}</Button>}
        {!virtual && <Button size="xs" variant="default" disabled={busy !== null} data-testid="forget" onClick={() => setAsked('forget')}>{t('boards.forget')}</Button>}
      </div>
      {busy !== null && WORKING.has(busy) && <Working label={t('boards.working')} onCancel={() => keeper.cancel(id)} />}
      {asked && (
        <Confirm
          title={t(`boards.ask.${asked}.title`, { name })} text={t(`boards.ask.${asked}.text`, { version: ssh?.previous ?? '' })} yes={t(`boards.ask.${asked}.yes`)} no={t('boards.ask.no')}
          onYes={() => { setAsked(null); void keeper[asked](id); }} onNo={() => setAsked(null)}
        />
      )}
    </div>
  );
}
/** What takes time and can be cancelled. */
const WORKING: ReadonlySet<Care['busy']> = new Set(['rollback', 'uninstall', 'unlock']);

function Working({ label, onCancel }: { label: string; onCancel: () => void }): JSX.Element {
  const { t } = useTranslation();
  return <div className="busy-line" role="status"><progress aria-label={label} /><span className="dim">{label}</span><Button size="xs" variant="subtle" onClick={onCancel}>{t('common.cancel')}</Button></div>;
}

function Doctor({ id, care: { busy, report } }: { id: string; care: Care }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  return (
    <div className="board-overview">
      <p className="dim">{t('doctor.text')}</p>
      <div className="board-buttons">
        <Button size="xs" variant={report ? 'default' : 'filled'} disabled={busy !== null} data-testid="run-doctor" onClick={() => void session.keeper.doctor(id)}>{t(report ? 'doctor.again' : 'doctor.run')}</Button>
        <Button size="xs" variant="default" disabled={report === null} leftSection={<Icon name="export" />} data-testid="export-doctor" onClick={() => report && void session.exportDoctor(report, t('doctor.exported'))}>{t('doctor.export')}</Button>
      </div>
      {busy === 'doctor' && <Working label={t('doctor.looking')} onCancel={() => session.keeper.cancel(id)} />}
      {report && <DoctorFindings report={report} />}
    </div>
  );
}

function Logs({ id, care: { busy, log } }: { id: string; care: Care }): JSX.Element {
  const { t } = useTranslation();
  const { session: { keeper } } = useApp();
  return (
    <div className="board-overview">
      <p className="dim">{t('boards.logsText')}</p>
      <div className="board-buttons"><Button size="xs" variant={log === null ? 'filled' : 'default'} disabled={busy !== null} data-testid="read-logs" onClick={() => void keeper.logs(id)}>{t(log === null ? 'boards.readLogs' : 'boards.readAgain')}</Button></div>
      {busy === 'logs' && <Working label={t('boards.readingLogs')} onCancel={() => keeper.cancel(id)} />}
      {log !== null && <pre className="board-log" tabIndex={0} lang="en" data-testid="board-log">{log || t('boards.emptyLog')}</pre>}
    </div>
  );
}
