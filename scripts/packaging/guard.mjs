/** electron-builder's beforePack: what is shipped must not carry an Electron that is past its end of life. */

/** Oldest major version that a release may hold; raised with the pinned one. */
export const RELEASE_FLOOR = 40;

/**
 * @param {string} version of the Electron that would be packed
 * @param {string[]} targets e.g. ['AppImage', 'deb']; 'dir' is the unpacked application
 * @returns {string | null} why these targets are refused
 */
export function refusal(version, targets) {
  const releases = targets.filter((name) => name !== 'dir');
  if (releases.length === 0 || Number.parseInt(version, 10) >= RELEASE_FLOOR) return null;
  return `Electron ${version} is past its end of life and gets no security fixes: it is not packed for users (${releases.join(', ')}). `
    + 'Run "npx install-electron" on a network that reaches Electron\'s downloads, then package again; "npm run package" makes an unpacked application for tests from this one.';
}

// electron-builder asks for a default export.
export default async function beforePack({ packager, targets }) {
  const reason = refusal(packager.info.framework.version, targets.map((target) => target.name));
  if (reason !== null) throw new Error(reason);
}
