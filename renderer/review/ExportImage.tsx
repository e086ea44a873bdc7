/** The picture of the active pane as a file: what goes with it is the reader's choice, and the patient's name is not by itself. */
import { Button, Checkbox, SegmentedControl } from '@mantine/core';
import { useEffect, useRef, useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { activePane } from '../state/panes.ts';
import { useApp, useAppState } from '../ui/app.ts';

export function ExportImage(): JSX.Element | null {
  const open = useAppState((s) => s.exportOpen);
  return open ? <Open /> : null;
}

/** Twice: what was changed is in the next drawing, and has been seen in the one after. */
const drawn = (): Promise<void> => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())));

function Open(): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const ref = useRef<HTMLDialogElement>(null);
  const [format, setFormat] = useState<'png' | 'jpeg'>('png');
  const [marks, setMarks] = useState(true);
  const [text, setText] = useState(false);
  useEffect(() => ref.current!.showModal(), []);
  const write = async (): Promise<void> => {
    ref.current!.close();
    session.store.set((state) => ({ capture: { pane: activePane(state).id, marks, text } }));
    await drawn();
    const pane = document.querySelector('.pane.captured');
    if (!pane) {
      // The reader went elsewhere meanwhile.
      session.store.set({ capture: null });
      return session.notify('error', t('imageExport.gone'));
    }
    const { x, y, width, height } = pane.getBoundingClientRect();
    await session.exportImage({ x, y, width, height }, format, t('imageExport.saved'));
  };
  return (
    <dialog ref={ref} className="confirm export" aria-labelledby="export-title" data-testid="export-image" onClose={() => session.store.set({ exportOpen: false })}>
      <h2 id="export-title">{t('imageExport.title')}</h2>
      <SegmentedControl size="xs" aria-label={t('imageExport.format')} value={format} onChange={(value) => setFormat(value as 'png')} data={[{ value: 'png', label: t('imageExport.png') }, { value: 'jpeg', label: t('imageExport.jpeg') }]} />
      <Checkbox size="xs" checked={marks} onChange={(event) => setMarks(event.currentTarget.checked)} label={t('imageExport.marks')} data-testid="export-marks" />
      <Checkbox size="xs" checked={text} onChange={(event) => setText(event.currentTarget.checked)} label={t('imageExport.text')} description={t('imageExport.textNote')} data-testid="export-text" />
      <p className="dim">{t('imageExport.burned')}</p>
      <div className="confirm-buttons">
        <Button size="xs" variant="default" onClick={() => ref.current!.close()}>{t('common.cancel')}</Button>
        <Button size="xs" onClick={() => void write()} data-testid="export-write">{t('imageExport.write')}</Button>
      </div>
    </dialog>
  );
}
