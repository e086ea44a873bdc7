// Mirrors hls/rtl, unit by unit and register by register: names are the RTL's. In one cycle every unit sees what the others' registers
// held before it (Wires); requests to memory go out in the order that MemoryTiming wants.
#include "cycles.h"

namespace fl {
namespace {

constexpr uint32_t SLOTS = 4;           // fl_command_queue
constexpr uint32_t QUEUE_WORDS = 512;   // fl_fifo of results and residuals
constexpr uint32_t OUTSTANDING = 8;     // bursts of a port
constexpr uint32_t BLOCK_CYCLES = 32;   // fl_compute: from header to header
constexpr int32_t AT_HAND = 64;         // and weight steps that are enough for the memory to be the window's
constexpr uint32_t TO_ARRAY = 4;        // from a step's issue to the datapath
// fl_datapath: from a group's last step to its first result, of sums and of maxima; more with a table, with a residual.
constexpr uint32_t SUM_CYCLES = 23, MAXIMUM_CYCLES = 15, TABLE_CYCLES = 2, ADD_CYCLES = 12, POOL_CYCLES = 2;
constexpr uint32_t CALENDAR = 64;       // cycles that the datapath's future is kept for
constexpr uint64_t PATIENCE = 1u << 20; // cycles in which nothing moves

uint32_t min_of(uint32_t a, uint32_t b) { return a < b ? a : b; }
uint32_t to_boundary(uint32_t address) { return 16 - (address >> 3) % 16; }

enum Unit : uint32_t { INPUT, WEIGHTS, COMPUTE, RESIDUAL, STORE, UNITS };

// What registers show in this cycle.
struct Wires {
  uint32_t pushed;          // commands in the queues so far
  uint32_t popped[UNITS];   // of them, done with by each unit
  uint32_t waiting, stored; // commands loaded and not computed; commands stored
  uint32_t written, released;
  bool hold_weights;
  uint32_t level[2];        // results in the queues
  bool ready(Unit unit) const { return pushed != popped[unit]; }
};

// fl_read_port with the memory behind it: bursts in order, one beat a cycle.
struct ReadPort {
  struct Burst {
    MemoryTiming::Read read;
    uint32_t tag;
  };
  Burst bursts[OUTSTANDING];
  uint32_t sent = 0, accepted = 0, finished = 0, beat = 0;
  uint32_t pending_beats = 0;  // on AR, accepted in this cycle
  uint64_t next = 0;           // cycle of the next beat
  uint64_t bytes = 0;

  bool open() const { return sent - finished < OUTSTANDING; }
  void grant(uint32_t beats, uint32_t tag) {
    bursts[sent % OUTSTANDING].tag = tag;
    sent++;
    pending_beats = beats;
  }
  void accept(uint64_t now, MemoryTiming &memory) {
    if (accepted == sent) return;
    Burst &burst = bursts[accepted % OUTSTANDING];
    burst.read = memory.read(now, pending_beats);
    bytes += uint64_t(pending_beats) * 8;
    if (accepted == finished) next = MemoryTiming::ready(burst.read, 0);
    accepted++;
  }
  // A beat stands at the port.
  bool valid(uint64_t now) const { return accepted != finished && now >= next; }
  uint32_t tag() const { return bursts[finished % OUTSTANDING].tag; }
  void take(uint64_t now) {
    beat++;
    if (beat == bursts[finished % OUTSTANDING].read.beats) {
      beat = 0;
      finished++;
      if (accepted == finished) return;
    }
    const uint64_t ready = MemoryTiming::ready(bursts[finished % OUTSTANDING].read, beat);
    next = ready > now + 1 ? ready : now + 1;
  }
};

// fl_fetch
struct Fetch {
  uint32_t index = 0, beat = 0;
  bool waiting = false, push = false;

