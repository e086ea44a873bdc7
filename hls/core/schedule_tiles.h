// The sizes of tile that a layer can be cut into. Part of schedule.h.
#pragma once
#include "schedule_shape.h"

namespace fl {

// Sizes alone: the tiles stand at 0. Empty if not even a pixel's window fits the buffer, or every size takes more than MAX_COMMANDS.
std::vector<Tile> tile_sizes(const Descriptor &d, const Shape &s, const Geometry &g);

// How many tiles of a size there are.
uint64_t commands_of(const Descriptor &d, const Shape &s, const Tile &size);

// All tiles of a size, in the order of their commands: the blocks of one part stay together, so that their weights may.
std::vector<Tile> cut(const Descriptor &d, const Shape &s, const Tile &size);

// Whether the weights of a part can stay in the ring while its tiles follow one another.
bool keeps_weights(const Descriptor &d, const Shape &s, const Geometry &g, const Tile &size);

}  // namespace fl
