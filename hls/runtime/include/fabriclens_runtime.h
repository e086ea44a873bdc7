/* FabricLens runtime: loads a program.bin (layout: hls/core/layout.json) and runs it. C ABI, no dependencies, no exceptions across it.
 *
 * Life: fl_load -> fl_run (any number of times) -> fl_unload. fl_load copies what it needs; the caller's bytes may go afterwards.
 * With the programmable logic: fl_core_open, then fl_use_core between fl_load and fl_run; fl_core_close when no program uses it any more.
 * Memory: everything is allocated by fl_load and fl_use_core; fl_run never touches the heap.
 * Threads: different programs are independent. One program runs once at a time; a second concurrent fl_run on it returns FL_ERROR_BUSY.
 * Errors: a function that can fail returns an fl_status and, where it takes (error, error_bytes), writes one line of UTF-8 text there,
 * always terminated; it names the field or tensor and what is wrong with it. Nothing is written on FL_OK but an empty string.
 * Structs: the caller sets struct_bytes = sizeof(the struct) before the call, so that later versions can append fields. */
#ifndef FABRICLENS_RUNTIME_H
#define FABRICLENS_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define FL_API __declspec(dllexport)
#else
#define FL_API __attribute__((visibility("default")))
#endif

#define FL_ABI_VERSION 3u
#define FL_MAX_RANK 6

typedef enum fl_status {
  FL_OK = 0,
  FL_ERROR_ARGUMENT = 1,    /* a null pointer, an index, a buffer of the wrong size or dtype, NaN in an input */
  FL_ERROR_FORMAT = 2,      /* the bytes are not a valid program (truncated, out of range, checksum) */
  FL_ERROR_VERSION = 3,     /* a program of a layout version that this runtime doesn't know */
  FL_ERROR_UNSUPPORTED = 4, /* valid, but this backend can't run it (the message names the layer) */
  FL_ERROR_MEMORY = 5,      /* out of memory, or above the arena budget */
  FL_ERROR_BUSY = 6,        /* this program is running in another thread */
  FL_ERROR_CANCELLED = 7,   /* *cancel became non-zero; outputs are untouched */
  FL_ERROR_DEADLINE = 8,    /* timeout_ns passed; outputs are untouched */
  FL_ERROR_DEVICE = 9       /* the core, or what was opened as one, failed: a bus error, a segment that does not end; outputs are untouched */
} fl_status;

/* Element types as the Open Inference Protocol names them: "INT8", "INT32", "FP32". */
typedef enum fl_dtype { FL_INT8 = 1, FL_INT32 = 2, FL_FP32 = 3 } fl_dtype;
typedef enum fl_direction { FL_INPUT = 0, FL_OUTPUT = 1 } fl_direction;
/* Who computes a layer: the programmable logic (its golden model, where no core is used) or the processor, in int8 or fp32. */
typedef enum fl_target { FL_TARGET_PL = 1, FL_TARGET_PS = 2 } fl_target;

/* fl_load flags. Without FL_LOAD_VERIFY_DATA only header, tables and descriptors are checked against their CRC-32: weights are the
 * business of the package's SHA-256. With it the weights' CRC-32 is checked too. */
#define FL_LOAD_VERIFY_DATA 1u

typedef struct fl_program fl_program;

typedef struct fl_program_info {
  uint32_t struct_bytes;
  uint32_t layout_version;
  uint32_t input_count;
  uint32_t output_count;
  uint32_t layer_count;      /* descriptors and float operators, in the order of execution; the length of a full layer_ns */
  uint32_t arena_bytes;      /* int8 activations */
  uint64_t macs;             /* multiply-accumulates of one run */
  uint8_t model_sha256[32];  /* of the canonical QDQ ONNX file it was compiled from */
} fl_program_info;

typedef struct fl_tensor_info {
  uint32_t struct_bytes;
  uint32_t dtype;               /* the ONNX graph's own: fl_dtype, FL_FP32 for a graph that quantises by itself */
  const char *name;             /* lives as long as the program */
  uint32_t rank;                /* 1..FL_MAX_RANK */
  uint32_t element_count;       /* bytes are element_count (FL_INT8) or 4 x element_count (FL_FP32) */
  int64_t shape[FL_MAX_RANK];   /* as in the ONNX graph (NCHW); unused entries are 1 */
  float scale;                  /* real = (code - zero_point) * scale; 0 for an output that has no codes, made by float operators */
  int32_t zero_point;
} fl_tensor_info;

typedef struct fl_layer_info {
  uint32_t struct_bytes;
  uint32_t target;     /* fl_target */
  const char *name;    /* node of the ONNX graph; lives as long as the program */
  const char *op;      /* "conv", "dense", "max_pool", "average_pool", "add", "table", "depthwise", "copy"; of float operators "softmax", "sigmoid", ... */
  uint64_t macs;
} fl_layer_info;

