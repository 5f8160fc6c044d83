"""Llama forward pass (RMSNorm, RoPE rotate-half, GQA, SwiGLU, tied head) over Hugging Face tensor names.

`forward` also returns the quantities that a homomorphic circuit must keep in range; `range_penalty` turns them
into squared hinges for training.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class Config:
    """Shape of the model; the field names are those of a Hugging Face config.json."""

    vocab_size: int = 512
    hidden_size: int = 64
    intermediate_size: int = 256
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 16
    max_position_embeddings: int = 256
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5

    def to_hf(self) -> dict:
        """The config.json of a LlamaForCausalLM with this shape."""
        return dataclasses.asdict(self) | {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "mlp_bias": False,
            "bos_token_id": 0,
            "eos_token_id": None,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "rope_scaling": None,
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "use_cache": True,
        }


@dataclasses.dataclass(frozen=True)
class Limits:
    """Where the hinges start. Each lies inside the range the circuit is meant to hold, so that rare tokens hold too."""

    score: float = 6.5  # |q.k / sqrt(d)|, wanted below 8
    span: float = 8.5  # max - min of the visible scores of one row, wanted below 10
    silu: float = 4.2  # |gate|, wanted below 5
    hidden: float = 6.5  # |residual stream|, wanted below 8
    qkv: float = 5.0  # |q|, |k|, |v|, wanted below 6
    log_square: float = 0.7  # |log(mean square) - centre| of a norm; max / min wanted below 8 = e^(2 * 1.04)


def init_params(config: Config, rng: np.random.Generator) -> dict:
    """Fresh weights, normal with variance 1 / fan-in; projections into the residual stream are damped."""
    h, m = config.hidden_size, config.intermediate_size
    q, kv = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim

    def normal(rows: int, cols: int, std: float) -> jnp.ndarray:
        return jnp.asarray(rng.normal(0.0, std, (rows, cols)), jnp.float32)

    damp = 1.0 / math.sqrt(2 * config.num_hidden_layers)
    params = {
        "model.embed_tokens.weight": normal(config.vocab_size, h, 0.7),
        # The tied head sees rows of norm 0.7 * sqrt(h); this gain starts the logits near unit variance.
        "model.norm.weight": jnp.full((h,), 1.0 / (0.7 * math.sqrt(h)), jnp.float32),
    }
    for i in range(config.num_hidden_layers):
        layer = {
            "input_layernorm": jnp.ones((h,), jnp.float32),
            "self_attn.q_proj": normal(q, h, h**-0.5),
            "self_attn.k_proj": normal(kv, h, h**-0.5),
            "self_attn.v_proj": normal(kv, h, h**-0.5),
            "self_attn.o_proj": normal(h, q, damp * q**-0.5),
            "post_attention_layernorm": jnp.ones((h,), jnp.float32),
            "mlp.gate_proj": normal(m, h, h**-0.5),
            "mlp.up_proj": normal(m, h, h**-0.5),
            "mlp.down_proj": normal(h, m, damp * m**-0.5),
        }
        params |= {f"model.layers.{i}.{name}.weight": value for name, value in layer.items()}
    return params


def _rope(x, cos, sin):
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def _attention(q, k, v, limits: Limits):
    """Causal attention of one sequence: q [T, heads, d] and k, v [T, kv_heads, d] give the mixed values [T, heads * d].

    Also the largest and the smallest visible score of each row, and the squared excess of the scores of each row over
    the score and span limits.
    """
    length, kv_heads, dim = k.shape
    groups = q.shape[1] // kv_heads
    # Query head g * groups + r reads key/value head g, as in the Hugging Face layout.
    q = q.reshape(length, kv_heads, groups, dim).transpose(1, 2, 0, 3).reshape(kv_heads, groups * length, dim)
    score = (q @ k.transpose(1, 2, 0) * dim**-0.5).reshape(kv_heads, groups, length, length)
    visible = jnp.tril(jnp.ones((length, length), bool))
    fixed = jax.lax.stop_gradient(score)
    top = jnp.max(jnp.where(visible, fixed, -jnp.inf), axis=-1, keepdims=True)
    low = jnp.min(jnp.where(visible, fixed, jnp.inf), axis=-1, keepdims=True)
    # Scores over `high` or under `deep` break the score limit or are the far end of a span that is too wide.
    high, deep = jnp.minimum(limits.score, low + limits.span), jnp.maximum(-limits.score, top - limits.span)
    excess = jnp.square(jax.nn.relu(score - high)) + jnp.square(jax.nn.relu(deep - score))
    excess = jnp.sum(jnp.where(visible, excess, 0.0), axis=-1)
    weight = jnp.where(visible, jnp.exp(jnp.minimum(score - top, 0.0)), 0.0)
    mixed = weight.reshape(kv_heads, groups * length, length) @ v.transpose(1, 0, 2)
    mixed = mixed.reshape(kv_heads, groups, length, dim) / jnp.sum(weight, axis=-1, keepdims=True)
    return mixed.transpose(2, 0, 1, 3).reshape(length, -1), top, low, excess


def forward(params: dict, config: Config, ids, limits: Limits = Limits(), drop: float = 0.0, key=None):
    """Logits [B, T, V] of token ids [B, T], and a dict of range quantities, each with leading axis B.

    With `drop` > 0, that share of the outputs of the attention and MLP blocks is zeroed at random.
    """
    batch, length = ids.shape
    heads, kv_heads, dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    seen: dict = {}
    # The tables are made in f64 so that the position angles carry no f32 error.
    rates = config.rope_theta ** (-np.arange(0, dim, 2, dtype=np.float64) / dim)
    angle = np.arange(length, dtype=np.float64)[:, None, None] * rates
    embed = params["model.embed_tokens.weight"]
    x = embed[ids]
    cos, sin = jnp.asarray(np.cos(angle), x.dtype), jnp.asarray(np.sin(angle), x.dtype)
    # One sequence at a time and recomputed in the backward pass: the score matrices then stay in cache.
    attend = jax.checkpoint(lambda q, k, v: _attention(q, k, v, limits))

    def dropout(x, site):
        if drop == 0.0:
            return x
        keep = jax.random.bernoulli(jax.random.fold_in(key, site), 1.0 - drop, x.shape)
        return jnp.where(keep, x / (1.0 - drop), 0.0)

    def norm(x, name):
        square = jnp.mean(x * x, axis=-1, keepdims=True)
        seen[f"{name}.mean_square"] = square
        return x * jax.lax.rsqrt(square + config.rms_norm_eps) * params[f"{name}.weight"]

    seen["model.embed_tokens.hidden"] = x
    for i in range(config.num_hidden_layers):
        p = f"model.layers.{i}"

        def linear(x, name, p=p):
            return x @ params[f"{p}.{name}.weight"].T

        h = norm(x, f"{p}.input_layernorm")
        q = _rope(linear(h, "self_attn.q_proj").reshape(batch, length, heads, dim), cos, sin)
        k = _rope(linear(h, "self_attn.k_proj").reshape(batch, length, kv_heads, dim), cos, sin)
        v = linear(h, "self_attn.v_proj").reshape(batch, length, kv_heads, dim)
        seen |= {f"{p}.q": q, f"{p}.k": k, f"{p}.v": v}
        mixed, top, low, excess = jax.lax.map(lambda qkv: attend(*qkv), (q, k, v))
        seen |= {f"{p}.score": jnp.concatenate([top, low], -1), f"{p}.span": top - low, f"{p}.excess": excess}
        x = x + dropout(linear(mixed, "self_attn.o_proj"), 2 * i)
        seen[f"{p}.mid.hidden"] = x
        h = norm(x, f"{p}.post_attention_layernorm")
        gate, up = linear(h, "mlp.gate_proj"), linear(h, "mlp.up_proj")
        seen |= {f"{p}.silu": gate, f"{p}.up": up}
        x = x + dropout(linear(jax.nn.silu(gate) * up, "mlp.down_proj"), 2 * i + 1)
        seen[f"{p}.out.hidden"] = x
    return norm(x, "model.norm") @ embed.T, seen


def range_penalty(params: dict, seen: dict, limits: Limits):
    """Squared excess over the limits, summed over the features of a token and averaged over tokens."""
    rows = seen["model.embed_tokens.hidden"].shape[0] * seen["model.embed_tokens.hidden"].shape[1]

    def hinge(x, limit):
        return jnp.sum(jnp.square(jax.nn.relu(jnp.abs(x) - limit))) / rows

    bound = {"silu": limits.silu, "hidden": limits.hidden, "q": limits.qkv, "k": limits.qkv, "v": limits.qkv}
    total = 0.0
    for name, value in seen.items():
        kind = name.rsplit(".", 1)[1]
        if kind == "mean_square":
            log = jnp.log(value + 1e-6)
            total += hinge(log - jax.lax.stop_gradient(jnp.mean(log)), limits.log_square)
        elif kind == "excess":
            total += jnp.sum(value) / rows
        elif kind in bound:
            total += hinge(value, bound[kind])
    # Rows of tokens that the corpus never uses are inputs all the same once a user types them.
    log = jnp.log(jnp.mean(jnp.square(params["model.embed_tokens.weight"]), axis=-1) + 1e-6)
    centre = jax.lax.stop_gradient(jnp.mean(jnp.log(seen["model.layers.0.input_layernorm.mean_square"])))
    return total + jnp.mean(jnp.square(jax.nn.relu(jnp.abs(log - centre) - limits.log_square)))
