"""Measures a trained model in float64 and writes its model card.

    python card.py --model ../shakespeare --text tinyshakespeare.txt

The held-out text is the part that `train.py` never saw; it is read in windows of the full context, each behind a BOS
token. A second set of ranges comes from uniformly random tokens, text as far from the corpus as can be.
"""

import argparse
import json
import os

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from bpe import BOS_ID
from llama import Config, forward
from train import split_text

PROMPT_TOKENS = 16
GREEDY_TOKENS = 8


class Model:
    """A model directory, evaluated in float64."""

    def __init__(self, directory: str):
        with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
            stored = json.load(file)
        self.config = Config(**{name: stored[name] for name in Config.__dataclass_fields__})
        path = os.path.join(directory, "model.safetensors")
        self.params = {name: jnp.asarray(w, jnp.float64) for name, w in load_file(path).items()}
        with safe_open(path, "np") as file:
            self.training = json.loads(file.metadata()["training"])
        self.tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
        self.run = jax.jit(lambda ids: forward(self.params, self.config, ids))

    def next_logits(self, ids: list[int]) -> np.ndarray:
        """Logits after `ids`; the causal mask makes the padding to the full context harmless."""
        row = np.zeros((1, self.config.max_position_embeddings), np.int32)
        row[0, : len(ids)] = ids
        return np.asarray(self.run(row)[0][0, len(ids) - 1])

    def generate(self, ids: list[int], count: int, temperature: float, seed: int = 0) -> tuple[list[int], list[float]]:
        """`count` tokens after `ids`, greedy at temperature 0, and the gap between the two best logits of each step."""
        rng, ids, gaps = np.random.default_rng(seed), list(ids), []
        start = len(ids)
        for _ in range(count):
            logits = self.next_logits(ids)
            best = np.sort(logits)[-2:]
            gaps.append(float(best[1] - best[0]))
            if temperature == 0.0:
                ids.append(int(logits.argmax()))
            else:
                p = np.exp((logits - best[1]) / temperature)
                ids.append(int(rng.choice(len(p), p=p / p.sum())))
        return ids[start:], gaps

    def measure(self, rows: np.ndarray) -> tuple[float, dict[str, tuple[float, float]]]:
        """Nats per token of `rows` [N, T] behind a BOS token, and (min, max) of each range quantity."""
        nats, ranges = 0.0, {}
        for row in rows:
            given = np.concatenate([[BOS_ID], row[:-1]])[None]
            logits, seen = self.run(given)
            nats += float(jnp.sum(jax.nn.logsumexp(logits[0], -1) - logits[0][np.arange(len(row)), row]))
            for name, value in (seen | {"logits": logits}).items():
                low, high = ranges.get(name, (np.inf, -np.inf))
                ranges[name] = (min(low, float(value.min())), max(high, float(value.max())))
        return nats / rows.size, ranges


