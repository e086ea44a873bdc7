/** The link to a board: its client, the virtual board, and the watch over both. */
export { addressOf } from './http.ts';
export { parseBoardAddress, readBoardToken, TOKEN_VARIABLE } from './address.ts';
export { OipClient, type InferOptions, type InferResult, type OipClientOptions } from './client.ts';
export { BoardError, type BoardErrorCode } from './errors.ts';
export { BoardLink, connectBoard, isUsable, sshBoardLink, virtualBoardLink, type BoardLinkOptions, type SshBoardOptions } from './link.ts';
export type { InferAnswer, Tensor, TensorData } from './protocol.ts';
export { deployPackage, type Deployment, type DeployOptions, type DeployProgress } from './upload.ts';
export { startVirtualBoard, type OpenBoard, type VirtualBoard, type VirtualBoardOptions } from './virtual.ts';
export { diagnose, obstacles, reportText, type DoctorReport, type Finding } from './provision/doctor.ts';
export { find, type Found } from './provision/find.ts';
export { installPlan, type Step } from './provision/plan.ts';
export { LAYOUT, type BoardLayout } from './provision/probe.ts';
export { doctor, install, logs, readBoardId, readToken, rollback, status, uninstall, type Session, type StepEvent, type Vector } from './provision/runner.ts';
export { secure } from './provision/secure.ts';
export { connectSsh, HostKeyError, type Login, type SshConnection, type SshOptions } from './ssh/connection.ts';
export { boardsAt, boardsNamed, fingerprintOf, KnownBoards, NO_BOARDS, withBoard, withoutBoard, type KnownBoard } from './ssh/host-keys.ts';
