#include "executor.h"
#include "fiber.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace executor {

thread_local Position position;

namespace {

// A value that no residue has.
constexpr unsigned char POISON = 0xa5;
constexpr u32 NOBODY = ~0u;

u64 mix(u64 &state) {
    state += 0x9e3779b97f4a7c15;
    u64 z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

// A permutation of 0..n.
void shuffle(std::vector<u32> &order, u64 &state) {
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = order.size(); i > 1; i--)
        std::swap(order[i - 1], order[mix(state) % i]);
}

// What happened to a word of shared memory since the last barrier.
struct History {
    u32 phase = 0;
    u32 writer = NOBODY;
    u32 reader = NOBODY;
    bool many_readers = false;
    bool written = false;
};

// Why a thread rests.
enum class Rest { Done, Barrier, Exchange };

constexpr u32 LANES = 32;

// What the threads of a warp give each other. Of two places that take turns one is read while the other is
// written: nobody writes the first again before all have left it.
struct Warp {
    Deposit places[2][LANES];
};

// One block at work.
struct Block {
    const Entry *entry = nullptr;
    const Launch *launch = nullptr;
    std::vector<unsigned char> shared;
    std::vector<History> history;
    std::vector<std::unique_ptr<Fiber>> fibers;
    std::vector<u32> order;
    std::vector<u32> alive;
    std::vector<Rest> rests;
    std::vector<u32> exchanges;
    std::vector<Warp> warps;
    u32 phase = 0;
    u32 thread = 0;
    size_t word_size = 0;
    std::string fault;

    void fail(std::string words) {
        if (fault.empty()) {
            char place[96];
            std::snprintf(place, sizeof place, " (block %u,%u,%u, thread %u, after %u barriers)",
                          position.block.x, position.block.y, position.block.z, thread, phase);
            fault = std::string(entry->name) + ": " + words + place;
        }
    }

    void reset() {
        std::fill(shared.begin(), shared.end(), POISON);
        std::fill(history.begin(), history.end(), History());
        phase = 0;
        word_size = 0;
    }

    void *access(u32 index, size_t size, Access kind) {
        static thread_local u64 nowhere;
        if (word_size == 0)
            word_size = size;
        if (size != word_size || (u64(index) + 1) * size > shared.size()) {
            fail("word " + std::to_string(index) + " of " + std::to_string(shared.size()) +
                 " bytes of shared memory");
            return &nowhere;
        }
        History &word = history[index];
        if (word.phase != phase) {
            word.phase = phase;
            word.writer = word.reader = NOBODY;
            word.many_readers = false;
        }
        bool other_wrote = word.writer != NOBODY && word.writer != thread;
        bool other_read = word.many_readers || (word.reader != NOBODY && word.reader != thread);
        if (other_wrote || (kind == Access::Write && other_read))
            fail("race on word " + std::to_string(index) + " of shared memory");
        if (kind == Access::Read) {
            if (!word.written)
                fail("word " + std::to_string(index) + " of shared memory is read, never written");
            word.many_readers = other_read;
            word.reader = thread;
        } else {
            word.writer = thread;
            word.written = true;
        }
        return shared.data() + size * index;
    }

    static void body(void *self) {
        Block &block = *static_cast<Block *>(self);
        const Launch &l = *block.launch;
        if (!block.entry->call(block.entry->kernel, l.arguments, l.sizes, l.count))
            block.fail("number or sizes of the arguments differ from the kernel's");
    }

    // Whether threads wait for their warp; those of warps that are complete may go on.
    bool exchanging() {
        bool found = false;
        for (u32 first = 0; first < launch->threads; first += LANES) {
            u32 last = std::min(first + LANES, launch->threads);
            auto waits = [](Rest rest) { return rest == Rest::Exchange; };
            auto waiting = std::count_if(rests.begin() + first, rests.begin() + last, waits);
            found |= waiting > 0;
            if (waiting > 0 && waiting != LANES) {
                thread = first;
                fail("exchange that " + std::to_string(waiting) + " of 32 threads reach");
            }
        }
        return found;
    }