/* A caller's buffer. data holds exactly `bytes` bytes in C order of the tensor's shape, no alignment needed.
 * Input: FL_INT8 codes, or FL_FP32, which the runtime quantises as ONNX QuantizeLinear does (round half to even, saturate).
 * Output: FL_INT8 codes, or FL_FP32, dequantised as ONNX DequantizeLinear does; an output without codes (scale 0) FL_FP32 alone.
 * data == NULL on an output: not wanted. */
typedef struct fl_buffer {
  void *data;
  size_t bytes;
  uint32_t dtype;
  uint32_t reserved;   /* 0 */
} fl_buffer;

typedef struct fl_run_options {
  uint32_t struct_bytes;
  uint32_t reserved;                /* 0 */
  uint64_t timeout_ns;              /* from the call; 0: none. Looked at between layers and while the core runs */
  const volatile int32_t *cancel;   /* may be NULL; looked at likewise */
} fl_run_options;

/* Where the time of one run went. source names who measured it: "host" = golden model, this computer's clock; otherwise the source of the core that ran
 * layers: "measured" = this computer's clock on a board, what is copied to the core and back included; "rtl" = layers of target PL by the simulated core's
 * cycles at its clock, the rest by this computer's. layer_ns of a layer on the core is its own cycle count at that clock, with either source. */
typedef struct fl_timing {
  uint32_t struct_bytes;
  uint32_t layer_capacity;   /* in: entries that layer_ns can hold (0: none wanted) */
  const char *source;        /* out; static text */
  uint64_t total_ns;         /* out: the whole call; with source "rtl" less what the simulation took, plus pl_ns */
  uint64_t input_ns;         /* out: quantise and rearrange inputs */
  uint64_t pl_ns;            /* out: layers of target PL */
  uint64_t ps_ns;            /* out: layers of target PS */
  uint64_t output_ns;        /* out: rearrange and dequantise outputs */
  uint64_t *layer_ns;        /* in: may be NULL; out: ns a layer, the first min(layer_capacity, layer_count) of them */
} fl_timing;

/* --- The programmable logic. One fl_core may be used by several programs; each keeps its commands, weights and activations in the core's memory, and the
 * core runs one segment at a time. */

typedef enum fl_sync { FL_SYNC_TO_CORE = 0, FL_SYNC_FROM_CORE = 1 } fl_sync;

/* The core as the caller has mapped it. Nothing here is touched before all of it was looked at, and nothing of `registers` before the caller knows
 * that there is a clocked slave behind it: a Zynq's bus waits for ever where nothing answers. */
typedef struct fl_core_device {
  uint32_t struct_bytes;
  uint32_t clock_khz;            /* of the core, 1000 to 1000000 */
  volatile uint32_t *registers;  /* the AXI4-Lite window; aligned words of 32 bits are all that is read and written there */
  uint64_t register_bytes;       /* at least 4096 */
  void *memory;                  /* one contiguous buffer of normal memory, cached or not, aligned to 128: all that the core may touch */
  uint64_t memory_bytes;
  uint32_t memory_address;       /* where the core sees its first byte, a multiple of 128 */
  uint32_t reserved;             /* 0 */
  const char *source;            /* "measured" or "rtl": see fl_timing */
  uint64_t deadline_ns;          /* not 0: the longest that a segment, or a reset of the core, may take before it is given up */
  /* Called for each range that the processor wrote, before the core reads it (TO_CORE), and for each that the core wrote, before the processor reads it
   * (FROM_CORE); may round outwards to whole cache lines of up to 64 bytes. Gives 0, or anything else where it failed. NULL: memory is uncached or coherent. */
  int32_t (*sync)(void *context, uint32_t direction, uint64_t offset, uint64_t bytes);
  void *context;
} fl_core_device;

typedef struct fl_core fl_core;

typedef struct fl_core_info {
  uint32_t struct_bytes;
  uint32_t core_version;
  uint32_t layout_version;
  uint32_t clock_khz;
  uint32_t input_lanes, output_lanes, pixel_lanes;   /* their product is the multiply-accumulates a cycle */
  uint32_t programs;                                 /* that use it */
  uint64_t memory_bytes, memory_used;
} fl_core_info;

/* What an estimate presumes: the clock of the core and the memory behind its ports (reads and writes of both together). */
typedef struct fl_core_setting {
  uint32_t struct_bytes;
  uint32_t clock_khz;
  uint64_t bytes_per_second;
  uint32_t latency_ns;
  uint32_t reserved;        /* 0 */
} fl_core_setting;

/* Of one layer that the core runs; all 0 for a layer of the processor. */
typedef struct fl_layer_estimate {
  uint64_t cycles;         /* from the end of the layer before it */
  uint64_t bytes_weights;  /* weights, parameters, tables and commands read */
  uint64_t bytes_read;     /* activations */
  uint64_t bytes_written;
} fl_layer_estimate;

