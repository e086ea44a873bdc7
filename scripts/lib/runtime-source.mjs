/** The runtime to be compiled on a board whose libraries the one made here does not fit: sources, headers, and the script that does it. */
import { readFileSync } from 'node:fs';
import { runtimeSources } from '../../hls/build.mjs';
import { inRoot } from './paths.mjs';

/** One file after the other: two compilers at once do not fit into a board's memory. What is compiled is left alone, so that a broken-off build goes on. */
function script({ sources, flags, boardFlags }) {
  return `#!/bin/sh
# build.sh FOLDER: libfabriclens_runtime.so in FOLDER, by this machine's g++
set -eu
cd "$(dirname "$0")"
out=$1
flags='${flags.join(' ')}'
[ "$(uname -m)" != armv7l ] || flags="$flags ${boardFlags.join(' ')}"
n=0
for source in ${sources.join(' ')}; do
  n=$((n + 1))
  object="$out/$(echo "$source" | tr / -).o"
  echo "$n/${sources.length} $source"
  [ -e "$object" ] && [ "$object" -nt "$source" ] && continue
  nice g++ $flags -c "$source" -o "$object.new"
  mv "$object.new" "$object"
done
g++ $flags "$out"/*.o -o "$out/libfabriclens_runtime.so.new"
mv "$out/libfabriclens_runtime.so.new" "$out/libfabriclens_runtime.so"
`;
}

/** @returns {{ name: string, bytes: Buffer }[]} under source/ of a bundle */
export function runtimeSource() {
  const recipe = runtimeSources();
  return [...recipe.files.map((name) => ({ name: `source/${name}`, bytes: readFileSync(inRoot('hls', name)) })), { name: 'source/build.sh', bytes: Buffer.from(script(recipe)) }];
}