  bool request(const Wires &w, uint32_t count) const {
    if (waiting || push || index == count) return false;
    for (uint32_t u = 0; u < UNITS; u++) {
      if (w.pushed - w.popped[u] == SLOTS) return false;
    }
    return true;
  }
  void clock(bool granted, bool valid) {
    push = false;
    if (granted) waiting = true;
    if (!valid) return;
    if (++beat == 16) {
      beat = 0;
      waiting = false;
      index++;
      push = true;
    }
  }
};

// fl_weights
struct WeightLoader {
  uint32_t halves, steps;
  uint32_t load = 0, left = 0, asked = 0, beat = 0, written = 0;
  bool running = false, part = false, pop = false;

  bool request(const Wires &w) const { return running && left > 0 && !w.hold_weights && ((halves == 2 && part) || uint16_t(asked - w.released) < steps); }
  void clock(const Wires &w, const Command &c, bool granted, bool valid) {
    pop = false;
    if (valid && ++beat == 16 * halves) {
      beat = 0;
      written++;
    }
    if (!running) {
      if (!w.ready(WEIGHTS)) return;
      if (load++ == 0) return;
      left = c.weight_steps * halves;
      running = true;
    } else if (left == 0) {
      running = false;
      load = 0;
      pop = true;
    } else if (granted) {
      left--;
      if (halves == 1 || !part) asked++;
      part = halves == 2 && !part;
    }
  }
};

// fl_input
struct InputLoader {
  enum { LOAD, WAIT, RUN } state = LOAD;
  uint32_t load = 0;
  bool requests_left = false, positions_left = false, loaded = false, pop = false;
  // requester
  bool second = false, busy = false, offered = false, odd_row = false;
  uint32_t planes = 0, rows = 0, plane = 0, row = 0, at = 0, beats = 0, length = 0;
  // writer
  uint32_t w_plane = 0, w_row = 0, w_column = 0;
  bool w_second = false, w_odd = false;

  static uint32_t half_beats(const Command &c) { return (c.valid_columns + ((c.mode & CommandMode::ODD_COLUMN) ? 1u : 0u) + 1) >> 1; }
  static bool half(const Command &c, bool second) { return c.mode & (second ? CommandMode::HALF_B : CommandMode::HALF_A); }
  static uint32_t row_beats(const Command &c, bool second) { return half(c, second) ? half_beats(c) : c.valid_columns; }
  bool may_start(const Wires &w, const Command &c) const { return state == WAIT && w.waiting < 2 && w.stored >= c.wait_stores; }

  // The position under the writer takes a beat from memory.
  bool fresh(const Command &c) const {
    if (w_row < c.first_row || w_row >= uint32_t(c.first_row) + c.valid_rows) return false;
    if (w_column < c.first_column || w_column >= uint32_t(c.first_column) + c.valid_columns) return false;
    return !half(c, w_second) || !w_odd || w_column == c.first_column;
  }

  void clock(const Wires &w, const Command &c, bool granted, bool valid) {
    loaded = pop = false;
    const bool start = w.ready(INPUT) && may_start(w, c);
    const bool finished = state == RUN && !requests_left && !positions_left;
    if (start) begin(c);
    else {
      request_clock(c, granted);
      if (positions_left) write_clock(c, valid);
    }
    if (state == LOAD) {
      if (w.ready(INPUT) && ++load == 7) state = WAIT;
    } else if (start) state = RUN;
    else if (finished) {
      state = LOAD;
      load = 0;
      loaded = pop = true;
    }
  }

 private:
  void begin(const Command &c) {
    second = false;
    planes = c.a_planes;
    rows = c.valid_rows;
    plane = row = at = c.a_address;
    beats = row_beats(c, false);
    odd_row = c.mode & CommandMode::ODD_ROW;
    busy = requests_left = positions_left = true;
    w_plane = w_row = w_column = 0;
    w_second = false;
    w_odd = c.mode & CommandMode::ODD_COLUMN;
  }

