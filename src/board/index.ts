/** The link to a board: its client, the virtual board, and the watch over both. */
export { addressOf } from './http.ts';
export { parseBoardAddress, parseSshAddress, readBoardToken, TOKEN_VARIABLE } from './address.ts';
export { OipClient, type InferOptions, type InferResult, type OipClientOptions } from './client.ts';
export { BoardError, type BoardErrorCode } from './errors.ts';
export { BoardLink, connectBoard, isUsable, sshBoardLink, virtualBoardLink, type BoardLinkOptions, type SshBoardOptions } from './link.ts';
export { BoardPool, nameOf, type Lease } from './pool.ts';
export type { InferAnswer, Tensor, TensorData } from './protocol.ts';
export { deployPackage, type Deployment, type DeployOptions } from './upload.ts';
export { startVirtualBoard, type OpenBoard, type VirtualBoard, type VirtualBoardOptions } from './virtual.ts';
export { obstacles, reportText } from './provision/doctor.ts';
export { find } from './provision/find.ts';
export { installPlan, type PlanInput, type PlannedOverlay } from './provision/plan.ts';
export { LAYOUT } from './provision/probe.ts';
export { doctor, install, logs, readBoardId, readToken, rollback, status, uninstall, type InstallEvent, type Session, type Vector } from './provision/runner.ts';
export { secure, type SecureScripts } from './provision/secure.ts';
export { connectSsh, HostKeyError, LoginError, type Login, type SshConnection, type SshOptions } from './ssh/connection.ts';
export { boardsAt, fingerprintOf, KnownBoards, NO_BOARDS, withBoard, type HostKey, type KnownBoard } from './ssh/host-keys.ts';
