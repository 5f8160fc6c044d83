//! Client and server in one process, with messages that are exchanged, repeated, damaged or
//! stopped.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, OnceLock};

use ckks_cpu::{CpuBackend, CpuOptions};
use ckks_math::backend::Device;
use ckks_math::backend::dry_run::KernelTimes;
use ckks_math::keys::SecretKey;
use ckks_math::sampling::Seed;
use ckks_math::wire::Wire;
use ckks_math::{Ciphertext, Context};
use he_linalg::matrix::StoreOptions;
use he_llama::error::MessageFault;
use he_llama::protocol::client::fresh_conversation;
use he_llama::protocol::envelope::{Header, Kind, Reader, Writer};
use he_llama::protocol::{
    Cached, Client, ClientSpec, Conversation, ModelHost, Request, ServerSession, Setup, demand,
};
use he_llama::{Error, embedded};

/// The cache of a conversation that has not begun.
const NEW: Cached = Cached {
    windows: 0,
    positions: 0,
};
const PRESET: &str = "insecure-n10-boot";
/// Positions of a conversation.
const CAPACITY: usize = 5;
/// Tokens of the prompts: two texts that differ, of one length.
const PROMPTS: [&[u32]; 2] = [&[0, 50, 60], &[0, 70, 80]];

/// A client's keys and the host that they are for.
struct World {
    setup: Arc<Setup>,
    backend: CpuBackend,
    spec: Arc<ClientSpec>,
    host: Arc<ModelHost<CpuBackend>>,
    keys: Vec<u8>,
}

/// One for all tests: keys take most of the time.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let llama = embedded::source().unwrap().llama;
        let calibration = Arc::new(embedded::calibration(&llama).unwrap());
        let backend = CpuBackend::open(CpuOptions::default()).unwrap();
        let limits = backend.limits();
        let setup = Setup::new(
            &llama,
            &calibration,
            PRESET,
            CAPACITY,
            limits,
            &KernelTimes::default(),
        )
        .unwrap();
        let needed = demand(&setup, &mut |_, _| Ok(())).unwrap().keys;
        let spec = Arc::new(ClientSpec::of(&setup).unwrap());
        let client = Client::new(&spec, backend.clone(), secret(&setup)).unwrap();
        let mut keys = Vec::new();
        client.write_keys(&needed, &mut keys).unwrap();
        let host =
            ModelHost::new(&setup, backend.clone(), needed, StoreOptions::default()).unwrap();
        World {
            setup,
            backend,
            spec,
            host,
            keys,
        }
    })
}

fn secret(setup: &Setup) -> SecretKey {
    SecretKey::from_seed(&setup.params, Seed::from_bytes([9; 32])).unwrap()
}

impl World {
    fn client(&self) -> Client<CpuBackend> {
        Client::new(&self.spec, self.backend.clone(), secret(&self.setup)).unwrap()
    }

    fn server(&self) -> ServerSession<CpuBackend> {
        let mut keys = &self.keys[..];
        self.host.session(&mut keys, &mut |_, _| Ok(())).unwrap()
    }

    fn context(&self) -> Context<CpuBackend> {
        Context::new(self.setup.params.clone(), self.backend.clone()).unwrap()
    }
}

fn respond(server: &mut ServerSession<CpuBackend>, request: &Request) -> Vec<u8> {
    server.respond(&request.bytes, &mut |_| Ok(())).unwrap()
}

/// The field of a session error, with both values in its text.
fn field(error: &Error) -> &'static str {
    let Error::Session {
        field,
        found,
        expected,
        ..
    } = error
    else {
        panic!("{error}");
    };
    let shown = error.to_string();
    assert!(shown.contains(found) && shown.contains(expected), "{shown}");
    field
}

