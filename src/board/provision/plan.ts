/**
 * What an installation does, as a list that can be shown before anything is done. Every step may be run again: it looks first whether it is done. A version
 * lies in a folder of its own; `current` is switched by one rename, after the new version has answered right, and back when it does not stay up. Pure.
 */
import type { PlanStep } from '../../contract/boards.ts';
import { quote } from '../ssh/shell.ts';
import type { BoardLayout } from './probe.ts';

export interface Step extends PlanStep {
  id: 'upload' | 'unpack' | 'runtime' | 'user' | 'settings' | 'service' | 'self-test' | 'switch' | 'tidy';
  /** Exits with 0 where there is nothing to do. */
  done?: string;
  /** Empty: not by a script (upload, self-test). */
  run: string;
}

export interface PlanInput {
  layout: BoardLayout;
  systemd: boolean;
  python: string;
  /** Of the login. */
  home: string;
  user: string;
  /** Folder name of this version: version and the bundle's hash. */
  version: string;
  bundleBytes: number;
  /** 32 hexadecimal digits, given to a board that has none. */
  boardId: string;
}

const ROOM_KIB = 50 << 10;

export const staging = (home: string): string => `${home}/.fabriclens`;
export const bundlePath = (home: string, version: string): string => `${staging(home)}/${version}.tar`;
/** The login's own copy of the token: reading it wants no root. */
export const tokenPath = (home: string): string => `${staging(home)}/token`;
export const versionPath = ({ root }: BoardLayout, version: string): string => `${root}/opt/fabriclens/versions/${version}`;

const UNIT = 'fabriclens-agent.service';
const places = ({ root }: BoardLayout): { opt: string; etc: string; data: string; unit: string } =>
  ({ opt: `${root}/opt/fabriclens`, etc: `${root}/etc/fabriclens`, data: `${root}/var/lib/fabriclens`, unit: `${root}/etc/systemd/system/${UNIT}` });

export const agentArguments = (layout: BoardLayout): string[] => {
  const { opt, etc, data } = places(layout);
  return ['-E', '-s', '-B', '-m', 'fabriclens_agent', '--models', `${opt}/current/models`, '--runtime', `${opt}/current/runtime/libfabriclens_runtime.so`, '--store', `${data}/store`,
    '--port', String(layout.port), '--token-file', `${etc}/token`];
};

/** For systemd 245 (PYNQ v2.7) and later; an older one warns about keys that it does not know. The agent needs the loopback, its models and its store, no more. */
export function unitText(layout: BoardLayout, python: string): string {
  const { opt } = places(layout);
  return `[Unit]
Description=FabricLens agent
After=network.target bootpy.service clear_pl_statefile.service jupyter.service
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
User=${layout.serviceUser}
WorkingDirectory=${opt}/current/agent
ExecStart=${[python, ...agentArguments(layout)].join(' ')}
Restart=on-failure
RestartSec=2
StateDirectory=fabriclens
StateDirectoryMode=0700
UMask=0077
LimitCORE=0
MemorySwapMax=0
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET
IPAddressDeny=any
IPAddressAllow=localhost
RestrictNamespaces=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`;
}

/** Where systemd does not run: started in the background, with a file that holds its process id. Not restarted, not started at boot. */
const plainStart = (layout: BoardLayout, python: string): string => {
  const { opt, data } = places(layout);
  const as = `$([ "$(id -un)" = ${quote(layout.serviceUser)} ] || echo runuser -u ${quote(layout.serviceUser)} --)`;
  return `cd ${quote(`${opt}/current/agent`)} && setsid nohup ${as} ${[python, ...agentArguments(layout)].map(quote).join(' ')} >${quote(`${data}/agent.log`)} 2>&1 </dev/null & echo $! >${quote(`${data}/agent.pid`)}`;
};
const plainStop = (layout: BoardLayout): string => {
  const pid = quote(`${places(layout).data}/agent.pid`);
  return `if [ -s ${pid} ]; then p=$(cat ${pid}); if tr '\\0' ' ' </proc/$p/cmdline 2>/dev/null | grep -q fabriclens_agent; then kill $p 2>/dev/null; i=0; while kill -0 $p 2>/dev/null && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; kill -9 $p 2>/dev/null; fi; rm -f ${pid}; fi; true`;
};

export interface Supervisor { start: string; stop: string; status: string; logs: string }
export function supervisor(layout: BoardLayout, systemd: boolean, python: string): Supervisor {
  const { data, opt, unit } = places(layout);
  if (systemd) {
    return {
      start: `ln -sfT ${quote(`${opt}/current/${UNIT}`)} ${quote(unit)}; systemctl daemon-reload; systemctl enable -q ${UNIT}; systemctl reset-failed ${UNIT} 2>/dev/null || true; systemctl restart ${UNIT}`,
      stop: `systemctl disable -q --now ${UNIT} 2>/dev/null || true; rm -f ${quote(unit)}; systemctl daemon-reload`,
      status: `systemctl is-active ${UNIT}`, logs: `journalctl -u ${UNIT} -n 200 --no-pager -o short-iso`,
    };
  }
  const pid = quote(`${data}/agent.pid`);
  return {
    start: `${plainStop(layout)}; ${plainStart(layout, python)}`, stop: plainStop(layout),
    status: `[ -s ${pid} ] && kill -0 $(cat ${pid}) 2>/dev/null && echo active || echo inactive`, logs: `tail -n 200 ${quote(`${data}/agent.log`)}`,
  };
}