  void request_clock(const Command &c, bool granted) {
    const bool empty = !busy && !offered;
    const bool move = busy && (!offered || granted);
    if (granted) offered = false;
    if (empty) requests_left = false;
    if (!move) return;
    offered = true;
    length = min_of(beats, to_boundary(at));
    at += 8 * length;
    beats -= length;
    if (beats > 0) return;
    row += half(c, second) && !odd_row ? 0 : 8 * uint32_t(second ? c.b_row_beats : c.a_row_beats);
    odd_row = !odd_row;
    if (--rows == 0) {
      rows = c.valid_rows;
      odd_row = c.mode & CommandMode::ODD_ROW;
      plane += second ? c.b_plane_stride : c.a_plane_stride;
      row = plane;
      if (--planes == 0) {
        if (!second && c.b_planes > 0) {
          second = true;
          planes = c.b_planes;
          plane = row = c.b_address;
        } else busy = false;
      }
    }
    at = row;
    beats = row_beats(c, second);
  }

  void write_clock(const Command &c, bool valid) {
    if (fresh(c) && !valid) return;
    const bool inside = w_row >= c.first_row && w_row < uint32_t(c.first_row) + c.valid_rows && w_column >= c.first_column &&
                        w_column < uint32_t(c.first_column) + c.valid_columns;
    if (inside) w_odd = !w_odd;
    if (++w_column < c.columns) return;
    w_column = 0;
    w_odd = c.mode & CommandMode::ODD_COLUMN;
    if (++w_row < c.rows) return;
    w_row = 0;
    if (++w_plane < (w_second ? c.b_planes : c.a_planes)) return;
    w_plane = 0;
    if (w_second || c.b_planes == 0) positions_left = false;
    w_second = true;
  }
};

// fl_bursts
struct Bursts {
  bool running = false, valid = false, second = false, final_burst = false, in_second = false;
  uint32_t planes = 0, rows = 0, columns = 0, block_at = 0, row_at = 0, a_at = 0, b_at = 0, b_left = 0, length = 0;
  uint32_t all_columns = 0, all_rows = 0, row_bytes = 0, plane_stride = 0;
  bool wide = false;

  void start(bool wide_, const Command &c, uint32_t first, uint32_t stride, uint32_t row_beats) {
    running = true;
    in_second = false;
    wide = wide_;
    planes = c.planes;
    rows = all_rows = c.store_rows;
    columns = all_columns = c.store_columns;
    row_bytes = 8 * row_beats;
    plane_stride = stride;
    row_to(block_at = first);
  }
  void clock(bool take) {
    const bool move = running && (!valid || take);
    if (take) valid = false;
    if (!move) return;
    const bool two = wide && planes != 1;
    valid = true;
    second = in_second;
    bool advance;
    if (!in_second) {
      length = min_of(columns, to_boundary(a_at));
      a_at += 8 * length;
      columns -= length;
      b_left = length;
      in_second = two;
      advance = !two;
    } else {
      length = min_of(b_left, to_boundary(b_at));
      b_at += 8 * length;
      b_left -= length;
      advance = b_left == 0;
      if (advance) in_second = false;
    }
    final_burst = false;
    if (!advance || columns > 0) return;
    columns = all_columns;
    if (--rows > 0) return row_to(row_at + row_bytes);
    rows = all_rows;
    const uint32_t done = two ? 2 : 1;
    planes -= done;
    if (planes == 0) {
      running = false;
      final_burst = true;
      return;
    }
    row_to(block_at += done * plane_stride);
  }

 private:
  void row_to(uint32_t at) {
    row_at = a_at = at;
    b_at = at + plane_stride;
  }
};

bool is_wide(const Command &c, uint32_t output_lanes) { return output_lanes == 16 || c.kind != CommandKind::REDUCE; }

// fl_residual
struct ResidualLoader {
  enum { LOAD, WAIT, RUN } state = LOAD;
  uint32_t load = 0, room[2] = {QUEUE_WORDS, QUEUE_WORDS};
  bool pop = false;
  Bursts bursts;

