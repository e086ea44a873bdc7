/**
 * The Open Inference Protocol v2 (KServe; Triton's binary tensor data, model repository and statistics extensions) as far as we speak it.
 * https://github.com/kserve/open-inference-protocol
 */
import { z } from 'zod';

/** Bytes an element. BYTES and FP16 are not among those the agent takes. */
export const DATATYPE_BYTES = { BOOL: 1, UINT8: 1, INT8: 1, UINT16: 2, INT16: 2, UINT32: 4, INT32: 4, FP32: 4, UINT64: 8, INT64: 8, FP64: 8 } as const;
export const Datatype = z.enum(Object.keys(DATATYPE_BYTES) as [keyof typeof DATATYPE_BYTES]);
export type Datatype = z.infer<typeof Datatype>;

/** Parameters are scalars by the protocol. */
export const Parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** `parameters` is ours: `backend`, `queue_depth`, where one was asked for and there is none `pl_refusal` (why), and of a core `clock_khz`, `core_memory_bytes`, `overlay_sha256`, `board`. */
export const ServerMetadata = z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()).default([]), parameters: Parameters.optional() });
export type ServerMetadata = z.infer<typeof ServerMetadata>;

/** A shape's -1 is for the client to choose. `parameters` is ours, on inputs: `accepts` (datatypes, comma between), `scale` and `zero_point` of its INT8 form. */
export const TensorMetadata = z.object({ name: z.string(), datatype: Datatype, shape: z.array(z.number().int()), parameters: Parameters.optional() });
/** `parameters` is ours: `program_sha256`, `max_batch_size` (the most that a first dimension of -1 may be). */
export const ModelMetadataResponse = z.looseObject({
  name: z.string(),
  versions: z.array(z.string()).optional(),
  platform: z.string(),
  inputs: z.array(TensorMetadata),
  outputs: z.array(TensorMetadata),
  parameters: Parameters.optional(),
});
export type ModelMetadataResponse = z.infer<typeof ModelMetadataResponse>;

export const ResponseTensor = z.object({
  name: z.string(),
  datatype: Datatype,
  shape: z.array(z.number().int().nonnegative()),
  parameters: Parameters.optional(),
  data: z.array(z.union([z.number(), z.boolean()])).optional(),
});
export const InferResponse = z.object({
  model_name: z.string(),
  model_version: z.string().optional(),
  id: z.string().optional(),
  parameters: Parameters.optional(),
  outputs: z.array(ResponseTensor),
});
export type InferResponse = z.infer<typeof InferResponse>;

/** Model-repository extension: what is in the server's folder, and why something of it is not served. */
export const RepositoryIndex = z.array(z.object({ name: z.string(), version: z.string().optional(), state: z.string().optional(), reason: z.string().optional() }));
export type RepositoryIndex = z.infer<typeof RepositoryIndex>;

/** Statistics extension: `inference_stats` by kind (success, fail, queue, compute_input, compute_infer, compute_output, …). */
export const ModelStatistics = z.object({
  model_stats: z.array(z.object({
    name: z.string(),
    version: z.string(),
    last_inference: z.number(),
    inference_count: z.number(),
    execution_count: z.number(),
    inference_stats: z.record(z.string(), z.object({ count: z.number(), ns: z.number() })),
  })),
});
export type ModelStatistics = z.infer<typeof ModelStatistics>;

export const ErrorResponse = z.object({ error: z.string() });

const Count = z.number().int().nonnegative();
/**
 * Our extension `fabriclens_estimate`: GET, or POST with the setting, of v2/models/NAME/estimate. What the core takes for one inference by the
 * cycle model, `layers` in the order of execution; null for a layer of the processor, whose `refusal` says why the core cannot run it
 * (null: it could). 400 where the core cannot run the program.
 */
export const CoreEstimate = z.looseObject({
  clock_khz: Count,
  bytes_per_second: Count,
  latency_ns: Count,
  macs_per_cycle: z.number().int().positive(),
  cycles: Count,
  bytes_read: Count,
  bytes_written: Count,
  layers: z.array(z.looseObject({
    name: z.string(),
    op: z.string(),
    target: z.enum(['PL', 'PS']),
    macs: Count,
    cycles: Count.nullable(),
    bytes_weights: Count.nullable(),
    bytes_read: Count.nullable(),
    bytes_written: Count.nullable(),
    refusal: z.string().nullable(),
  })),
});
export type CoreEstimate = z.infer<typeof CoreEstimate>;

/**
 * Our extension `fabriclens_trace`: GET of v2/fabriclens/trace, the last requests for an inference, the newest first. Nothing of what was in them. Bytes are those
 * of bodies; times in nanoseconds, by `source`. What a refused request (`status` 400 and above) or one whose client left (0) never came to is missing.
 */
export const RequestTrace = z.looseObject({
  limit: Count,
  requests: z.array(z.looseObject({
    id: Count,
    /** Of the agent, when the request had come. */
    uptime_s: z.number(),
    model: z.string(),
    version: z.string(),
    status: Count,
    batch: Count.optional(),
    request_bytes: Count,
    response_bytes: Count.optional(),
    source: z.string().optional(),
    pl_source: z.string().optional(),
    queue_ns: Count.optional(),
    pl_ns: Count.optional(),
    ps_ns: Count.optional(),
    total_ns: Count,
  })),
});
export type RequestTrace = z.infer<typeof RequestTrace>;

/**
 * Our extension `fabriclens_telemetry`: GET of v2/fabriclens/telemetry; who accepts text/event-stream is told every second. What the board cannot
 * tell is null, and `absent` says why.
 */
export const Telemetry = z.looseObject({
  agent_version: z.string(),
  agent_uptime_s: z.number(),
  agent_memory_bytes: Count.nullable(),
  /** `golden`, `ps` (a board's processor alone), `rtl` or `hardware`. */
  backend: z.string(),
  queue_depth: Count,
  queue_limit: Count,
  models: z.array(z.string()),
  machine: z.string(),
  board_name: z.string().nullable(),
  board_model: z.string().nullable(),
  image: z.string().nullable(),
  boot_id: z.string().nullable(),
  uptime_s: z.number().nullable(),
  temperature_c: z.number().nullable(),
  memory_total_bytes: Count.nullable(),
  memory_available_bytes: Count.nullable(),
  cma_total_bytes: Count.nullable(),
  cma_free_bytes: Count.nullable(),
  pl_clock_khz: Count.nullable(),
  absent: z.record(z.string(), z.string()),
});
export type Telemetry = z.infer<typeof Telemetry>;

/**
 * Names of our parameters in an infer response (all optional: another server has none of them).
 * Times in nanoseconds, by `timing_source` (a TimingSource).
 */
export const TIMING_PARAMETERS = {
  source: 'timing_source',
  queue: 'timing_queue_ns',
  pl: 'timing_pl_ns',
  /** Of `pl` where it is not `timing_source`: the cycle model's time in place of the golden model's own. */
  plSource: 'timing_pl_source',
  ps: 'timing_ps_ns',
  /** Everything between the request's last byte read and the response's first byte written. */
  total: 'timing_total_ns',
} as const;
export const IDENTITY_PARAMETERS = {
  /** `golden`, `ps` (a board's processor alone), `rtl` or `hardware`. */
  backend: 'backend',
  programSha256: 'program_sha256',
  overlaySha256: 'overlay_sha256',
  agentVersion: 'agent_version',
  /** `id` of the request in the trace. */
  traceId: 'trace_id',
} as const;
