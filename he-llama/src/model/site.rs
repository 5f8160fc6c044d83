//! Names of the places in the model at which a tensor has a calibrated range.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a tensor is, within one layer. The order is that of the computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Residual stream entering the layer; for layer 0 the embedding.
    Hidden,
    /// Hidden state times the reciprocal root of its mean square, without the norm's weights.
    Normed,
    /// Mean square into the norm before attention.
    AttentionMeanSquare,
    /// Query before the norm's factor.
    QueryRaw,
    /// Key before the norm's factor.
    KeyRaw,
    /// Value before the norm's factor.
    ValueRaw,
    /// Query, rotated, scaled by `1 / sqrt(head_dim)`.
    Query,
    /// Key, rotated.
    Key,
    /// Value.
    Value,
    /// Scaled attention scores relative to the anchors; 0 for pairs that the mask drops.
    Scores,
    /// Masked powers entering softmax round `r`; those of round 0 come from the exponential.
    Powers(u8),
    /// Their squares.
    Squares(u8),
    /// Sum of the squares over the keys.
    SquareSum(u8),
    /// Values mixed by the last squares, before the last normalisation.
    MixedRaw,
    /// Values mixed by the attention weights.
    Mixed,
    /// Output of the attention block.
    Attended,
    /// Residual stream between the blocks.
    HiddenMiddle,
    /// Mean square into the norm before the feed-forward block.
    MlpMeanSquare,
    /// Gate before the norm's factor.
    GateRaw,
    /// Up before the norm's factor.
    UpRaw,
    /// Argument of SiLU.
    Gate,
    /// Factor of SiLU.
    Up,
    /// `silu(gate) * up`.
    Product,
    /// Output of the feed-forward block.
    Down,
    /// Mean square into the last norm.
    FinalMeanSquare,
    /// Logits before the last norm's factor.
    LogitsRaw,
}

impl Role {
    /// Every role, of a softmax with `rounds` normalisations before the last.
    pub fn all(rounds: u8) -> impl Iterator<Item = Self> {
        let plain = NAMES.iter().map(|(role, _)| *role);
        plain.chain((0..=rounds).flat_map(|r| ROUNDED.map(|(_, make)| make(r))))
    }
}

/// A role in a layer. The last norm and the head belong to layer number `layers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Site {
    /// Index of the layer.
    pub layer: usize,
    /// What the tensor is.
    pub role: Role,
}

impl Site {
    /// `role` in `layer`.
    pub fn new(layer: usize, role: Role) -> Self {
        Self { layer, role }
    }
}

const NAMES: [(Role, &str); 23] = [
    (Role::Hidden, "hidden"),
    (Role::Normed, "normed"),
    (Role::AttentionMeanSquare, "attention_mean_square"),
    (Role::QueryRaw, "query_raw"),
    (Role::KeyRaw, "key_raw"),
    (Role::ValueRaw, "value_raw"),
    (Role::Query, "query"),
    (Role::Key, "key"),
    (Role::Value, "value"),
    (Role::Scores, "scores"),
    (Role::MixedRaw, "mixed_raw"),
    (Role::Mixed, "mixed"),
    (Role::Attended, "attended"),
    (Role::HiddenMiddle, "hidden_middle"),
    (Role::MlpMeanSquare, "mlp_mean_square"),
    (Role::GateRaw, "gate_raw"),
    (Role::UpRaw, "up_raw"),
    (Role::Gate, "gate"),
    (Role::Up, "up"),
    (Role::Product, "product"),
    (Role::Down, "down"),
    (Role::FinalMeanSquare, "final_mean_square"),
    (Role::LogitsRaw, "logits_raw"),
];

type Rounded = (&'static str, fn(u8) -> Role);
const ROUNDED: [Rounded; 3] = [
    ("powers", Role::Powers),
    ("squares", Role::Squares),
    ("square_sum", Role::SquareSum),
];

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Powers(r) => write!(f, "powers:{r}"),
            Self::Squares(r) => write!(f, "squares:{r}"),
            Self::SquareSum(r) => write!(f, "square_sum:{r}"),
            plain => {
                let named = NAMES.iter().find(|(role, _)| role == plain);
                f.write_str(named.expect("every plain role is in NAMES").1)
            }
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("unknown tensor {text:?}");
        if let Some((name, round)) = text.split_once(':') {
            let (_, make) = ROUNDED
                .iter()
                .find(|(n, _)| *n == name)
                .ok_or_else(unknown)?;
            return Ok(make(round.parse().map_err(|_| unknown())?));
        }
        NAMES
            .iter()
            .find(|(_, n)| *n == text)
            .map(|(role, _)| *role)
            .ok_or_else(unknown)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.layer, self.role)
    }
}

impl From<Site> for String {
    fn from(site: Site) -> Self {
        site.to_string()
    }
}

impl TryFrom<String> for Site {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no site, expected layer/tensor");
        let (layer, role) = text.split_once('/').ok_or_else(wrong)?;
        Ok(Self {
            layer: layer.parse().map_err(|_| wrong())?,
            role: role.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let rounds = [Role::Powers(0), Role::Squares(3), Role::SquareSum(12)];
        for role in NAMES.iter().map(|(role, _)| *role).chain(rounds) {
            let site = Site::new(17, role);
            assert_eq!(Site::try_from(String::from(site)), Ok(site));
        }
        for wrong in ["scores", "x/scores", "1/powers", "1/powers:x", "1/hidden:2"] {
            assert!(Site::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
