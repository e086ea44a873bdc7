/**
 * What an installation does, as a list that can be shown before anything is done. Every step may be run again: it looks first whether it is done. A version
 * lies in a folder of its own; `current` is switched by one rename, after the new version has answered right, and back when it does not stay up. Pure.
 */
import type { PlanStep } from '../../contract/boards.ts';
import { quote } from '../ssh/shell.ts';
import { places, staging, type BoardLayout } from './probe.ts';
import { LIBRARY, serviceFile, switchScript, type Installed } from './service.ts';

export interface Step extends PlanStep {
  id: 'upload' | 'unpack' | 'build' | 'runtime' | 'user' | 'settings' | 'overlay' | 'service' | 'self-test' | 'switch' | 'pl-test' | 'tidy';
  /** Exits with 0 where there is nothing to do. */
  done?: string;
  /** Empty: not by a script alone (upload, self-test, pl-test). */
  run: string;
  /** Takes back what it had done when it fails; exits with 0 where nothing of it is left. */
  undo?: string;
}

/** An overlay to be used: of the version that runs (it is on the board), or to be sent. */
export interface PlannedOverlay {
  /** Of its bit file, which names it. */
  sha256: string;
  /** Undefined: it is on the board. */
  files: readonly { name: string; bytes: Uint8Array; sha256: string }[] | undefined;
}

export interface PlanInput extends Installed {
  user: string;
  /** Folder name of this version: version and the bundle's hash. */
  version: string;
  bundleBytes: number;
  /** 32 hexadecimal digits, given to a board that has none. */
  boardId: string;
  /** Undefined: the processor computes alone. */
  overlay: PlannedOverlay | undefined;
}

const ROOM_KIB = 50 << 10;

export const bundlePath = (home: string, version: string): string => `${staging(home)}/${version}.tar`;
/** The login's own copy of the token: reading it wants no root. */
export const tokenPath = (home: string): string => `${staging(home)}/token`;
export const versionPath = ({ root }: BoardLayout, version: string): string => `${root}/opt/fabriclens/versions/${version}`;
/** Where an overlay's files wait to be checked, and where those that were lie. */
export const overlayStaging = (home: string, sha256: string): string => `${staging(home)}/overlay-${sha256.slice(0, 16)}`;
export const overlayPath = (layout: BoardLayout, sha256: string): string => `${places(layout).opt}/overlays/${sha256}`;
/** Where the runtime is compiled where the bundle's does not load. */
const buildFolder = (home: string, version: string): string => `${staging(home)}/build-${version}`;

const loads = (python: string, library: string): string => `${quote(python)} -E -s -c ${quote('import ctypes, sys; ctypes.CDLL(sys.argv[1])')} ${library}`;
/** By the agent of the new version, which would say the same when it starts. */
export const overlayCheck = (layout: BoardLayout, python: string, version: string, folder: string): string =>
  `cd ${quote(`${versionPath(layout, version)}/agent`)} && ${quote(python)} -E -s -B -m fabriclens_agent.pl.overlay ${quote(folder)}`;

