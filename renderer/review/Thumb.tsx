import { useEffect, useRef, useState, type JSX } from 'react';
import { useApp } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';
import { PRIORITY } from '../workers/pool.ts';

/** A small picture by the frame's own window, made when it first comes into sight. Decorative: the text beside it names it. */
export function Thumb({ instanceId, frame, size }: { instanceId: string; frame: number; size: number }): JSX.Element {
  const { pool } = useApp();
  const ref = useRef<HTMLCanvasElement>(null);
  const [state, setState] = useState<'waiting' | 'done' | 'failed'>('waiting');
  useEffect(() => {
    const canvas = ref.current!;
    const abort = new AbortController();
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      pool.run({ kind: 'thumb', instanceId, frame, size: size * Math.ceil(window.devicePixelRatio) }, PRIORITY.thumb, abort.signal).then(
        (bitmap) => {
          canvas.width = bitmap.width;
          canvas.height = bitmap.height;
          canvas.getContext('bitmaprenderer')!.transferFromImageBitmap(bitmap);
          setState('done');
        },
        () => {
          if (!abort.signal.aborted) setState('failed');
        },
      );
    });
    observer.observe(canvas);
    return () => {
      abort.abort();
      observer.disconnect();
    };
  }, [pool, instanceId, frame, size]);
  return (
    <span className="thumb" style={{ width: size, height: size }} data-state={state}>
      <canvas ref={ref} aria-hidden="true" />
      {state === 'failed' && <Icon name="warning" />}
    </span>
  );
}
