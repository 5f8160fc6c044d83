// All kernels, for the executor. `KERNEL_SET` names the set: the build makes one of the sources as they are
// and some with a planted fault.
#include "platform.cuh"

namespace {

#include "automorphism.cu"
#include "base_convert.cu"
#include "constants.cu"
#include "double_gemm.cu"
#include "gemm.cu"
#include "key_product.cu"
#include "library_gemm.cu"
#include "neighbours.cu"
#include "ntt.cu"
#include "pointwise.cu"
#include "seeded_product.cu"
#include "sum_products.cu"
#include "tensor_gemm.cu"
#include "transfer.cu"
#include "uniform.cu"

} // namespace

extern "C" int KERNEL_SET(const char *name, const executor::Launch *launch, char *message,
                          size_t length) {
    return executor::run(kernel_list, name, *launch, message, length);
}