  bool request() const { return bursts.valid && room[bursts.second] >= 16; }
  void clock(const Wires &w, const Command &c, uint32_t output_lanes, bool granted, const uint32_t popped[2]) {
    pop = false;
    const bool done = !bursts.running && !bursts.valid;
    if (granted) room[bursts.second] -= bursts.length;
    for (int q = 0; q < 2; q++) room[q] += popped[q];
    bursts.clock(granted);
    switch (state) {
      case LOAD:
        if (w.ready(RESIDUAL) && ++load == 4) state = WAIT;
        break;
      case WAIT:
        if (!(c.flags & CommandFlag::RESIDUAL)) leave();
        else if (w.stored >= c.wait_stores) {
          state = RUN;
          bursts.start(is_wide(c, output_lanes), c, c.residual_address, c.residual_plane_stride, c.residual_row_beats);
        }
        break;
      default:
        if (done) leave();
    }
  }

 private:
  void leave() {
    state = LOAD;
    load = 0;
    pop = true;
  }
};

// fl_store with the memory's write side
struct Store {
  enum { LOAD, START, RUN } state = LOAD;
  struct Mark {
    uint32_t sent, layer;
    bool last;
  };
  uint32_t load = 0, sent = 0, answered = 0, left = 0, stored = 0;
  uint32_t mark_written = 0, mark_read = 0;
  bool awvalid = false, from_second = false, pop = false;
  Mark marks[4];
  uint64_t answers[OUTSTANDING];  // cycles of the responses to come
  uint32_t answers_known = 0;
  uint32_t burst_beats = 0;
  uint64_t bytes = 0;
  Bursts bursts;

  // Beats taken from the queues in this cycle.
  void taken(uint32_t out[2]) const {
    out[0] = left > 0 && !from_second;
    out[1] = left > 0 && from_second;
  }
  // Returns the layer that ended, or -1.
  int64_t clock(uint64_t now, const Wires &w, const Command &c, uint32_t output_lanes, MemoryTiming &memory) {
    pop = false;
    int64_t ended = -1;
    const bool marks_full = mark_written - mark_read == 4;
    const bool answer = answers_known != answered && now >= answers[answered % OUTSTANDING];
    if (mark_read != mark_written && int32_t(answered - marks[mark_read % 4].sent) >= 0) {
      stored++;
      if (marks[mark_read % 4].last) ended = marks[mark_read % 4].layer;
      mark_read++;
    }
    const bool begin = bursts.valid && !awvalid && left == 0 && w.level[bursts.second] >= bursts.length && sent - answered < OUTSTANDING;
    awvalid = false;
    if (left > 0 && --left == 0) {
      const uint64_t due = memory.write(now, burst_beats);
      bytes += uint64_t(burst_beats) * 8;
      uint64_t &slot = answers[answers_known % OUTSTANDING];
      const uint64_t before = answers_known == answered ? 0 : answers[(answers_known - 1) % OUTSTANDING] + 1;
      slot = due > before ? due : before;
      if (slot <= now) slot = now + 1;
      answers_known++;
    }
    if (answer) answered++;
    if (begin) {
      awvalid = true;
      left = burst_beats = bursts.length;
      from_second = bursts.second;
      sent++;
      if (bursts.final_burst) {
        marks[mark_written % 4] = {sent, c.layer, (c.flags & CommandFlag::LAST) != 0};
        mark_written++;
        pop = true;
      }
    }
    bursts.clock(begin);
    if (state == LOAD) {
      if (w.ready(STORE) && ++load == 4) state = START;
    } else if (state == START) {
      if (!marks_full) {
        state = RUN;
        bursts.start(is_wide(c, output_lanes), c, c.out_address, c.out_plane_stride, c.out_row_beats);
      }
    } else if (pop) {
      state = LOAD;
      load = 0;
    }
    return ended;
  }
};

// fl_walker: how many pixels the next group has, and when it is ready.
struct Walker {
  uint32_t pixel = 0, pixels = 0, filled = 0, held = 0, lanes = 3;
  bool running = false, full = false, full_last = false, ready = false, last = false;