#[test]
fn a_response_answers_one_request_only() {
    let world = world();
    let mut client = world.client();
    let [a, b] = PROMPTS.map(|ids| (ids, fresh_conversation()));
    let requests = [a, b].map(|(ids, start)| client.request(ids, NEW, &start).unwrap());
    let responses = [0, 1].map(|i| respond(&mut world.server(), &requests[i]));
    let refused = client.open(&responses[0], &requests[1].after).unwrap_err();
    assert_eq!(field(&refused), "conversation");
    // The same text asked twice: the response is that of the other request.
    let again = client.request(a.0, NEW, &a.1).unwrap();
    let refused = client.open(&responses[0], &again.after).unwrap_err();
    assert_eq!(field(&refused), "history");
    for i in [0, 1] {
        let reply = client.open(&responses[i], &requests[i].after).unwrap();
        assert_eq!(reply.position, 2);
    }
}

#[test]
fn a_request_goes_behind_its_own_state_only() {
    let world = world();
    let mut client = world.client();
    let (mut own, mut other) = (world.server(), world.server());
    let [start, elsewhere] = [fresh_conversation(), fresh_conversation()];
    let first = client.request(PROMPTS[0], NEW, &start).unwrap();
    let foreign = client.request(PROMPTS[1], NEW, &elsewhere).unwrap();
    respond(&mut own, &first);
    respond(&mut other, &foreign);
    let second = client
        .request(&[0, 50, 60, 90], first.cached, &first.after)
        .unwrap();
    let refuse = |server: &mut ServerSession<CpuBackend>, request: &Request| {
        let refused = server.respond(&request.bytes, &mut |_| Ok(()));
        field(&refused.unwrap_err())
    };
    assert_eq!(refuse(&mut other, &second), "conversation");
    // A state of the other conversation is no better than the session that wrote it.
    let mut state = Vec::new();
    other.save(&mut state).unwrap();
    let mut restored = world.server();
    restored.load(&mut &state[..]).unwrap();
    assert_eq!(restored.conversation(), Some(&foreign.after));
    assert_eq!(refuse(&mut restored, &second), "conversation");
    // A fresh session has no state, and a request that left out one is out of turn.
    assert_eq!(refuse(&mut world.server(), &second), "history");
    let skipped = client
        .request(&[0, 50, 60, 90, 90], second.cached, &second.after)
        .unwrap();
    assert_eq!(refuse(&mut own, &skipped), "history");
    respond(&mut own, &second);
    assert_eq!(own.cached(), second.cached);
    // Its own state goes on where it was written.
    let mut state = Vec::new();
    own.save(&mut state).unwrap();
    let mut restored = world.server();
    restored.load(&mut &state[..]).unwrap();
    let third = client
        .request(&[0, 50, 60, 90, 91], second.cached, &second.after)
        .unwrap();
    assert_eq!(respond(&mut restored, &third), respond(&mut own, &third));
}

/// A message with its two ciphertexts in the other order, and with `change` made to the header's
/// end; the digest is made to fit again when `seal` says so.
fn exchanged(world: &World, kind: Kind, message: &[u8], seal: bool) -> Vec<u8> {
    let context = world.context();
    let mut reader = Reader::begin(kind, message).unwrap();
    let header = reader.header().clone();
    let mut objects = Vec::new();
    for _ in 0..header.units.len() {
        let limit = message.len() as u64;
        let object: Ciphertext<CpuBackend> = Wire::read(&context, limit, &mut reader).unwrap();
        objects.push(object.to_bytes(&context).unwrap());
    }
    reader.finish().unwrap();
    objects.swap(0, 1);
    let mut sealed = Vec::new();
    let mut writer = Writer::begin(kind, &header, &mut sealed).unwrap();
    for object in &objects {
        std::io::Write::write_all(&mut writer, object).unwrap();
    }
    writer.finish().unwrap();
    if !seal {
        let end = message.len() - 32;
        sealed[end..].copy_from_slice(&message[end..]);
    }
    sealed
}

fn is_digest_fault(error: &Error) -> bool {
    let fault = MessageFault::Truncated;
    match error {
        Error::Message { fault, .. } => matches!(fault, MessageFault::Digest { .. }),
        other => panic!("{other} in place of {fault}"),
    }
}

