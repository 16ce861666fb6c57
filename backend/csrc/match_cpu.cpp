// Matches primitives that leave with candidates that replace them: see fitting/constraints/usage.py.
#include "scene.h"

// The input and output of a matching; backend/fitting/constraints/usage.py mirrors this struct.
struct Matching {
    const float* cost;         // [victims] ascending
    const int64_t* owner;      // [victims] template
    const float* gain;         // [candidates] descending
    const int64_t* stamp;      // [candidates] template
    int64_t* room;             // [templates] how many more primitives each may have; changed
    const float* position;     // [candidates, 2] px
    const float* radius;       // [candidates] px
    const float* primitives;   // [count, 2] px, all of them; null if they do not matter
    const int64_t* victim_of;  // [victims] index into primitives
    int64_t* removed;          // [candidates] out
    int64_t* added;            // [candidates] out
    int64_t* memory;           // [4 * candidates + 5 * count + 2 * victims + templates + 16]
    int64_t victims, candidates, templates, count;
    double separation;  // of the sum of two radii
    double spacing;     // px
};

// Points by cells, for the search of those nearby. Cells are at least `reach` wide, so that these lie in 3 x 3 of them.
struct Grid {
    int64_t* head;  // [columns, rows] the latest point of a cell, or -1
    int64_t* next;  // [points] an earlier one
    double x, y, side;
    int64_t columns, rows;
};

static double greater(double a, double b) {
    return a > b ? a : b;
}

// An empty grid for points [count, 2], with 3 * count + 1 cells at most.
static Grid grid_of(const float* points, int64_t count, double reach, int64_t*& memory) {
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (int64_t i = 0; i < count; ++i)
        for (int k = 0; k < 2; ++k) {
            const double value = points[2 * i + k];
            low[k] = value < low[k] ? value : low[k];
            high[k] = greater(high[k], value);
        }
    const double width = greater(high[0] - low[0], 0.0), height = greater(high[1] - low[1], 0.0);
    // About a point per cell at least: a wide canvas does not need more memory.
    double side = greater(sqrt(width * height / count), greater(width, height) / count);
    side = greater(greater(side, reach * (1.0 + 1e-9)), 1e-9);
    Grid grid = {memory, nullptr, low[0], low[1], side, 1, 1};
    if (side < INFINITY) {
        grid.columns += (int64_t)(width / side);
        grid.rows += (int64_t)(height / side);
    }
    grid.next = memory + grid.columns * grid.rows;
    memory = grid.next + count;
    for (int64_t cell = 0; cell < grid.columns * grid.rows; ++cell) grid.head[cell] = -1;
    return grid;
}

// The cell along an axis, -1 before the first one.
static int64_t cell_of(double value, double low, double side, int64_t cells) {
    const double at = (value - low) / side;
    return at >= 0.0 ? (at < (double)cells ? (int64_t)at : cells) : -1;
}

static int64_t within(int64_t cell, int64_t cells) {
    return cell < 0 ? 0 : (cell < cells ? cell : cells - 1);
}

static void put(const Grid& grid, const float* points, int64_t i) {
    // Clamped, so that a position that is not a number stays within memory.
    const int64_t column = within(cell_of(points[2 * i], grid.x, grid.side, grid.columns), grid.columns);
    const int64_t row = within(cell_of(points[2 * i + 1], grid.y, grid.side, grid.rows), grid.rows);
    int64_t& head = grid.head[row * grid.columns + column];
    grid.next[i] = head;
    head = i;
}

// Whether is_near(i) holds for a point i in the cells around (x, y).
template <class Test>
static bool any_near(const Grid& grid, double x, double y, Test is_near) {
    const int64_t column = cell_of(x, grid.x, grid.side, grid.columns);
    const int64_t row = cell_of(y, grid.y, grid.side, grid.rows);
    for (int64_t r = row > 0 ? row - 1 : 0; r <= row + 1 && r < grid.rows; ++r)
        for (int64_t c = column > 0 ? column - 1 : 0; c <= column + 1 && c < grid.columns; ++c)
            for (int64_t i = grid.head[r * grid.columns + c]; i >= 0; i = grid.next[i])
                if (is_near(i)) return true;
    return false;
}

