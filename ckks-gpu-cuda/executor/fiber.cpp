#include "fiber.h"

#include <cstdint>
#include <cstdlib>

namespace executor {

namespace {

constexpr size_t STACK = 32 << 10;

thread_local Fiber *running = nullptr;

} // namespace

#if defined(__x86_64__) && !defined(_WIN32)

// Saves what the System V ABI asks a callee to keep, changes stacks, restores. Ten times faster than
// swapcontext, which asks the kernel for its signal mask.
extern "C" void ckks_executor_switch(void **from, void *to);
asm(R"(
.text
.globl ckks_executor_switch
.type ckks_executor_switch, @function
ckks_executor_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size ckks_executor_switch, .-ckks_executor_switch
.section .note.GNU-stack,"",@progbits
.text
)");

struct Fiber::Context {
    void *own = nullptr;
    void *caller = nullptr;
};

void Fiber::start(void (*new_body)(void *), void *new_argument) {
    body = new_body;
    argument = new_argument;
    finished = false;
    // The first switch returns into `entry` with a stack as if it had been called.
    void (*entry)() = [] { enter(running); };
    auto top = reinterpret_cast<uintptr_t>(stack + STACK) & ~uintptr_t(15);
    auto slots = reinterpret_cast<void **>(top);
    slots[-1] = nullptr;
    slots[-2] = reinterpret_cast<void *>(entry);
    for (int i = 3; i <= 8; i++)
        slots[-i] = nullptr;
    context->own = slots - 8;
}

bool Fiber::resume() {
    Fiber *previous = running;
    running = this;
    ckks_executor_switch(&context->caller, context->own);
    running = previous;
    return finished;
}

void Fiber::yield() {
    Fiber *self = running;
    ckks_executor_switch(&self->context->own, self->context->caller);
}

#else

} // namespace executor

#include <ucontext.h>

namespace executor {

struct Fiber::Context {
    ucontext_t own;
    ucontext_t caller;
};

void Fiber::start(void (*new_body)(void *), void *new_argument) {
    body = new_body;
    argument = new_argument;
    finished = false;
    void (*entry)() = [] { enter(running); };
    getcontext(&context->own);
    context->own.uc_stack.ss_sp = stack;
    context->own.uc_stack.ss_size = STACK;
    context->own.uc_link = nullptr;
    makecontext(&context->own, entry, 0);
}

bool Fiber::resume() {
    Fiber *previous = running;
    running = this;
    swapcontext(&context->caller, &context->own);
    running = previous;
    return finished;
}

void Fiber::yield() {
    Fiber *self = running;
    swapcontext(&self->context->own, &self->context->caller);
}

#endif

Fiber::Fiber() : context(new Context()), stack(static_cast<char *>(std::malloc(STACK))) {}

Fiber::~Fiber() {
    std::free(stack);
    delete context;
}

void Fiber::enter(Fiber *fiber) {
    fiber->body(fiber->argument);
    fiber->finished = true;
    yield();
}

} // namespace executor
