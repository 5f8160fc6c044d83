// The names of CUDA that the kernels use, for the host's C++ compiler: threads of a block are fibers that
// take turns between barriers in an order of the executor's choice, and every access to shared memory is
// checked for bounds, for words never written and for races.
#pragma once
#include <cstdint>
#include <cstddef>
#include <tuple>
#include <utility>

typedef uint32_t u32;
typedef unsigned long long u64;
typedef int32_t i32;
typedef long long i64;

namespace executor {

struct Index {
    u32 x, y, z;
};

// Where the running thread is; shared by all kernels of a host thread.
struct Position {
    Index thread, block, block_size, grid;
};
extern thread_local Position position;

// Waits until every thread of the block has arrived.
void barrier();

// What one lane of a warp gives away.
struct Deposit {
    u32 words[6];
};

// Waits until all 32 threads of the warp have arrived; what each of them gave, by lane, until this thread's
// next exchange but one.
const Deposit *exchange(const Deposit &given);

enum class Access { Read, Write };

// Checks an access to word `index` of `size` bytes of the block's shared memory and returns its address.
void *shared_word(u32 index, size_t size, Access access);

// Calls a kernel with arguments behind pointers; false if their number or sizes differ.
typedef bool (*Call)(void (*kernel)(), const void *const *arguments, const u32 *sizes, u32 count);

template <class... A> struct Caller {
    template <size_t... I>
    static bool unpack(void (*kernel)(A...), const void *const *arguments, const u32 *sizes,
                       u32 count, std::index_sequence<I...>) {
        if (count != sizeof...(A) || !((sizes[I] == sizeof(A)) && ...))
            return false;
        kernel(*static_cast<const A *>(arguments[I])...);
        return true;
    }

    static bool call(void (*kernel)(), const void *const *arguments, const u32 *sizes, u32 count) {
        return unpack(reinterpret_cast<void (*)(A...)>(kernel), arguments, sizes, count,
                      std::index_sequence_for<A...>());
    }
};

// One kernel of a set, in a list that static initialisers build.
struct Entry {
    const char *name;
    u32 most_threads;
    void (*kernel)();
    Call call;
    const Entry *next;

    template <class... A>
    Entry(const Entry *&list, const char *name, u32 most_threads, void (*kernel)(A...))
        : name(name), most_threads(most_threads), kernel(reinterpret_cast<void (*)()>(kernel)),
          call(&Caller<A...>::call), next(list) {
        list = this;
    }
};

struct Launch {
    u32 grid[3];
    u32 threads;
    size_t shared_bytes;
    const void *const *arguments;
    const u32 *sizes;
    u32 count;
    u64 seed;
};

// Runs a kernel of a list; 0, or 1 with the fault in words.
int run(const Entry *list, const char *name, const Launch &launch, char *message, size_t length);

} // namespace executor

#define threadIdx (executor::position.thread)
#define blockIdx (executor::position.block)
#define blockDim (executor::position.block_size)
#define gridDim (executor::position.grid)

#define DEVICE inline

namespace {

[[maybe_unused]] const executor::Entry *kernel_list = nullptr;

inline void barrier() { executor::barrier(); }
inline u32 __umulhi(u32 x, u32 y) { return u32(u64(x) * y >> 32); }
inline u64 __umul64hi(u64 x, u64 y) { return u64((unsigned __int128)x * y >> 64); }
inline u32 __brev(u32 x) {
    u32 reversed = 0;
    for (int i = 0; i < 32; i++)
        reversed |= (x >> i & 1) << (31 - i);
    return reversed;
}

inline void multiply_tiles(i32 (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    const executor::Deposit *lanes = executor::exchange({{a[0], a[1], a[2], a[3], b[0], b[1]}});
    u32 lane = threadIdx.x % 32;
    auto byte = [&](u32 of_lane, u32 word, u32 at) {
        return i32(int8_t(lanes[of_lane].words[word] >> (8 * at)));
    };
    for (u32 r = 0; r < 4; r++) {
        u32 row = lane / 4, column = lane % 4 * 2 + r % 2;
        for (u32 k = 0; k < 32; k++)
            c[r] += byte(row * 4 + k % 16 / 4, r / 2 + k / 16 * 2, k % 4) *
                    byte(column * 4 + k % 16 / 4, 4 + k / 16, k % 4);
    }
}

inline void multiply_tiles(double (&c)[2], double a, double b) {
    executor::Deposit given = {};
    __builtin_memcpy(given.words, &a, 8);
    __builtin_memcpy(given.words + 2, &b, 8);
    const executor::Deposit *lanes = executor::exchange(given);
    u32 lane = threadIdx.x % 32;
    auto number = [&](u32 of_lane, u32 word) {
        double value;
        __builtin_memcpy(&value, lanes[of_lane].words + word, 8);
        return value;
    };
    for (u32 e = 0; e < 2; e++)
        for (u32 k = 0; k < 4; k++)
            c[e] += number(lane / 4 * 4 + k, 0) * number((lane % 4 * 2 + e) * 4 + k, 2);
}

template <class W> struct Shared {
    W get(u32 i) const {
        return *static_cast<W *>(executor::shared_word(i, sizeof(W), executor::Access::Read));
    }
    void set(u32 i, W value) const {
        *static_cast<W *>(executor::shared_word(i, sizeof(W), executor::Access::Write)) = value;
    }
};

template <class W> Shared<W> shared_words() { return {}; }

} // namespace

#define KERNEL(name, threads, parameters, call)                                                    \
    void name parameters { call; }                                                                 \
    const executor::Entry entry_of_##name(kernel_list, #name, threads, &name);
