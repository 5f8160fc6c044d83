"""Times OpenFHE's Python package on set A of BENCHMARKS.md and writes records as `cargo xtask bench --json` does.

Python 3.10 and the package `openfhe` are needed; compare.sh installs it. The number of threads is OMP_NUM_THREADS.
"""

import argparse
import json
import os
import random
import statistics
import time
from importlib.metadata import version

import openfhe as fhe

LOG_N = 16
SLOTS = 1 << (LOG_N - 1)
ROTATIONS = list(range(1, 9))


def samples_of(body, least, seconds):
    """Wall times in nanoseconds: one run to warm up, then at least `least` and at least `seconds`."""
    body()
    times = []
    start = time.perf_counter()
    while len(times) < least or time.perf_counter() - start < seconds:
        begin = time.perf_counter_ns()
        body()
        times.append(time.perf_counter_ns() - begin)
    return times


class Recorder:
    def __init__(self, params):
        self.params = params
        self.threads = int(os.environ["OMP_NUM_THREADS"])
        self.records = []

    def time(self, name, body, least=5, seconds=2.0):
        times = samples_of(body, least, seconds)
        low, middle, high = statistics.quantiles(times, n=4)
        self.records.append(
            {
                "id": name,
                "params": self.params,
                "threads": self.threads,
                "samples": len(times),
                "median_ns": int(middle),
                "min_ns": min(times),
                "q1_ns": int(low),
                "q3_ns": int(high),
                "backend": "openfhe " + version("openfhe"),
                "commit": "",
                "cpu": "",
                "date": time.strftime("%Y-%m-%d", time.gmtime()),
            }
        )
        print(f"{name:32} {self.threads} threads {middle / 1e6:10.1f} ms median {min(times) / 1e6:10.1f} ms min", flush=True)


def context(parameters, features):
    parameters.SetRingDim(1 << LOG_N)
    parameters.SetBatchSize(SLOTS)
    # The modulus is fixed by hand for equal terms; log QP is within the 128-bit bound all the same.
    parameters.SetSecurityLevel(fhe.HEStd_NotSet)
    made = fhe.GenCryptoContext(parameters)
    for feature in features:
        made.Enable(feature)
    return made


def scheme(seconds):
    """Set A: log Q = 60 + 24 * 55 = 1380, five digits."""
    parameters = fhe.CCParamsCKKSRNS()
    parameters.SetFirstModSize(60)
    parameters.SetScalingModSize(55)
    parameters.SetMultiplicativeDepth(24)
    parameters.SetNumLargeDigits(5)
    parameters.SetSecretKeyDist(fhe.UNIFORM_TERNARY)
    parameters.SetScalingTechnique(fhe.FIXEDMANUAL)
    cc = context(parameters, [fhe.PKE, fhe.KEYSWITCH, fhe.LEVELEDSHE])
    keys = cc.KeyGen()
    cc.EvalMultKeyGen(keys.secretKey)
    recorder = Recorder("set A")

    def rotation_keys():
        cc.ClearEvalAutomorphismKeys()
        cc.EvalRotateKeyGen(keys.secretKey, ROTATIONS)

    recorder.time("keygen/rotation_8", rotation_keys, least=2, seconds=0)
    values = [random.uniform(-1, 1) for _ in range(SLOTS)]
    x = cc.Encrypt(keys.publicKey, cc.MakeCKKSPackedPlaintext(values))

    def hoisted():
        decomposed = cc.EvalFastRotationPrecompute(x)
        for step in ROTATIONS:
            cc.EvalFastRotation(x, step, 2 << LOG_N, decomposed)

    def decrypt_decode():
        cc.Decrypt(keys.secretKey, x).GetRealPackedValue()

    for name, body in [
        ("multiply_relinearise_rescale", lambda: cc.Rescale(cc.EvalMult(x, x))),
        ("rotate", lambda: cc.EvalRotate(x, 1)),
        ("rotate_hoisted_8", hoisted),
        ("encode_encrypt", lambda: cc.Encrypt(keys.publicKey, cc.MakeCKKSPackedPlaintext(values))),
        ("decrypt_decode", decrypt_decode),
    ]:
        recorder.time(name, body, seconds=seconds)
    return recorder.records


def bootstrap():
    """The refresh of 2^15 real slots, SlotsToCoeffs first, by a sparse ephemeral secret: 6 levels of 59 bits are left."""
    levels_after, budget = 6, [3, 3]
    slots_to_coeffs_first = True
    parameters = fhe.CCParamsCKKSRNS()
    secret = fhe.SPARSE_ENCAPSULATED
    parameters.SetSecretKeyDist(secret)
    parameters.SetFirstModSize(60)
    parameters.SetScalingModSize(59)
    parameters.SetScalingTechnique(fhe.FLEXIBLEAUTO)
    parameters.SetNumLargeDigits(4)
    parameters.SetMultiplicativeDepth(levels_after + fhe.CryptoContext.GetBootstrapDepth(budget, secret))
    cc = context(parameters, [fhe.PKE, fhe.KEYSWITCH, fhe.LEVELEDSHE, fhe.ADVANCEDSHE, fhe.FHE])
    begin = time.perf_counter()
    cc.EvalBootstrapSetup(budget, [0, 0], SLOTS, 0, True, slots_to_coeffs_first)
    keys = cc.KeyGen()
    cc.EvalMultKeyGen(keys.secretKey)
    cc.EvalBootstrapKeyGen(keys.secretKey, SLOTS)
    print(f"set-up and keys of bootstrapping: {time.perf_counter() - begin:.1f} s", flush=True)
    values = [random.uniform(-1, 1) for _ in range(SLOTS)]
    # SlotsToCoeffs needs its levels at the input, and one more.
    level = parameters.GetMultiplicativeDepth() - budget[1] - 1
    plain = cc.MakeCKKSPackedPlaintext(values, 1, level)
    x = cc.Encrypt(keys.publicKey, plain)
    recorder = Recorder("bootstrap")
    recorder.time("bootstrap", lambda: cc.EvalBootstrapStCFirst(x), least=2, seconds=0)
    return recorder.records


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", required=True, help="file for the records")
    arguments.add_argument("--bootstrap", action="store_true", help="time the refresh too (11 GiB)")
    arguments.add_argument("--seconds", type=float, default=2.0, help="least time an operation is repeated for")
    given = arguments.parse_args()
    records = scheme(given.seconds)
    if given.bootstrap:
        fhe.ClearEvalMultKeys()
        fhe.ReleaseAllContexts()
        records += bootstrap()
    with open(given.json, "w", encoding="utf-8") as file:
        json.dump(records, file, indent=1)


if __name__ == "__main__":
    main()
