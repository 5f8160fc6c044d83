"""Trains the embedded Shakespeare model from scratch and writes a Hugging Face directory.

    python train.py --text tinyshakespeare.txt --out ../shakespeare

The first 90 % of the text trains the tokenizer and the weights; the rest is held out. Hinge penalties keep the
activations inside the ranges of `llama.Limits`, because every non-linear function of the encrypted model is a
polynomial on an interval. One thread is used unless XLA_FLAGS and NPROC say otherwise.
"""

import argparse
import json
import math
import os
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("NPROC", "1")

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save

from bpe import BOS_ID, save_tokenizer, train_tokenizer
from llama import Config, Limits, forward, init_params, range_penalty

LENGTHS = (256, 192, 128, 32)
LENGTH_SHARES = (0.55, 0.2, 0.2, 0.05)


def split_text(path: str) -> tuple[str, str]:
    """Training and held-out part of a text file, cut at the last line break before 90 % of its bytes."""
    with open(path, "rb") as file:
        data = file.read()
    cut = data.rfind(b"\n", 0, len(data) * 9 // 10) + 1
    return data[:cut].decode("utf-8"), data[cut:].decode("utf-8")


def segmentations(tokenizer, text: str, count: int = 8, skip: float = 0.1) -> list[np.ndarray]:
    """Ids of `text` as the tokenizer gives them, then `count` times with each merge skipped with chance `skip`.

    BPE-dropout (Provilkov, Emelianenko, Voita 2020): a regulariser for a corpus that is read many times.
    """
    texts = []
    for i in range(count + 1):
        tokenizer.model.dropout = skip if i > 0 else None
        texts.append(np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32))
    tokenizer.model.dropout = None
    return texts