def range_table(held: dict, noise: dict) -> str:
    """Markdown table of the ranges, one line per quantity."""
    lines = ["| quantity | held-out text | random tokens |", "|---|---|---|"]
    for name in held:
        if name.endswith(".excess"):
            continue
        cells = []
        for low, high in (held[name], noise[name]):
            ratio = f" (ratio {high / low:.2f})" if name.endswith("mean_square") else ""
            cells.append(f"{low:.3f} to {high:.3f}{ratio}")
        lines.append(f"| {name.removeprefix('model.')} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def bash_string(text: str) -> str:
    """`text` as one `$'...'` word of bash."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"$'{escaped}'"


def quote(text: str) -> str:
    return "```text\n" + text.rstrip("\n") + "\n```"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="directory that train.py wrote; README.md is put there")
    parser.add_argument("--text", required=True, help="the text the model was trained on")
    parser.add_argument("--prompt", required=True, help="the default prompt, 16 tokens with BOS")
    args = parser.parse_args()

    model = Model(args.model)
    train_text, held_text = split_text(args.text)
    ids = np.array(model.tokenizer.encode(held_text, add_special_tokens=False).ids, np.int32)
    width = model.config.max_position_embeddings
    rows = ids[: len(ids) // width * width].reshape(-1, width)
    nats, held = model.measure(rows)
    bytes_per_token = len(held_text.encode()) / len(ids)
    noise_rows = np.random.default_rng(7).integers(0, model.config.vocab_size, (64, width))
    _, noise = model.measure(noise_rows)

    prompt = model.tokenizer.encode(args.prompt).ids
    if len(prompt) != PROMPT_TOKENS:
        raise SystemExit(f"the prompt has {len(prompt)} tokens with BOS, the card wants {PROMPT_TOKENS}")
    greedy, gaps = model.generate(prompt, GREEDY_TOKENS, 0.0)
    long_greedy, _ = model.generate(prompt, 120, 0.0)
    sampled, _ = model.generate(prompt, 200, 0.8, seed=1)

    def text(tokens: list[int]) -> str:
        return args.prompt + model.tokenizer.decode(tokens)

    done, c = model.training, model.config
    count = sum(int(w.size) for w in model.params.values())
    card = f"""# Shakespeare, {count:,} parameters

A small Llama (RMSNorm, RoPE, grouped-query attention, SwiGLU, tied head) trained from scratch by
[`he-llama/assets/train/train.py`](../train/README.md). It exists to run under homomorphic encryption: range penalties during
training keep every activation inside a narrow interval, where low-degree polynomials are accurate.

| | |
|---|---|
| shape | hidden {c.hidden_size}, {c.num_hidden_layers} layers, {c.num_attention_heads} heads, \
{c.num_key_value_heads} key/value heads, head dim {c.head_dim}, intermediate {c.intermediate_size}, \
context {c.max_position_embeddings} |
| tokenizer | byte-level BPE, {c.vocab_size} tokens: BOS (id {BOS_ID}), 256 bytes, \
{c.vocab_size - 257} merges; no end-of-text token |
| weights | F32, Hugging Face tensor names |
| data | Tiny Shakespeare, public domain; first {len(train_text.encode()):,} bytes for training, \
last {len(held_text.encode()):,} bytes held out |
| training | {done["steps"]:,} steps of {done["tokens"]:,} tokens, seed {done["seed"]}, \
{done["seconds"] / 60:.0f} minutes on one thread of a shared CPU |
| held-out loss | {nats:.4f} nats per token, {nats / bytes_per_token:.4f} nats per byte \
({bytes_per_token:.3f} bytes per token) |
| licence | weights and tokenizer: MIT OR Apache-2.0 |

## Use and limits

The model writes text in the manner of its corpus: speakers, verse lines, Elizabethan words. It knows nothing else, does
not follow instructions, and what it says means little. It has seen positions 0 to {c.max_position_embeddings - 1} only.
The held-out text also served to choose the dropout and the number of steps, so its loss is slightly optimistic. The
default prompt was chosen among 66 for its continuation and for clear gaps between its best logits.

## Default prompt

{PROMPT_TOKENS} tokens with BOS: `{json.dumps(args.prompt)}`, ids `{prompt}`.

The first {GREEDY_TOKENS} greedy tokens are `{greedy}` (`{json.dumps(model.tokenizer.decode(greedy))}`); the gaps
between the two best logits are {", ".join(f"{gap:.3f}" for gap in gaps)}; the smallest is {min(gaps):.3f}.

Greedy, 120 tokens:

{quote(text(long_greedy))}

Temperature 0.8, 200 tokens, `numpy.random.default_rng(1)`:

{quote(text(sampled))}

## Activation ranges

Measured in float64 over {rows.size:,} held-out tokens ({len(rows)} windows of {width}, each behind BOS) and over
{noise_rows.size:,} uniformly random tokens. `score` is `q.k / sqrt(head_dim)` over visible positions, `span` the largest
minus the smallest visible score of a row, `mean_square` enters the RMSNorm of that name, `q` and `k` are taken after
RoPE, `silu` is the input of SiLU, `mid.hidden` the residual stream after attention, `out.hidden` after the MLP.

{range_table(held, noise)}

## Retrain

```bash
cd he-llama/assets/train
python -m venv .venv && .venv/bin/pip install -r requirements.txt
.venv/bin/python train.py --text tinyshakespeare.txt --out ../shakespeare{" " * bool(done["options"])}{done["options"]}
.venv/bin/python card.py --model ../shakespeare --text tinyshakespeare.txt --prompt {bash_string(args.prompt)}
```
"""
    with open(os.path.join(args.model, "README.md"), "w", encoding="utf-8") as file:
        file.write(card)
    print(json.dumps({"nats": nats, "bytes_per_token": bytes_per_token, "gaps": gaps, "held": held, "noise": noise}))


if __name__ == "__main__":
    main()
