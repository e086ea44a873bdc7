/** For tests of classifiers: what carries a task is one, or the test has failed. */
export function classifier<T extends { task: string }>(value: T): Extract<T, { task: 'classification' }> {
  if (value.task !== 'classification') throw new Error(`a ${value.task}, not a classification`);
  return value as Extract<T, { task: 'classification' }>;
}