#[test]
fn ciphertexts_in_another_order_are_refused() {
    let world = world();
    let (mut client, mut server) = (world.client(), world.server());
    let request = client
        .request(PROMPTS[0], NEW, &fresh_conversation())
        .unwrap();
    let swapped = exchanged(world, Kind::Request, &request.bytes, false);
    assert_eq!(swapped.len(), request.bytes.len());
    let refused = server.respond(&swapped, &mut |_| Ok(())).unwrap_err();
    assert!(is_digest_fault(&refused), "{refused}");
    let response = respond(&mut server, &request);
    let mut state = Vec::new();
    server.save(&mut state).unwrap();
    let swapped = exchanged(world, Kind::State, &state, false);
    let refused = server.load(&mut &swapped[..]).unwrap_err();
    assert!(is_digest_fault(&refused), "{refused}");
    client.open(&response, &request.after).unwrap();
    // Whoever makes the digest again makes another request, which is not the one awaited.
    let sealed = exchanged(world, Kind::Request, &request.bytes, true);
    let response = world.server().respond(&sealed, &mut |_| Ok(())).unwrap();
    let refused = client.open(&response, &request.after).unwrap_err();
    assert_eq!(field(&refused), "history");
}

/// The message again with its ciphertexts and its header changed, and a digest that is right.
fn forged(
    world: &World,
    (kind, message): (Kind, &[u8]),
    change: impl Fn(&Ciphertext<CpuBackend>) -> Ciphertext<CpuBackend>,
    rewrite: impl Fn(&mut Header),
) -> Vec<u8> {
    let context = world.context();
    let mut reader = Reader::begin(kind, message).unwrap();
    let mut header = reader.header().clone();
    rewrite(&mut header);
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(kind, &header, &mut bytes).unwrap();
    for _ in 0..header.units.len() {
        let limit = message.len() as u64;
        let object = Ciphertext::read(&context, limit, &mut reader).unwrap();
        change(&object).write(&context, &mut writer).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

/// The field that a message is refused for.
fn refused_for(error: &Error) -> &'static str {
    match error {
        Error::Message {
            fault: MessageFault::Field { field, .. },
            ..
        } => field,
        other => panic!("{other}"),
    }
}

/// What a state holds must be what the passes of the session leave: a request is checked against
/// the session, and so is what it goes on from.
#[test]
fn states_of_another_scale_level_unit_or_shape_are_refused() {
    let world = world();
    let (mut client, mut server) = (world.client(), world.server());
    let ev = ckks_math::Evaluator::new(world.context(), Arc::default());
    let first = client
        .request(PROMPTS[0], NEW, &fresh_conversation())
        .unwrap();
    respond(&mut server, &first);
    // Behind a window, and behind a step.
    let text = [PROMPTS[0], &[80]].concat();
    let second = client.request(&text, first.cached, &first.after).unwrap();
    for step in [None, Some(&second)] {
        step.map(|step| respond(&mut server, step));
        let mut state = Vec::new();
        server.save(&mut state).unwrap();
        let mut fresh = world.server();
        let mut refused = |bytes: Vec<u8>| {
            let refused = refused_for(&fresh.load(&mut &bytes[..]).unwrap_err());
            assert_eq!((fresh.cached(), fresh.conversation()), (NEW, None));
            refused
        };
        let state = (Kind::State, &state[..]);
        for off in [2.0, 0.5, 1.0 + 1e-8, 1.0 - 1e-8] {
            let scaled = |x: &Ciphertext<CpuBackend>| x.with_scale(x.scale() * off);
            assert_eq!(refused(forged(world, state, scaled, |_| ())), "scale");
            let unit = |header: &mut Header| header.units[1] *= off;
            let same = |x: &Ciphertext<CpuBackend>| x.clone();
            assert_eq!(refused(forged(world, state, same, unit)), "units");
        }
        // Of another level without the scale of that level.
        let bottom = forged(world, state, |x| ev.drop_to(x, 0).unwrap(), |_| ());
        assert_eq!(refused(bottom), "scale");
        let squared =
            |x: &Ciphertext<CpuBackend>| ev.multiply_without_relinearisation(x, x).unwrap();
        let squared = forged(world, state, squared, |_| ());
        assert_eq!(refused(squared), "number of components");
        fresh.load(&mut &state.1[..]).unwrap();
        assert_eq!(fresh.cached(), server.cached());
    }
}

#[test]
fn requests_of_another_scale_level_or_shape_are_refused() {
    let world = world();
    let (mut client, mut server) = (world.client(), world.server());
    let request = client
        .request(PROMPTS[0], NEW, &fresh_conversation())
        .unwrap();
    let ev = ckks_math::Evaluator::new(world.context(), Arc::default());
    let named = |bytes: &[u8], server: &mut ServerSession<CpuBackend>| {
        refused_for(&server.respond(bytes, &mut |_| Ok(())).unwrap_err())
    };
    let forged = |request: &Request, change: &dyn Fn(&Ciphertext<CpuBackend>) -> _| {
        forged(world, (Kind::Request, &request.bytes), change, |_| ())
    };
    let doubled = forged(&request, &|x| x.with_scale(2.0 * x.scale()));
    assert_eq!(named(&doubled, &mut server), "scale");
    let lower = forged(&request, &|x| ev.drop_to(x, x.level() - 1).unwrap());
    assert_eq!(named(&lower, &mut server), "level");
    let squared = forged(&request, &|x| {
        ev.multiply_without_relinearisation(x, x).unwrap()
    });
    assert_eq!(named(&squared, &mut server), "number of components");
    assert_eq!(server.cached(), NEW);
    let response = respond(&mut server, &request);
    client.open(&response, &request.after).unwrap();
    // A step fills a part of the slots only.
    let text = [PROMPTS[0], &[80]].concat();
    let step = client
        .request(&text, request.cached, &request.after)
        .unwrap();
    let wide = forged(&step, &|x| x.with_slots(2 * x.slots()).unwrap());
    assert_eq!(named(&wide, &mut server), "number of slots");
    respond(&mut server, &step);
}

#[test]
fn a_job_stops_between_operations_and_leaves_the_session_as_it_was() {
    let world = world();
    let (mut client, mut server) = (world.client(), world.server());
    let start = fresh_conversation();
    let request = client.request(PROMPTS[0], NEW, &start).unwrap();
    for after in [1, 7, 40] {
        let mut seen = 0;
        let stopped = server.job(&request.bytes).unwrap().run(&mut |_| {
            seen += 1;
            match seen {
                n if n == after => Err(Error::Cancelled),
                _ => Ok(()),
            }
        });
        assert!(matches!(stopped, Err(Error::Cancelled)));
        assert_eq!(seen, after);
        assert_eq!((server.cached(), server.conversation()), (NEW, None));
    }
    let whole = respond(&mut server, &request);
    assert_eq!(whole, respond(&mut world.server(), &request));
}

#[test]
fn a_lost_response_is_given_again() {
    let world = world();
    let (mut client, mut server) = (world.client(), world.server());
    let request = client
        .request(PROMPTS[0], NEW, &fresh_conversation())
        .unwrap();
    let response = respond(&mut server, &request);
    let mut events = 0;
    let again = server.respond(&request.bytes, &mut |_| {
        events += 1;
        Ok(())
    });
    assert_eq!((again.unwrap(), events), (response, 0));
    assert_eq!(server.cached().positions, 3);
    server.restart();
    assert_eq!(server.conversation(), None::<&Conversation>);
    respond(&mut server, &request);
}

/// A second session of a model adds its keys and no more than 100 MB.
#[test]
fn sessions_share_all_but_keys_and_caches() {
    let world = world();
    let backend = CpuBackend::open(CpuOptions::default()).unwrap();
    let needed = demand(&world.setup, &mut |_, _| Ok(())).unwrap().keys;
    let host = ModelHost::new(
        &world.setup,
        backend.clone(),
        needed,
        StoreOptions::default(),
    )
    .unwrap();
    let of_host = backend.memory().live;
    let session = || {
        let mut keys = &world.keys[..];
        host.session(&mut keys, &mut |_, _| Ok(())).unwrap()
    };
    let _one = session();
    let of_one = backend.memory().live - of_host;
    let _two = session();
    let of_two = backend.memory().live - of_host;
    assert!(
        of_two <= 2 * of_one,
        "{of_two} bytes in two, {of_one} in one"
    );
    assert!(of_one < of_host + 2 * world.keys.len() as u64, "{of_one}");
}