static double squared_distance(const float* a, const float* b) {
    const double x = (double)a[0] - b[0], y = (double)a[1] - b[1];
    return x * x + y * y;
}

// Victims by cost, the cheapest first: of all templates, and of each.
struct Queues {
    int64_t* next;   // [victims] of the same template, or -1
    int64_t* taken;  // [victims] 1 once it leaves
    int64_t* head;   // [templates] or -1
    int64_t first;
};

static Queues queues_of(const Matching& all, int64_t*& memory) {
    Queues queues = {memory, memory + all.victims, memory + 2 * all.victims, 0};
    memory = queues.head + all.templates;
    for (int64_t t = 0; t < all.templates; ++t) queues.head[t] = -1;
    for (int64_t k = all.victims - 1; k >= 0; --k) {
        queues.next[k] = queues.head[all.owner[k]];
        queues.head[all.owner[k]] = k;
        queues.taken[k] = 0;
    }
    return queues;
}

static int64_t cheapest(Queues& queues, int64_t victims) {
    while (queues.first < victims && queues.taken[queues.first]) ++queues.first;
    return queues.first < victims ? queues.first : -1;
}

static int64_t cheapest_of(Queues& queues, int64_t number) {
    int64_t& head = queues.head[number];
    while (head >= 0 && queues.taken[head]) head = queues.next[head];
    return head;
}

// The candidates that were accepted, and the primitives that stay.
struct Neighbors {
    Grid accepted, primitives;
    int64_t* gone;  // [count] 1 for primitives that leave
};

static Neighbors neighbors_of(const Matching& all, int64_t*& memory) {
    Neighbors result = {};
    double widest = 0.0;
    for (int64_t i = 0; i < all.candidates; ++i) widest = greater(widest, all.radius[i]);
    const double reach = greater(2.0 * all.separation * widest, all.spacing);
    result.accepted = grid_of(all.position, all.candidates, reach, memory);
    if (!all.primitives) return result;
    result.primitives = grid_of(all.primitives, all.count, all.spacing, memory);
    result.gone = memory;
    for (int64_t i = 0; i < all.count; ++i) {
        put(result.primitives, all.primitives, i);
        result.gone[i] = 0;
    }
    return result;
}

// Whether a candidate in place of a primitive would lie on an accepted one, or within the spacing of one that stays.
static bool conflicts(const Matching& all, const Neighbors& near, int64_t candidate, int64_t primitive) {
    const float* own = all.position + 2 * candidate;
    const double spacing = all.spacing * all.spacing;
    const bool on_accepted = any_near(near.accepted, own[0], own[1], [&](int64_t i) {
        const double reach = all.separation * all.radius[i] + all.separation * all.radius[candidate];
        return squared_distance(own, all.position + 2 * i) < greater(reach * reach, spacing);
    });
    return on_accepted || (all.primitives && any_near(near.primitives, own[0], own[1], [&](int64_t i) {
                               return i != primitive && !near.gone[i] &&
                                      squared_distance(own, all.primitives + 2 * i) < spacing;
                           }));
}

// Returns the number of pairs.
EXPORT int64_t diffbmp_match(const Matching* matching) {
    const Matching& all = *matching;
    if (!all.victims || !all.candidates) return 0;
    int64_t* memory = all.memory;
    Queues queues = queues_of(all, memory);
    const Neighbors near = neighbors_of(all, memory);
    int64_t pairs = 0;
    for (int64_t i = 0; i < all.candidates; ++i) {
        const int64_t worst = cheapest(queues, all.victims), stamp = all.stamp[i];
        if (worst < 0 || !(all.gain[i] > all.cost[worst])) break;
        const int64_t victim = all.room[stamp] > 0 ? worst : cheapest_of(queues, stamp);
        if (victim < 0 || !(all.gain[i] > all.cost[victim])) continue;
        const int64_t primitive = all.primitives ? all.victim_of[victim] : -1;
        if (conflicts(all, near, i, primitive)) continue;
        put(near.accepted, all.position, i);
        if (all.primitives) near.gone[primitive] = 1;
        queues.taken[victim] = 1;
        ++all.room[all.owner[victim]];
        --all.room[stamp];
        all.removed[pairs] = victim;
        all.added[pairs++] = i;
    }
    return pairs;
}
