/** The agent as a service: its unit, or a plain start where systemd does not run; switching between versions; taking all of it away. Shell text; pure. */
import { quote } from '../ssh/shell.ts';
import { places, staging, type BoardLayout } from './probe.ts';

const UNIT = 'fabriclens-agent.service';
export const LIBRARY = 'libfabriclens_runtime.so';

/** `pl`: with the overlay of its version, and the processor in its place where the PL is refused or given up. */
const agentArguments = (layout: BoardLayout, pl: boolean): string[] => {
  const { opt, etc, data } = places(layout);
  return ['-E', '-s', '-B', '-m', 'fabriclens_agent', '--models', `${opt}/current/models`, '--runtime', `${opt}/current/${LIBRARY}`, '--store', `${data}/store`,
    '--port', String(layout.port), '--token-file', `${etc}/token`, ...(pl ? ['--overlay', `${opt}/current/overlay`, '--ps-fallback', ...(layout.root === '' ? [] : ['--board-root', layout.root])] : [])];
};

/** Where the agent touches the PL it is root, with two capabilities and four devices; /sys is written (the FPGA manager), so is where the kernel looks for bitstreams. */
const PL_RIGHTS = `User=root
CapabilityBoundingSet=CAP_SYS_RAWIO CAP_DAC_OVERRIDE
DevicePolicy=closed
DeviceAllow=/dev/mem rw
DeviceAllow=char-drm rw
DeviceAllow=char-u-dma-buf rw
DeviceAllow=char-udmabuf rw
ReadWritePaths=-/lib/firmware /run
`;
const psRights = (user: string): string => `User=${user}
CapabilityBoundingSet=
PrivateDevices=yes
ProtectKernelTunables=yes
`;