    const Deposit *exchange(const Deposit &given) {
        Warp &warp = warps[thread / LANES];
        u32 place = exchanges[thread]++ % 2;
        warp.places[place][thread % LANES] = given;
        rests[thread] = Rest::Exchange;
        Fiber::yield();
        return warp.places[place];
    }

    // Lets every thread run from barrier to barrier.
    void run(u64 &state) {
        reset();
        u32 threads = launch->threads;
        order.resize(threads);
        shuffle(order, state);
        rests.assign(threads, Rest::Done);
        exchanges.assign(threads, 0);
        warps.resize((threads + LANES - 1) / LANES);
        // A thread that never rests leaves its fiber to the next.
        alive.clear();
        size_t used = 0;
        std::vector<u32> fiber_of(threads, 0);
        for (u32 t : order) {
            if (used == fibers.size())
                fibers.push_back(std::make_unique<Fiber>());
            fibers[used]->start(&Block::body, this);
            thread = position.thread.x = t;
            if (!fibers[used]->resume()) {
                fiber_of[t] = u32(used++);
                alive.push_back(t);
            }
            if (!fault.empty())
                return;
        }
        while (!alive.empty()) {
            Rest over = exchanging() ? Rest::Exchange : Rest::Barrier;
            if (!fault.empty())
                return;
            if (over == Rest::Barrier && alive.size() != threads) {
                thread = alive[0];
                return fail("barrier that " + std::to_string(alive.size()) + " of " +
                            std::to_string(threads) + " threads reach");
            }
            phase += over == Rest::Barrier;
            shuffle(order, state);
            alive.clear();
            for (u32 t : order) {
                if (rests[t] == over) {
                    thread = position.thread.x = t;
                    if (fibers[fiber_of[t]]->resume())
                        rests[t] = Rest::Done;
                    if (!fault.empty())
                        return;
                }
                if (rests[t] != Rest::Done)
                    alive.push_back(t);
            }
        }
    }
};

thread_local Block block;

} // namespace

void barrier() {
    block.rests[block.thread] = Rest::Barrier;
    Fiber::yield();
}

const Deposit *exchange(const Deposit &given) {
    return block.exchange(given);
}

void *shared_word(u32 index, size_t size, Access access) {
    return block.access(index, size, access);
}

int run(const Entry *list, const char *name, const Launch &launch, char *message, size_t length) {
    const Entry *entry = list;
    while (entry && std::strcmp(entry->name, name) != 0)
        entry = entry->next;
    std::string fault;
    if (!entry) {
        fault = std::string("no kernel is named ") + name;
    } else if (launch.threads == 0 || launch.threads > entry->most_threads) {
        fault = std::string(name) + ": " + std::to_string(launch.threads) + " threads, at most " +
                std::to_string(entry->most_threads);
    } else if (launch.grid[0] == 0 || launch.grid[1] - 1 > 65534 || launch.grid[2] - 1 > 65534) {
        fault = std::string(name) + ": grid of " + std::to_string(launch.grid[0]) + ", " +
                std::to_string(launch.grid[1]) + ", " + std::to_string(launch.grid[2]);
    } else {
        block.entry = entry;
        block.launch = &launch;
        block.fault.clear();
        block.shared.resize(launch.shared_bytes);
        block.history.resize(launch.shared_bytes / 4);
        u64 state = launch.seed;
        position.block_size = {launch.threads, 1, 1};
        position.grid = {launch.grid[0], launch.grid[1], launch.grid[2]};
        position.thread = {0, 0, 0};
        // Blocks in an order of their own: none may count on another.
        std::vector<u32> blocks(size_t(launch.grid[0]) * launch.grid[1] * launch.grid[2]);
        shuffle(blocks, state);
        for (u32 b : blocks) {
            position.block = {b % launch.grid[0], b / launch.grid[0] % launch.grid[1],
                              b / launch.grid[0] / launch.grid[1]};
            block.run(state);
            if (!block.fault.empty())
                break;
        }
        fault = block.fault;
    }
    if (length > 0)
        std::snprintf(message, length, "%s", fault.c_str());
    return fault.empty() ? 0 : 1;
}

} // namespace executor
