// Fibers: the threads of a block take turns on one thread of the host.
#pragma once
#include <cstddef>

namespace executor {

class Fiber {
  public:
    // A fiber on its own stack that runs `body(argument)` when first resumed.
    Fiber();
    ~Fiber();
    Fiber(const Fiber &) = delete;
    Fiber &operator=(const Fiber &) = delete;

    // Prepares a run from the start; whatever ran before is forgotten.
    void start(void (*body)(void *), void *argument);

    // Continues until the fiber yields or returns; true when it has returned.
    bool resume();

    // Back to whoever resumed the fiber that is running.
    static void yield();

  private:
    struct Context;
    static void enter(Fiber *fiber);

    Context *context;
    char *stack;
    void (*body)(void *) = nullptr;
    void *argument = nullptr;
    bool finished = false;
};

} // namespace executor