/** For systemd 245 (PYNQ v2.7) and later; an older one warns about keys that it does not know. On the processor the agent needs the loopback, its models and its store, no more. */
export function unitText(layout: BoardLayout, python: string, pl: boolean): string {
  const { opt } = places(layout);
  return `[Unit]
Description=FabricLens agent
After=network.target bootpy.service clear_pl_statefile.service jupyter.service
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
${pl ? PL_RIGHTS : psRights(layout.serviceUser)}WorkingDirectory=${opt}/current/agent
ExecStart=${[python, ...agentArguments(layout, pl)].join(' ')}
Restart=on-failure
RestartSec=2
StateDirectory=fabriclens
StateDirectoryMode=0700
UMask=0077
LimitCORE=0
MemorySwapMax=0
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
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

/** What `start` of a version runs where systemd does not. setpriv becomes the agent, where runuser would stand between it and its signals. The store changes hands with who runs it, as systemd's StateDirectory does. */
function startText(layout: BoardLayout, python: string, pl: boolean): string {
  const user = quote(layout.serviceUser);
  const words = [python, ...agentArguments(layout, pl)].map(quote).join(' ');
  return pl ? `exec ${words}\n` : `[ "$(id -un)" = ${user} ] && exec ${words}\nchown -R ${user} ${quote(places(layout).data)}\nexec setpriv --reuid=${user} --regid="$(id -g ${user})" --clear-groups --no-new-privs -- ${words}\n`;
}

/** Root's to write and everybody's to read, unlike what lies in the agent's own folder. */
const pidFile = ({ root }: BoardLayout): string => quote(`${root}/run/fabriclens-agent.pid`);
/** Not restarted, not started at boot; a file holds its process id. */
const plainStart = (layout: BoardLayout): string => {
  const { opt, data } = places(layout);
  return `mkdir -p ${quote(`${layout.root}/run`)}; cd ${quote(`${opt}/current/agent`)} && setsid nohup sh ../start >${quote(`${data}/agent.log`)} 2>&1 </dev/null & echo $! >${pidFile(layout)}`;
};
const plainStop = (layout: BoardLayout): string => {
  const pid = pidFile(layout);
  return `if [ -s ${pid} ]; then p=$(cat ${pid}); if tr '\\0' ' ' </proc/$p/cmdline 2>/dev/null | grep -qF -e fabriclens_agent -e ../start; then kill $p 2>/dev/null; i=0; while kill -0 $p 2>/dev/null && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; kill -9 $p 2>/dev/null; fi; rm -f ${pid}; fi; true`;
};

/** What is known of an installation. */
export interface Installed {
  layout: BoardLayout;
  systemd: boolean;
  python: string;
  /** Of the login. */
  home: string;
}

export interface Supervisor { start: string; stop: string; status: string; logs: string }
export function supervisor(layout: BoardLayout, systemd: boolean): Supervisor {
  const { data, opt, unit } = places(layout);
  if (systemd) {
    return {
      start: `ln -sfT ${quote(`${opt}/current/${UNIT}`)} ${quote(unit)}; systemctl daemon-reload; systemctl enable -q ${UNIT}; systemctl reset-failed ${UNIT} 2>/dev/null || true; systemctl restart ${UNIT}`,
      stop: `systemctl disable -q --now ${UNIT} 2>/dev/null || true; rm -f ${quote(unit)}; systemctl daemon-reload`,
      status: `systemctl is-active ${UNIT}`, logs: `journalctl -u ${UNIT} -n 200 --no-pager -o short-iso`,
    };
  }
  return {
    start: `${plainStop(layout)}; ${plainStart(layout)}`, stop: plainStop(layout),
    // The login asks, who may not send that process a signal.
    status: `p=$(cat ${pidFile(layout)} 2>/dev/null); [ -n "$p" ] && [ -d "/proc/$p" ] && echo active || echo inactive`, logs: `tail -n 200 ${quote(`${data}/agent.log`)}`,
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

/** `current` to another version, started; back to what was there when it does not get ready. A lost connection does not stop it half-way, and a second one waits for it. */
export function switchScript({ layout, systemd, python }: Installed, to: string): string {
  const { opt } = places(layout);
  const { start, stop } = supervisor(layout, systemd);
  const point = (name: string, target: string): string => `ln -sfn ${target} ${name}.new && sync && mv -fT ${name}.new ${name}`;
  return `trap '' HUP PIPE
cd ${quote(opt)} || exit 1
exec 9>switching; flock -w ${2 * layout.readyS + 60} 9 || { echo "another installation is at work" >&2; exit 1; }
old=$(readlink current || true)
${point('current', to)} || exit 1
( ${start} ) 9>&-
if ${awaitReady(layout, python)}; then
  [ -z "$old" ] || [ "$old" = ${to} ] || { ${point('previous', '"$old"')}; }
  exit 0
fi
if [ -n "$old" ] && [ "$old" != ${to} ]; then ${point('current', '"$old"')}; ( ${start} ) 9>&-; ${awaitReady(layout, python)}; echo "it did not get ready within ${layout.readyS} s; the version before runs again" >&2; exit 1; fi
( ${stop} ); [ "$old" = ${to} ] || rm -f current
echo "it did not get ready within ${layout.readyS} s and there is no other version; see the log" >&2; exit 1`;
}

/** The PL is not used any more by this version: its unit or start, from stdin, without it. */
export const withoutPlScript = ({ layout, systemd, python }: Installed): string => {
  const { opt } = places(layout);
  const name = quote(`${opt}/current/${systemd ? UNIT : 'start'}`);
  return `set -eu; umask 022; rm -f ${quote(`${opt}/current/overlay`)}; cat >${name}.new; mv ${name}.new ${name}; set +e; ( ${supervisor(layout, systemd).start} ); ${awaitReady(layout, python)}`;
};
export const serviceText = ({ layout, systemd, python }: Installed, pl: boolean): string => (systemd ? unitText : startText)(layout, python, pl);
export const serviceFile = (systemd: boolean): string => (systemd ? UNIT : 'start');

/** To the version before; refused where there is none. */
export const rollbackScript = (input: Installed, previous: string): string => switchScript(input, `versions/${previous.replace(/[^\w.+-]/g, '')}`);

/** Leaves nothing of ours but the login's key, which a login may still need. */
export function uninstallScript({ layout, systemd, home }: Installed): string {
  const { opt, etc, data } = places(layout);
  const { root } = layout;
  return `trap '' HUP PIPE
( ${supervisor(layout, systemd).stop} )
if [ -e ${quote(`${etc}/made-user`)} ] && id -u ${quote(layout.serviceUser)} >/dev/null 2>&1; then userdel ${quote(layout.serviceUser)} || exit 1; fi
rm -rf ${quote(opt)} ${quote(data)} ${quote(etc)} ${quote(staging(home))} ${quote(`${root}/run/fabriclens-pl.lock`)} ${quote(`${root}/lib/firmware`)}/fabriclens-*.bin; sync
[ ! -e ${quote(opt)} ] && [ ! -e ${quote(data)} ] && [ ! -e ${quote(etc)} ] && [ ! -e ${quote(staging(home))} ]`;
}
