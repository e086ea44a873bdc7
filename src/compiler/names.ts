/** `wanted`, or where that is taken a name made of it; taken from then on. */
export function unique(taken: Set<string>, wanted: string): string {
  let name = wanted;
  // The count grows with the names, so that equal names cost no search.
  if (taken.has(name)) name = `${wanted}/${taken.size}`;
  while (taken.has(name)) name += '_';
  taken.add(name);
  return name;
}
