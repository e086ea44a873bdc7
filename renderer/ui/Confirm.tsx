import { Button } from '@mantine/core';
import { useEffect, useId, useRef, type JSX } from 'react';

/** A question before something is lost. Esc means no; the safe answer has the focus. */
export function Confirm({ title, text, yes, no, onYes, onNo }: { title: string; text: string; yes: string; no: string; onYes: () => void; onNo: () => void }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => ref.current!.showModal(), []);
  return (
    <dialog
      ref={ref} className="confirm" aria-labelledby={`${id}-title`} aria-describedby={`${id}-text`} data-testid="confirm"
      onClose={onNo} onKeyDown={(event) => event.stopPropagation()}
    >
      <h2 id={`${id}-title`}>{title}</h2>
      <p id={`${id}-text`}>{text}</p>
      <div className="confirm-buttons">
        <Button size="xs" variant="default" autoFocus onClick={onNo}>{no}</Button>
        <Button size="xs" color="red.8" data-testid="confirm-yes" onClick={onYes}>{yes}</Button>
      </div>
    </dialog>
  );
}
