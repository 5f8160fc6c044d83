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
    log_square: float = 0.75  # |log(mean square) - centre| of a norm; max / min wanted below 8 = e^(2 * 1.04)


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


def forward(params: dict, config: Config, ids):
    """Logits [B, T, V] of token ids [B, T], and a dict of range quantities, each with leading axis B."""
    batch, length = ids.shape
    heads, kv_heads, dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    seen: dict = {}
    # The tables are made in f64 so that the position angles carry no f32 error.
    rates = config.rope_theta ** (-np.arange(0, dim, 2, dtype=np.float64) / dim)
    angle = np.arange(length, dtype=np.float64)[:, None, None] * rates
    embed = params["model.embed_tokens.weight"]
    x = embed[ids]
    cos, sin = jnp.asarray(np.cos(angle), x.dtype), jnp.asarray(np.sin(angle), x.dtype)
    visible = jnp.tril(jnp.ones((length, length), bool))

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
        # Query head g * groups + r reads key/value head g, as in the Hugging Face layout.
        q = q.reshape(batch, length, kv_heads, heads // kv_heads, dim)
        score = jnp.einsum("btgrd,bsgd->bgrts", q, k) * dim**-0.5
        top = jnp.max(jnp.where(visible, score, -jnp.inf), axis=-1, keepdims=True)
        low = jnp.min(jnp.where(visible, score, jnp.inf), axis=-1, keepdims=True)
        seen |= {f"{p}.score": jnp.concatenate([top, low], -1), f"{p}.span": top - low}
        weight = jnp.where(visible, jnp.exp(jnp.minimum(score - top, 0.0)), 0.0)
        weight = weight / jnp.sum(weight, axis=-1, keepdims=True)
        mixed = jnp.einsum("bgrts,bsgd->btgrd", weight, v).reshape(batch, length, heads * dim)
        x = x + linear(mixed, "self_attn.o_proj")
        seen[f"{p}.mid.hidden"] = x
        h = norm(x, f"{p}.post_attention_layernorm")
        gate, up = linear(h, "mlp.gate_proj"), linear(h, "mlp.up_proj")
        seen |= {f"{p}.silu": gate, f"{p}.up": up}
        x = x + linear(jax.nn.silu(gate) * up, "mlp.down_proj")
        seen[f"{p}.out.hidden"] = x
    return norm(x, "model.norm") @ embed.T, seen


def range_penalty(params: dict, seen: dict, limits: Limits):
    """Squared excess over the limits, summed over the features of a token and averaged over tokens."""
    rows = seen["model.embed_tokens.hidden"].shape[0] * seen["model.embed_tokens.hidden"].shape[1]

    def hinge(x, limit):
        return jnp.sum(jnp.square(jax.nn.relu(jnp.abs(x) - limit))) / rows

    bound = {"score": limits.score, "span": limits.span, "silu": limits.silu, "hidden": limits.hidden}
    bound |= {"q": limits.qkv, "k": limits.qkv, "v": limits.qkv}
    total = 0.0
    for name, value in seen.items():
        kind = name.rsplit(".", 1)[1]
        if kind == "mean_square":
            log = jnp.log(value + 1e-6)
            total += hinge(log - jax.lax.stop_gradient(jnp.mean(log)), limits.log_square)
        elif kind in bound:
            total += hinge(value, bound[kind])
    # Rows of tokens that the corpus never uses are inputs all the same once a user types them.
    log = jnp.log(jnp.mean(jnp.square(params["model.embed_tokens.weight"]), axis=-1) + 1e-6)
    centre = jax.lax.stop_gradient(jnp.mean(jnp.log(seen["model.layers.0.input_layernorm.mean_square"])))
    return total + jnp.mean(jnp.square(jax.nn.relu(jnp.abs(log - centre) - limits.log_square)))