export function installPlan(input: PlanInput): Step[] {
  const { layout, systemd, python, home, user, version, bundleBytes, boardId, overlay } = input;
  const { opt, etc, data } = places(layout);
  const folder = versionPath(layout, version);
  const q = { folder: quote(folder), part: quote(`${folder}.part`), etc: quote(etc), data: quote(data), opt: quote(opt), home: quote(staging(home)), user: quote(layout.serviceUser) };
  const built = quote(buildFolder(home, version));
  const library = `${q.folder}/runtime/${LIBRARY}`;
  const service = `${q.folder}/${serviceFile(systemd)}`;
  const needKib = Math.ceil(bundleBytes / 1024) * 2 + ROOM_KIB;
  return [
    { id: 'upload', title: `Send the bundle (${(bundleBytes / 1e6).toFixed(1)} MB) and check its SHA-256`, as: 'login', why: 'to ~/.fabriclens', run: '' },
    {
      id: 'unpack', title: `Unpack into ${folder}`, as: 'root', why: 'what a service runs must belong to root',
      done: `[ -e ${q.folder}/SHA256SUMS ] && cd ${q.folder} && sha256sum -c --quiet --status SHA256SUMS`,
      run: `set -eu
mkdir -p ${quote(`${opt}/versions`)}
free=$(df -Pk ${q.opt} | awk 'NR==2{print $4}')
[ "$free" -ge ${needKib} ] || { echo "only $free KiB are free on the card, ${needKib} are needed" >&2; exit 1; }
rm -rf ${q.part} ${q.folder}; mkdir ${q.part}
tar -xf ${quote(bundlePath(home, version))} -C ${q.part} --no-same-owner
cd ${q.part}; sha256sum -c --quiet SHA256SUMS; chmod -R u+rwX,go+rX,go-w .
sync; mv -T ${q.part} ${q.folder}`,
      undo: `rm -rf ${q.part}; [ ! -e ${q.part} ]`,
    },
    {
      id: 'build', title: 'Load the runtime; compile it here where it does not load', as: 'login', why: 'as the login: a library that does not fit is found out before it matters',
      done: `${loads(python, library)} || ${loads(python, `${built}/${LIBRARY}`)}`,
      run: `set -eu; [ -e ${q.folder}/source/build.sh ] || { echo 'the runtime does not load, and the bundle holds no source to build one from' >&2; exit 1; }
command -v g++ >/dev/null || { echo 'the runtime does not load, and there is no g++ to build one with: sudo apt-get install g++' >&2; exit 1; }
mkdir -p ${built}; sh ${q.folder}/source/build.sh ${built}; ${loads(python, `${built}/${LIBRARY}`)}`,
    },
    {
      id: 'runtime', title: 'Put the runtime that loads into the version', as: 'root', why: 'what a service runs must belong to root',
      done: `[ -e ${q.folder}/${LIBRARY} ]`,
      run: `set -eu; cd ${q.folder}; rm -f ${LIBRARY}.new
if [ -e ${built}/${LIBRARY} ]; then cp --no-preserve=all ${built}/${LIBRARY} ${LIBRARY}.new; chmod 755 ${LIBRARY}.new; else ln -s runtime/${LIBRARY} ${LIBRARY}.new; fi
sync; mv -T ${LIBRARY}.new ${LIBRARY}`,
      undo: `rm -f ${q.folder}/${LIBRARY}.new`,
    },
    {
      id: 'user', title: `Make the user '${layout.serviceUser}' that the agent runs as`, as: 'root', why: 'only root makes users; this one may log in nowhere and owns the store alone',
      done: `id -u ${q.user} && [ -d ${q.data} ] && [ -d ${q.etc} ]`,
      run: `set -eu
mkdir -p ${q.etc}
if ! id -u ${q.user} >/dev/null 2>&1; then touch ${q.etc}/made-user; useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ${q.user}; fi
mkdir -p ${q.data}; chown ${q.user} ${q.data}; chmod 700 ${q.data}`,
      undo: `id -u ${q.user} >/dev/null 2>&1 || rm -f ${q.etc}/made-user`,
    },
    {
      id: 'settings', title: 'Make the token and the board’s id', as: 'root', why: 'the token belongs to the agent and to your login, nobody else',
      done: `[ -s ${q.etc}/token ] && [ -s ${q.etc}/board-id ] && cmp -s ${q.etc}/token ${q.home}/token`,
      run: `set -eu; umask 077
[ -s ${q.etc}/token ] || { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\\n' >${q.etc}/token.new; mv ${q.etc}/token.new ${q.etc}/token; }
chown ${q.user} ${q.etc}/token
[ -s ${q.etc}/board-id ] || { echo ${quote(boardId)} >${q.etc}/board-id.new; mv ${q.etc}/board-id.new ${q.etc}/board-id; }
chmod 755 ${q.etc}; chmod 644 ${q.etc}/board-id
mkdir -p ${q.home}; cp ${q.etc}/token ${q.home}/token; chown ${quote(user)} ${q.home} ${q.home}/token; chmod 600 ${q.home}/token; sync`,
      undo: `rm -f ${q.etc}/token.new ${q.etc}/board-id.new`,
    },
    overlayStep(input),
    {
      id: 'service', title: `Write the ${systemd ? 'systemd unit' : 'start script (systemd does not run here)'} into the version`, as: 'root',
      why: overlay ? 'it takes effect with the switch; with an overlay the agent itself is root, because only root reaches the PL, with two capabilities and its devices alone' : 'it takes effect with the switch',
      run: `set -eu; umask 022; cat >${service}.new; mv ${service}.new ${service}`, undo: `rm -f ${service}.new`,
    },
    { id: 'self-test', title: 'Start the new version beside what runs, and compare its answers', as: 'login', why: 'on a port of its own, with a token of its own; it ends afterwards', run: '' },
    {
      id: 'switch', title: 'Switch to it, and back if it does not get ready', as: 'root', why: 'starting a service is root’s',
      run: switchScript(input, `versions/${version}`),
      undo: `[ "$(readlink ${q.opt}/current)" != versions/${quote(version)} ]`,
    },
    ...(overlay ? [{ id: 'pl-test', title: 'Compare the answers of the PL; where they are wrong, the processor takes over', as: 'root', why: 'to take the PL from the service where it must not be used', run: '' } as const] : []),
    {
      id: 'tidy', title: 'Remove what is older than the version before', as: 'root', why: 'the folders are root’s',
      run: `set -eu; rm -rf ${quote(bundlePath(home, version))} ${q.home}/*.part ${q.home}/build-* ${q.home}/overlay-*; cd ${q.opt}; c=$(readlink current); p=$(readlink previous || true)
for v in versions/*; do [ "$v" = "$c" ] || [ "$v" = "$p" ] || rm -rf "$v"; done
for o in overlays/*; do [ -e "$o" ] || continue; used=; for v in versions/*; do [ "$(readlink "$v/overlay" || true)" != "../../$o" ] || used=1; done; [ "$used" ] || rm -rf "$o"; done`,
    },
  ];
}

