/** Where instances lie, asked of the review process a study at a time: a stack of a thousand slices is one question, not a thousand. */
import type { InstanceSource } from '../../review/index.ts';
import type { ProcessClient } from './process-client.ts';
import type { ReviewCalls } from './review-messages.ts';

export interface InstanceSources {
  /** What is behind an instance's id; null when nothing is. */
  of(id: string): Promise<InstanceSource | null>;
}

/** What it was told holds until what is open changes. */
export function instanceSources(review: Pick<ProcessClient<ReviewCalls>, 'call' | 'on'>): InstanceSources {
  let known = new Map<string, InstanceSource>();
  review.on((name) => {
    if (name === 'library.changed') known = new Map();
  });
  return {
    async of(id) {
      const there = known.get(id);
      if (there) return there;
      const mine = known;
      const { sources } = await review.call('instance.sources', { id });
      for (const [each, source] of sources) mine.set(each, source);
      return mine.get(id) ?? null;
    },
  };
}
