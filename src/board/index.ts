/** The link to a board: its client, the virtual board, and the watch over both. */
export { parseBoardAddress, readBoardToken, TOKEN_VARIABLE } from './address.ts';
export { OipClient, type InferOptions, type InferResult, type OipClientOptions } from './client.ts';
export { BoardError, type BoardErrorCode } from './errors.ts';
export { BoardLink, connectBoard, isUsable, sshBoardLink, virtualBoardLink, type BoardLinkOptions, type SshBoardOptions } from './link.ts';
export type { InferAnswer, Tensor, TensorData } from './protocol.ts';
export { deployPackage, type Deployment, type DeployOptions, type DeployProgress } from './upload.ts';
export { startVirtualBoard, type OpenBoard, type VirtualBoard, type VirtualBoardOptions } from './virtual.ts';