/** Checked before anything is sent, by hash and by the new version's agent on the board, and only then where a service finds it. */
function overlayStep({ layout, home, version, overlay }: PlanInput): Step {
  const link = quote(`${versionPath(layout, version)}/overlay`);
  if (!overlay) {
    return {
      id: 'overlay', title: 'No overlay: the processor computes. One is built with Vivado, once for every version of the core and never one for a model (hls/vivado/README.md), and imported here', as: 'root', why: 'the folders are root’s',
      run: `rm -f ${link}`,
    };
  }
  const [from, to] = [quote(overlayStaging(home, overlay.sha256)), quote(overlayPath(layout, overlay.sha256))];
  const sums = (overlay.files ?? []).map(({ name, sha256 }) => `${sha256}  ${name}`).join('\n');
  return {
    id: 'overlay', as: 'root', why: 'what the agent loads into the PL must belong to root',
    title: overlay.files ? `Send the overlay ${overlay.sha256.slice(0, 16)}, check part, length, core version and hashes on the board too` : `Keep the overlay ${overlay.sha256.slice(0, 16)}, where it fits this version`,
    run: `set -eu; umask 022${overlay.files ? `; mkdir -p ${to}.part; cd ${from}; cp --no-preserve=all ${overlay.files.map(({ name }) => quote(name)).join(' ')} ${to}.part/
cd ${to}.part; echo ${quote(sums)} | sha256sum -c --quiet
sync; rm -rf ${to}; mv -T ${to}.part ${to}` : ''}
ln -sfn ../../overlays/${overlay.sha256} ${link}`,
    undo: `rm -rf ${to}.part ${link}`,
  };
}