  void start(const Command &c) {
    running = true;
    ready = full = false;
    filled = pixel = 0;
    pixels = uint32_t(c.out_columns) * c.out_rows;
  }
  void clock(bool take) {
    const bool move = full && (!ready || take);
    const bool fill = running && (!full || move);
    const uint32_t slot = full ? 0 : filled;
    if (take) ready = false;
    if (move) {
      ready = true;
      full = false;
      held = filled;
      last = full_last;
    }
    if (!fill) return;
    filled = slot + 1;
    full_last = ++pixel == pixels;
    if (full_last) pixel = 0;
    full = full_last || filled == lanes;
  }
};

// fl_compute; the datapath behind it is a calendar of results.
struct Compute {
  enum { IDLE, SETTINGS, READY, TABLE, HEADER, RUN } state = IDLE;
  uint32_t load = 0, position = 0, kept = 0, released = 0, block = 0, block_start = 0, taken = 0, steps = 0, planes_left = 0;
  uint32_t block_timer = 0, drain_left = 0, table_timer = 0;
  bool table_half = false, computed = false, hold_weights = false, stall_read = false, stall_write = false;
  uint32_t room[2] = {QUEUE_WORDS, QUEUE_WORDS}, residual[2] = {0, 0};
  uint64_t busy_until = 0;         // the datapath and the way to it are empty from this cycle on
  uint32_t lanes = 3, results_a_group = 0;
  uint8_t out[CALENDAR] = {};      // bits 0, 1: a result for queue A, B in that cycle; 2, 3: a residual's pop; 4, 5: a result that fl_pool absorbs
  uint32_t pool_column = 0;
  bool pool_lower = false;
  Walker walker;

  void clock(uint64_t now, const Wires &w, const Command &c, uint32_t output_lanes, const uint32_t freed[2], const uint32_t arrived[2]) {
    computed = stall_read = stall_write = false;
    const bool maximum = c.kind == CommandKind::MAXIMUM, uniform = c.flags & CommandFlag::UNIFORM, keep = c.flags & CommandFlag::KEEP;
    const bool use_residual = c.flags & CommandFlag::RESIDUAL;
    const uint32_t step_at = block_start + (uniform ? 0 : taken);
    const int32_t ahead = int32_t(w.written - (state == RUN ? step_at : position));
    hold_weights = state == READY && w.waiting == 0 && ahead >= AT_HAND;
    const bool weights_there = (maximum && state == RUN) || ahead > 0;
    bool take = false;
    uint32_t set_aside = 0, planes = 1;
    const bool timer_zero = block_timer == 0, drained = drain_left == 0;
    if (block_timer > 0) block_timer--;
    if (drain_left > 0) drain_left--;
    switch (state) {
      case IDLE:
        if (w.ready(COMPUTE) && now >= busy_until) {
          state = SETTINGS;
          load = 0;
        }
        break;
      case SETTINGS:
        if (++load == 7) state = READY;
        break;
      case READY:
        begin(w, c);
        break;
      case TABLE:
        if (table_timer == 0 && !weights_there) stall_read = true;
        else table_clock(output_lanes);
        break;
      case HEADER:
        stall_read = !weights_there;
        if (weights_there && timer_zero) {
          state = RUN;
          block_timer = BLOCK_CYCLES;
          block_start = position + 1;
          if (!keep) released = position;
          taken = 0;
        }
        break;
      case RUN: {
        planes = is_wide(c, output_lanes) && planes_left > 1 ? 2 : 1;
        const bool last_step = taken + 1 == steps;
        const bool has_room = room[0] >= lanes && room[1] >= lanes;
        const bool residuals = !use_residual || (residual[0] >= walker.held && (planes == 1 || residual[1] >= walker.held));
        stall_read = !weights_there || (last_step && has_room && !residuals);
        stall_write = last_step && !has_room;
        if (!walker.ready || !weights_there || (last_step && !(has_room && residuals && drained))) break;
        if (!keep && walker.last && !maximum) released = step_at;
        taken++;
        if (!last_step) break;
        take = true;
        set_aside = walker.held;
        taken = 0;
        drain_left = walker.held * planes - 1;
        drain(now, c, walker.held, planes);
        if (!walker.last) break;
        state = HEADER;
        position = maximum ? block_start : block_start + (uniform ? 1 : steps);
        if (!keep) released = position;
        block++;
        planes_left -= planes;
        if (block == c.blocks) {
          state = IDLE;
          computed = true;
        }
        break;
      }
    }
    for (uint32_t q = 0; q < 2; q++) {
      const uint32_t aside = q < planes ? set_aside : 0;
      room[q] += freed[q] - aside;
      residual[q] += arrived[q] - (use_residual ? aside : 0);
    }
    if (walker_starts) walker.start(c);
    else walker.clock(take);
    walker_starts = false;
  }