/** Waits until the agent says that it is ready, by the board's own Python; exit code 1 where it does not in time. */
const awaitReady = (layout: BoardLayout, python: string): string => {
  const program = [
    'import http.client, sys, time', 'token = open(sys.argv[1]).read().strip()', `end = time.monotonic() + ${layout.readyS}`,
    'while time.monotonic() < end:', '    try:', `        c = http.client.HTTPConnection("127.0.0.1", ${layout.port}, timeout=5)`,
    '        c.request("GET", "/v2/health/ready", headers={"Authorization": "Bearer " + token})', '        if c.getresponse().status == 200: sys.exit(0)',
    '    except OSError: pass', '    time.sleep(0.2)', 'sys.exit(1)',
  ].join('\n');
  return `${quote(python)} -c ${quote(program)} ${quote(`${places(layout).etc}/token`)}`;
};

/** `current` to another version, started; back to what was there when it does not get ready. A lost connection does not stop it half-way. */
function switchScript({ layout, systemd, python }: Pick<PlanInput, 'layout' | 'systemd' | 'python'>, to: string): string {
  const { opt } = places(layout);
  const { start, stop } = supervisor(layout, systemd, python);
  const point = (name: string, target: string): string => `ln -sfn ${target} ${name}.new && sync && mv -fT ${name}.new ${name}`;
  return `trap '' HUP PIPE
cd ${quote(opt)} || exit 1
old=$(readlink current || true)
${point('current', to)} || exit 1
( ${start} )
if ${awaitReady(layout, python)}; then
  [ -z "$old" ] || [ "$old" = ${to} ] || { ${point('previous', '"$old"')}; }
  exit 0
fi
if [ -n "$old" ] && [ "$old" != ${to} ]; then ${point('current', '"$old"')}; ( ${start} ); ${awaitReady(layout, python)}; echo "it did not get ready within ${layout.readyS} s; the version before runs again" >&2; exit 1; fi
( ${stop} ); [ "$old" = ${to} ] || rm -f current
echo "it did not get ready within ${layout.readyS} s and there is no other version; see the log" >&2; exit 1`;
}

export function installPlan(input: PlanInput): Step[] {
  const { layout, systemd, python, home, user, version, bundleBytes, boardId } = input;
  const { opt, etc, data } = places(layout);
  const folder = versionPath(layout, version);
  const q = { folder: quote(folder), part: quote(`${folder}.part`), etc: quote(etc), data: quote(data), opt: quote(opt), home: quote(staging(home)), user: quote(layout.serviceUser) };
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
    },
    {
      id: 'runtime', title: 'Load the runtime once', as: 'login', why: 'as the login: a library that does not fit is found out before it matters',
      run: `${quote(python)} -E -s -c ${quote('import ctypes, sys; ctypes.CDLL(sys.argv[1])')} ${quote(`${folder}/runtime/libfabriclens_runtime.so`)}`,
    },
    {
      id: 'user', title: `Make the user '${layout.serviceUser}' that the agent runs as`, as: 'root', why: 'only root makes users; this one may log in nowhere and owns the store alone',
      done: `id -u ${q.user} && [ -d ${q.data} ] && [ -d ${q.etc} ]`,
      run: `set -eu
mkdir -p ${q.etc}
if ! id -u ${q.user} >/dev/null 2>&1; then touch ${q.etc}/made-user; useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ${q.user}; fi
mkdir -p ${q.data}; chown ${q.user} ${q.data}; chmod 700 ${q.data}`,
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
    },
    {
      id: 'service', title: systemd ? 'Write the systemd unit into the version' : 'No unit: systemd does not run here', as: 'root', why: 'it takes effect with the switch',
      run: systemd ? `set -eu; umask 022; cat >${q.folder}/${UNIT}.new && mv ${q.folder}/${UNIT}.new ${q.folder}/${UNIT}` : 'true',
    },
    { id: 'self-test', title: 'Start the new version beside what runs, and compare its answers', as: 'login', why: 'on a port of its own, with a token of its own; it ends afterwards', run: '' },
    {
      id: 'switch', title: 'Switch to it, and back if it does not get ready', as: 'root', why: 'starting a service is root’s; the agent itself is not root',
      run: switchScript(input, `versions/${version}`),
    },
    {
      id: 'tidy', title: 'Remove what is older than the version before', as: 'root', why: 'the folders are root’s',
      run: `set -eu; rm -f ${quote(bundlePath(home, version))} ${q.home}/*.part; cd ${q.opt}; c=$(readlink current); p=$(readlink previous || true)
for v in versions/*; do [ "$v" = "$c" ] || [ "$v" = "$p" ] || rm -rf "$v"; done`,
    },
  ];
}

/** To the version before; refused where there is none. */
export const rollbackScript = (input: Pick<PlanInput, 'layout' | 'systemd' | 'python'>, previous: string): string => switchScript(input, `versions/${previous.replace(/[^\w.+-]/g, '')}`);

/** Leaves nothing of ours but the login's key, which a login may still need. */
export function uninstallScript({ layout, systemd, python, home }: Pick<PlanInput, 'layout' | 'systemd' | 'python' | 'home'>): string {
  const { opt, etc, data } = places(layout);
  return `trap '' HUP PIPE
( ${supervisor(layout, systemd, python).stop} )
[ -e ${quote(`${etc}/made-user`)} ] && userdel ${quote(layout.serviceUser)}
rm -rf ${quote(opt)} ${quote(data)} ${quote(etc)} ${quote(staging(home))}; sync
[ ! -e ${quote(opt)} ] && [ ! -e ${quote(data)} ] && [ ! -e ${quote(etc)} ] && [ ! -e ${quote(staging(home))} ]`;
}
