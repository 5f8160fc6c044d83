//! One key set for every prompt of a conversation, and for other conversations within its capacity.

use std::sync::Arc;

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::Device;
use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::keys::SecretKey;
use ckks_math::sampling::Seed;
use he_linalg::matrix::StoreOptions;
use he_llama::model::{Circuit, Exact, Twin};
use he_llama::protocol::client::fresh_conversation;
use he_llama::protocol::{Cached, Client, ClientSpec, ModelHost, Setup, demand};
use he_llama::{Error, embedded};

const PRESET: &str = "insecure-n10-boot";
/// Positions of the session: three windows, the last one not full.
const CAPACITY: usize = 40;

/// How a conversation grows: a prompt of so many tokens, or a single token, as if it were chosen.
enum Turn {
    Prompt(usize),
    Token,
}

/// The largest difference of a logit from the exact model's that is admitted. The approximations of
/// this calibration make 0.004 of it (README.md), and the small ring, whose bootstraps are two bits
/// less precise, four times as much.
const ADMITTED: f64 = 0.02;

#[test]
fn one_key_set_serves_prompts_of_any_length_behind_any_answer() {
    use Turn::{Prompt, Token};
    let source = embedded::source().unwrap();
    let llama = &source.llama;
    let calibration = Arc::new(embedded::calibration(llama).unwrap());
    let backend = CpuBackend::open(CpuOptions::default()).unwrap();
    let (limits, times) = (backend.limits(), KernelTimes::default());
    let setup = Setup::new(llama, &calibration, PRESET, CAPACITY, limits, &times).unwrap();
    let needed = demand(&setup, &mut |_, _| Ok(())).unwrap().keys;
    let spec = Arc::new(ClientSpec::of(&setup).unwrap());
    let secret = SecretKey::from_seed(&setup.params, Seed::from_bytes([9; 32])).unwrap();
    let mut client = Client::new(&spec, backend.clone(), secret).unwrap();
    let mut keys = Vec::new();
    client.write_keys(&needed, &mut keys).unwrap();
    let host = ModelHost::new(&setup, backend, needed, StoreOptions::default()).unwrap();
    let mut server = host.session(&mut &keys[..], &mut |_, _| Ok(())).unwrap();
    let all = source.prompt(
        &"What is it that you would say to her, and why? ".repeat(4),
        1,
    );
    let all = all.unwrap();
    let conversations = [
        // Within the first window, across its end, and up to the capacity.
        vec![
            Prompt(1),
            Token,
            Prompt(5),
            Token,
            Token,
            Prompt(11),
            Token,
            Prompt(17),
            Token,
        ],
        // Three windows at once, and no room left but for one token.
        vec![Prompt(39), Token],
        vec![Prompt(16), Token, Token],
    ];
    let circuit = Circuit::exact(&llama.config);
    for turns in conversations {
        let mut exact = Twin::new(llama, &circuit, Exact);
        let (mut cached, mut conversation) = (Cached::default(), fresh_conversation());
        server.restart();
        for turn in turns {
            let new = match turn {
                Prompt(tokens) => tokens,
                Token => 1,
            };
            let end = cached.positions + new;
            let request = client.request(&all[..end], cached, &conversation).unwrap();
            let response = server.respond(&request.bytes, &mut |_| Ok(())).unwrap();
            let reply = client.open(&response, &request.after).unwrap();
            let expected = exact.advance(&all[cached.positions..end]).unwrap();
            assert_eq!(reply.position, end - 1);
            let pairs = reply.logits.iter().zip(&expected);
            let worst = pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            println!("{cached:?} to {end}: {worst:.1e}");
            assert!(worst < ADMITTED, "{cached:?} to {end}: {worst}");
            (cached, conversation) = (request.cached, request.after);
            assert_eq!(server.cached(), cached);
            // What goes on from a file goes on alike.
            let mut state = Vec::new();
            server.save(&mut state).unwrap();
            server.load(&mut &state[..]).unwrap();
        }
    }
    let too_long = client.request(
        &all[..CAPACITY + 1],
        Cached::default(),
        &fresh_conversation(),
    );
    let Err(Error::Capacity { found, capacity }) = too_long else {
        panic!("{CAPACITY} positions at most");
    };
    assert_eq!((found, capacity), (CAPACITY + 1, CAPACITY));
}