 private:
  bool walker_starts = false;

  void begin(const Wires &w, const Command &c) {
    walker_starts = true;
    block = 0;
    planes_left = c.planes;
    pool_column = 0;
    pool_lower = false;
    table_timer = 0;
    table_half = false;
    steps = uint32_t(c.kernel_h) * c.kernel_w * c.depth;
    stall_read = w.waiting == 0;
    if (w.waiting == 0) return;
    const bool new_table = c.flags & CommandFlag::NEW_TABLE;
    state = new_table ? TABLE : HEADER;
    if (c.flags & CommandFlag::REUSE) position = kept;
    else if (!new_table) kept = position;
  }
  void table_clock(uint32_t output_lanes) {
    if (table_timer++ < 7 + 2 * output_lanes) return;
    table_timer = 0;
    position++;
    if (output_lanes == 16 || table_half) {
      state = HEADER;
      kept = position;
    }
    table_half = true;
  }
  void drain(uint64_t now, const Command &c, uint32_t pixels, uint32_t planes) {
    const bool add = c.flags & CommandFlag::RESIDUAL;
    const uint64_t staged = now + TO_ARRAY + (c.kind == CommandKind::MAXIMUM ? MAXIMUM_CYCLES : SUM_CYCLES) + (c.flags & CommandFlag::USE_TABLE ? TABLE_CYCLES : 0);
    const uint64_t first = staged + (add ? ADD_CYCLES : 0);
    for (uint32_t i = 0; i < pixels * planes; i++) {
      const uint32_t queue = i % planes;
      if (!(c.flags & CommandFlag::POOL)) out[(first + i) % CALENDAR] |= uint8_t(1u << queue);
      else {
        if (pool_lower && pool_column % 2 == 1) out[(first + i + POOL_CYCLES) % CALENDAR] |= uint8_t(1u << queue);
        else out[(first + i) % CALENDAR] |= uint8_t(16u << queue);
        if (queue + 1 == planes && ++pool_column == c.out_columns) {
          pool_column = 0;
          pool_lower = !pool_lower;
        }
      }
      if (add) out[(staged + i - 1) % CALENDAR] |= uint8_t(4u << queue);
    }
    busy_until = first + pixels * planes;
  }
};

}  // namespace

CycleCount count_cycles(const Command *commands, uint32_t count, const Geometry &geometry, const MemoryConfig &config, uint64_t *layer_cycles,
                        uint32_t layer_capacity) {
  MemoryTiming memory(config);
  const uint32_t lanes = geometry.output_lanes;
  Wires w{};
  ReadPort m0, m1;
  Fetch fetch;
  WeightLoader weights{};
  weights.halves = lanes / 8;
  weights.steps = geometry.weight_steps;
  InputLoader input;
  ResidualLoader residual;
  Store store;
  Compute compute;
  compute.lanes = compute.walker.lanes = geometry.pixel_lanes;
  CycleCount total{};
  uint32_t arrived[2] = {0, 0};
  bool loaded = false, computed = false;  // pulses of the cycle before
  uint64_t now = 1, moved = 1;
  const Command none{};
  const auto command = [&](Unit unit) -> const Command & { return w.popped[unit] < count ? commands[w.popped[unit]] : none; };
  for (; w.stored < count; now++) {
    // Memory: what was asked for in the cycle before is accepted in this one.
    m0.accept(now, memory);
    m1.accept(now, memory);
    const bool open0 = m0.open(), open1 = m1.open();
    // Beats.
    const bool valid0 = m0.valid(now), valid1 = m1.valid(now);
    const bool input_beat = valid0 && m0.tag() == 0, take_input = input_beat && input.positions_left && input.fresh(command(INPUT));
    const bool residual_beat = valid0 && m0.tag() >= 2;
    const uint32_t pushed[2] = {residual_beat && m0.tag() == 2, residual_beat && m0.tag() == 3};
    const bool weight_beat = valid1 && m1.tag() == 0, fetch_beat = valid1 && m1.tag() == 1;
    if (take_input || residual_beat) m0.take(now);
    if (valid1) m1.take(now);
    // Requests.
    const bool fetch_granted = open1 && fetch.request(w, count);
    const bool weights_granted = open1 && !fetch_granted && weights.request(w);
    const bool residual_granted = open0 && residual.request();
    const bool input_granted = open0 && !residual_granted && input.offered;
    if (fetch_granted) m1.grant(16, 1);
    if (weights_granted) m1.grant(16, 0);
    if (residual_granted) m0.grant(residual.bursts.length, residual.bursts.second ? 3 : 2);
    if (input_granted) m0.grant(input.length, 0);
    // Datapath: what leaves it in this cycle.
    const uint8_t leaving = compute.out[now % CALENDAR];
    compute.out[now % CALENDAR] = 0;
    const uint32_t results[2] = {leaving & 1u, (leaving >> 1) & 1u}, residuals_popped[2] = {(leaving >> 2) & 1u, (leaving >> 3) & 1u};
    uint32_t stored_beats[2];
    store.taken(stored_beats);
    // Units.
    const bool push = fetch.push;
    fetch.clock(fetch_granted, fetch_beat);
    weights.clock(w, command(WEIGHTS), weights_granted, weight_beat);
    input.clock(w, command(INPUT), input_granted, input_beat);
    const uint32_t freed[2] = {stored_beats[0] + ((leaving >> 4) & 1u), stored_beats[1] + ((leaving >> 5) & 1u)};
    compute.clock(now, w, command(COMPUTE), lanes, freed, arrived);
    residual.clock(w, command(RESIDUAL), lanes, residual_granted, residuals_popped);
    const int64_t ended = store.clock(now, w, command(STORE), lanes, memory);
    if (ended >= 0 && layer_cycles && ended < int64_t(layer_capacity)) layer_cycles[ended] = now + 1;
    total.stall_read += compute.stall_read;
    total.stall_write += compute.stall_write;
    if (take_input || weight_beat || fetch_beat || store.pop || compute.taken > 0) moved = now;
    if (now - moved > PATIENCE) {
      total.stuck = true;
      break;
    }
    // Registers.
    w.pushed += push;
    w.waiting += uint32_t(loaded) - uint32_t(computed);
    w.popped[COMPUTE] += computed;
    loaded = input.loaded;
    computed = compute.computed;
    w.popped[INPUT] += input.pop;
    w.popped[WEIGHTS] += weights.pop;
    w.popped[RESIDUAL] += residual.pop;
    w.popped[STORE] += store.pop;
    w.stored = store.stored;
    w.written = weights.written;
    w.released = compute.released;
    w.hold_weights = compute.hold_weights;
    for (uint32_t q = 0; q < 2; q++) {
      w.level[q] += results[q] - stored_beats[q];
      arrived[q] = pushed[q];
    }
  }
  total.cycles = now;
  total.bytes_read = m0.bytes + m1.bytes;
  total.bytes_written = store.bytes;
  return total;
}

}  // namespace fl