typedef struct fl_estimate_info {
  uint32_t struct_bytes;
  uint32_t layer_capacity;      /* in: entries that layers can hold (0: none wanted) */
  uint32_t clock_khz;           /* out: the setting that was used, */
  uint32_t latency_ns;
  uint64_t bytes_per_second;
  uint32_t macs_per_cycle;      /* out: of the core's array, at most */
  uint32_t reserved;
  uint64_t cycles;              /* out: of all segments of the core; 0 where there are none */
  uint64_t bytes_read;          /* out: everything that the core moves */
  uint64_t bytes_written;
  fl_layer_estimate *layers;    /* in: may be NULL; out: an entry a layer, the first min(layer_capacity, layer_count) of them */
} fl_estimate_info;

/* "0.1.0", and the ABI and layout versions that the library was built with. */
FL_API const char *fl_version(void);
FL_API uint32_t fl_abi_version(void);
FL_API uint32_t fl_layout_version(void);

/* "ok", "format", ...: the word for a status, for logs and protocols. */
FL_API const char *fl_status_name(int32_t status);

/* Checks every offset, size, shape and bound of the bytes before anything is allocated; *program is NULL on failure.
 * arena_budget: bytes of activations and prepared weights allowed (0: 1 GiB). */
FL_API int32_t fl_load(const void *bytes, size_t size, uint32_t flags, uint64_t arena_budget, fl_program **program,
                       char *error, size_t error_bytes);
FL_API void fl_unload(fl_program *program);

/* How many threads compute an int8 layer together, the caller's among them: 1 after fl_load, up to FL_MAX_THREADS. The results are the same bits with any
 * number. Takes its memory and starts its threads here, so that fl_run does neither. FL_ERROR_BUSY while the program runs; FL_ERROR_UNSUPPORTED for
 * more than one on anything but Linux. After a failure the program runs on as before. */
#define FL_MAX_THREADS 8u
FL_API int32_t fl_set_threads(fl_program *program, uint32_t threads, char *error, size_t error_bytes);

/* Reads identity, version and shape, refuses what is not a core of this layout, and resets it. `device` is copied; what it points at must stay as it is
 * until fl_core_close. *core is NULL on failure. FL_ERROR_VERSION: a core of another layout; FL_ERROR_DEVICE: no core. */
FL_API int32_t fl_core_open(const fl_core_device *device, fl_core **core, char *error, size_t error_bytes);
/* FL_ERROR_BUSY, and nothing is closed, while programs use it. FL_ERROR_DEVICE: it is closed, but could not be stopped and may still write its memory,
 * which must not be used for anything else before another bitstream was loaded. NULL is FL_OK. */
FL_API int32_t fl_core_close(fl_core *core);
FL_API int32_t fl_get_core_info(fl_core *core, fl_core_info *info);

/* From now on `core` runs the program's layers of target PL; with NULL the golden model does again. Commands, weights and room for activations are put into
 * the core's memory here and taken out, overwritten with zeros, by fl_unload. FL_ERROR_MEMORY where there is no room, FL_ERROR_UNSUPPORTED with the layer's
 * name where the core cannot run it, FL_ERROR_BUSY while the program runs. After a failure the program runs on the golden model. */
FL_API int32_t fl_use_core(fl_program *program, fl_core *core, char *error, size_t error_bytes);

FL_API int32_t fl_get_program_info(const fl_program *program, fl_program_info *info);
FL_API int32_t fl_get_tensor_info(const fl_program *program, uint32_t direction, uint32_t index, fl_tensor_info *info);
FL_API int32_t fl_get_layer_info(const fl_program *program, uint32_t index, fl_layer_info *info);

/* One inference. inputs and outputs are in the order of fl_get_tensor_info, all of them; options and timing may be NULL. */
FL_API int32_t fl_run(fl_program *program, const fl_buffer *inputs, uint32_t input_count, const fl_buffer *outputs,
                      uint32_t output_count, const fl_run_options *options, fl_timing *timing, char *error, size_t error_bytes);

/* Cycles of the layers of target PL on the core's default shape, by the cycle model, which equals the simulated RTL to the cycle. setting == NULL:
 * 100 MHz, 1.0 GB/s, 400 ns. Nothing is run; some ten nanoseconds a cycle and some ten milliseconds a layer. FL_ERROR_UNSUPPORTED, with the
 * layer's name, where the core cannot run what the program wants it to, or the network is too long to be counted (6e9 cycles). */
FL_API int32_t fl_estimate(const fl_program *program, const fl_core_setting *setting, fl_estimate_info *info, char *error, size_t error_bytes);

/* Why the core cannot run a layer: FL_ERROR_UNSUPPORTED and one sentence that names the limit; FL_OK and nothing where it can. */
FL_API int32_t fl_core_refusal(const fl_program *program, uint32_t index, char *text, size_t text_bytes);

/* ONNX QuantizeLinear for int8, per tensor: saturate(round_half_even(x / scale) + zero_point), the division in fp32.
 * Returns the index of the first NaN, or -1. */
FL_API int64_t fl_quantize_linear(const float *x, int8_t *codes, size_t count, float scale, int32_t zero_point);

#ifdef __cplusplus
}
#endif
#endif
