import type { JSX } from 'react';
import type { ActionId } from '../actions/actions.ts';
import { Icon } from './icons.tsx';
import { useAction } from './app.ts';

/** A toolbar button: icon over its word, so that nothing hides behind a hover. */
export function ToolButton({ id }: { id: ActionId }): JSX.Element {
  const { action, label, title, possible, pressed, run } = useAction(id);
  return (
    <button type="button" className="tool" data-testid={`action-${id}`} title={title} aria-pressed={pressed} disabled={!possible} onClick={run}>
      {action.icon && <Icon name={action.icon} size={18} />}
      <span>{label}</span>
    </button>
  );
}
