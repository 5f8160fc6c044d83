//! Encoding, encryption and decryption.

use super::{Scheme, Verdict, ensure, reals};
use crate::backend::Backend;
use crate::ciphertext::{Ciphertext, Plaintext};
use crate::conformance::TAIL;
use crate::encrypt::Encryptor;
use crate::keys::KeyGenerator;
use crate::sampling::Seed;

/// Messages in slots, complex and real, and in coefficients, of every power-of-two length, at the
/// bottom and at the top, come back from encryptions under the public and the secret key within the
/// noise of these; level, scale and number of slots are those of the plaintext.
pub fn encryption_round_trips<B: Backend>(backend: &B) -> Verdict {
    Scheme::each(backend, |s| {
        let seed = |label| Seed::from_bytes([11; 32]).derive(label, 0);
        let public = KeyGenerator::new(&s.context, &s.secret)?.public_key()?;
        let keys = [
            (
                Encryptor::with_secret_key(&s.context, &s.secret, seed("secret"))?,
                s.noise.fresh(),
            ),
            (
                Encryptor::with_public_key(&s.context, &public, seed("public"))?,
                s.noise.fresh_public(),
            ),
        ];
        for (mut encryptor, noise) in keys {
            for level in [0, s.top()] {
                let scale = s.context.params().scale_at(level);
                let mut encrypt = |p: &Plaintext<B>| -> Verdict<Ciphertext<B>> {
                    let x = encryptor.encrypt(p)?;
                    ensure!(
                        (x.level(), x.scale(), x.slots()) == (p.level(), p.scale(), p.slots())
                            && (x.level(), x.count(), x.components()) == (level, 1, 2),
                        "a ciphertext does not keep its plaintext's attributes"
                    );
                    Ok(x)
                };
                let mut length = 1;
                while length <= s.context.params().degree() {
                    let of = format!("{length} values at level {level}");
                    if length <= s.slots() {
                        let complex = s.messages(1, length, length as u64);
                        let x = encrypt(&s.encode(&complex[0], level, scale)?)?;
                        s.expect(&format!("slots, {of}"), &x, &complex, noise / scale)?;
                        let real = s.real_messages(1, length, length as u64);
                        let x = encrypt(&s.context.encode(&reals(&real[0]), level, scale)?)?;
                        s.expect(&format!("real slots, {of}"), &x, &real, noise / scale)?;
                    }
                    let wanted = reals(&s.real_messages(1, length, 3)[0]);
                    let p = s.context.encode_coefficients(&wanted, level, scale)?;
                    let found = s
                        .context
                        .decode_coefficients(&s.decrypt(&encrypt(&p)?)?[0], length)?;
                    // A coefficient carries the noise of a slot without the sum over N.
                    let bound = TAIL * noise / s.noise.spread() / scale;
                    for (found, wanted) in found.iter().zip(&wanted) {
                        ensure!(
                            (found - wanted).abs() <= bound,
                            "coefficients, {of}: {found} where {wanted} was encrypted"
                        );
                    }
                    length *= 2;
                }
            }
        }
        Ok(())
    })
}