class Sampler:
    """Random training sequences: half with BOS in front, of these half from the start of a speech.

    `texts` holds the ids of the training text under several segmentations, the tokenizer's own first; a third of the
    sequences come from the others.
    """

    def __init__(self, texts: list[np.ndarray], speech_ends: list[int], vocab_size: int, tokens: int, seed: int):
        self.texts, self.vocab_size, self.tokens = texts, vocab_size, tokens
        self.starts = [np.flatnonzero(np.isin(ids, speech_ends)) + 1 for ids in texts]
        self.rng = np.random.default_rng(seed)

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids [B, T + 1] and weights [B] of the sequences in the loss, with B * T = `tokens`.

        One sequence in 16 (weight 0) has a random share of its tokens replaced: it only feels the range
        penalties, which makes the ranges hold for text that is nothing like the corpus.
        """
        length = int(self.rng.choice(LENGTHS, p=LENGTH_SHARES))
        count = self.tokens // length
        out = np.empty((count, length + 1), np.int32)
        for row in out:
            which = int(self.rng.integers(0, len(self.texts))) if self.rng.random() < 1 / 3 else 0
            ids, starts = self.texts[which], self.starts[which]
            start = int(self.rng.integers(0, len(ids) - length - 1))
            kind = self.rng.integers(0, 4)
            if kind == 0:
                near = min(int(np.searchsorted(starts, start)), len(starts) - 1)
                start = min(int(starts[near]), len(ids) - length - 1)
            row[:] = ids[start : start + length + 1]
            if kind < 2:
                row[1:] = row[:-1].copy()
                row[0] = BOS_ID
        weight = np.ones(count, np.float32)
        noisy = int(count / 16 + self.rng.random())
        weight[:noisy] = 0.0
        replace = self.rng.random((noisy, length + 1)) < self.rng.random((noisy, 1))
        out[:noisy] = np.where(replace, self.rng.integers(0, self.vocab_size, replace.shape), out[:noisy])
        return out, weight


def make_step(config: Config, limits: Limits, args: argparse.Namespace):
    """The jitted AdamW step: (params, m, v, mean, step, ids, weight) -> (params, m, v, mean, loss, penalty)."""

    def objective(params, ids, weight, key):
        logits, seen = forward(params, config, ids[:, :-1], limits, args.drop, key)
        picked = jnp.take_along_axis(logits, ids[:, 1:, None], axis=-1)[..., 0]
        nll = jnp.mean(jax.nn.logsumexp(logits, axis=-1) - picked, axis=-1)
        loss = jnp.sum(nll * weight) / jnp.sum(weight)
        penalty = range_penalty(params, seen, limits)
        return loss + args.penalty * penalty, (loss, penalty)

    @jax.jit
    def step(params, m, v, mean, i, ids, weight):
        key = jax.random.fold_in(jax.random.key(args.seed), i.astype(jnp.int32))
        grads, (loss, penalty) = jax.grad(objective, has_aux=True)(params, ids, weight, key)
        norm = jnp.sqrt(sum(jnp.sum(g * g) for g in grads.values()))
        clip = jnp.minimum(1.0, 1.0 / (norm + 1e-9))
        warm = jnp.minimum(1.0, (i + 1) / args.warmup)
        along = jnp.clip((i - args.warmup) / (args.steps - args.warmup), 0.0, 1.0)
        rate = args.rate * warm * (0.01 + 0.99 * 0.5 * (1.0 + jnp.cos(math.pi * along)))
        b1, b2 = 0.9, 0.98
        # The running mean of the weights starts short, so that early checkpoints are not stale.
        keep = jnp.minimum(args.mean_decay, (i + 1.0) / (i + 10.0))
        new: tuple[dict, dict, dict, dict] = ({}, {}, {}, {})
        for name, p in params.items():
            g = grads[name] * clip
            m1 = b1 * m[name] + (1 - b1) * g
            v1 = b2 * v[name] + (1 - b2) * g * g
            update = m1 / (1 - b1 ** (i + 1)) / (jnp.sqrt(v1 / (1 - b2 ** (i + 1))) + 1e-9)
            decay = args.weight_decay if "_proj" in name else 0.0
            p1 = p - rate * (update + decay * p)
            for slot, value in zip(new, (p1, m1, v1, keep * mean[name] + (1 - keep) * p1)):
                slot[name] = value
        return *new, loss, penalty

    return step


def held_out_nats(params: dict, config: Config, ids: np.ndarray) -> float:
    """Nats per token over consecutive windows of the held-out ids, each behind a BOS token."""
    width = config.max_position_embeddings
    rows = ids[: len(ids) // width * width].reshape(-1, width)

    @jax.jit
    def total(params, rows):
        given = jnp.concatenate([jnp.full((rows.shape[0], 1), BOS_ID), rows[:, :-1]], axis=1)
        logits, _ = forward(params, config, given)
        return jnp.sum(jax.nn.logsumexp(logits, -1) - jnp.take_along_axis(logits, rows[..., None], -1)[..., 0])

    return sum(float(total(params, part)) for part in np.array_split(rows, 16)) / rows.size


def export(directory: str, params: dict, config: Config, tokenizer, training: dict) -> None:
    """Writes config.json, model.safetensors (F32, with `training` in its metadata) and tokenizer.json."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config.to_hf(), file, indent=2)
        file.write("\n")
    tensors = {name: np.ascontiguousarray(value, np.float32) for name, value in sorted(params.items())}
    metadata = {"format": "pt", "training": json.dumps(training)}
    with open(os.path.join(directory, "model.safetensors"), "wb") as file:
        file.write(save(tensors, metadata))
    save_tokenizer(tokenizer, os.path.join(directory, "tokenizer.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, help="UTF-8 text to learn")
    parser.add_argument("--out", required=True, help="directory for the trained model")
    parser.add_argument("--checkpoint", help="directory that receives the weights so far at every report")
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--tokens", type=int, default=2048, help="tokens per step")
    parser.add_argument("--rate", type=float, default=5e-3, help="peak learning rate")
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--mean-decay", type=float, default=0.995, help="of the running mean of the weights")
    parser.add_argument("--drop", type=float, default=0.04, help="dropout of block outputs")
    parser.add_argument("--penalty", type=float, default=1.0, help="weight of the range penalties")
    parser.add_argument("--report", type=int, default=1000, help="steps between reports")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    paths = ("text", "out", "checkpoint")
    changed = [f"--{name.replace('_', '-')} {value}" for name, value in vars(args).items()
               if name not in paths and value != parser.get_default(name)]

    config, limits = Config(), Limits()
    train_text, held_text = split_text(args.text)
    tokenizer = train_tokenizer(train_text, config.vocab_size)
    texts = segmentations(tokenizer, train_text)
    held = np.array(tokenizer.encode(held_text, add_special_tokens=False).ids, np.int32)
    ends = [t for t in range(config.vocab_size) if tokenizer.decode([t]).endswith("\n\n")]
    sampler = Sampler(texts, ends, config.vocab_size, args.tokens, args.seed)
    bytes_per_token = len(held_text.encode()) / len(held)
    print(f"{len(texts[0])} training tokens, {len(held)} held-out tokens of {bytes_per_token:.3f} bytes", flush=True)

    params = init_params(config, np.random.default_rng(args.seed))
    m, v = ({name: jnp.zeros_like(p) for name, p in params.items()} for _ in range(2))
    mean, step = params, make_step(config, limits, args)
    begin, losses, penalties = time.time(), [], []
    for i in range(args.steps):
        rows, weight = sampler.batch()
        params, m, v, mean, loss, penalty = step(params, m, v, mean, jnp.float32(i), rows, weight)
        losses.append(loss)
        penalties.append(penalty)
        if (i + 1) % args.report == 0 or i + 1 == args.steps:
            nats = held_out_nats(mean, config, held)
            print(
                f"step {i + 1}: train {float(np.mean(losses)):.4f} held-out {nats:.4f} nats/token"
                f" {nats / bytes_per_token:.4f} nats/byte penalty {float(np.mean(penalties)):.5f}"
                f" {time.time() - begin:.0f} s",
                flush=True,
            )
            losses, penalties = [], []
            training = {"steps": i + 1, "tokens": args.tokens, "seed": args.seed, "options": " ".join(changed)}
            training["seconds"] = round(time.time() - begin)
            if args.checkpoint:
                export(args.checkpoint, mean, config, tokenizer, training)
    export(args.out, mean, config, tokenizer, training)


if __name__ == "__main__":
    main()
