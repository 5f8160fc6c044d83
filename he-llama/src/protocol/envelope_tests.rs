//! Headers and digests of messages, whole and damaged.

use proptest::prelude::*;

use super::*;
use crate::protocol::conversation::ConversationId;

fn header() -> Header {
    let session = Session {
        preset: "n16-boot".into(),
        model: "0123456789abcdef".into(),
        calibration: "fedcba9876543210".into(),
        agreement: Digest::from_bytes([1; 32]),
        capacity: 23,
    };
    let id = ConversationId::from_bytes([7; 16]);
    Header {
        session,
        key: "00ff".into(),
        conversation: Some(Conversation::start(id)),
        cached: Cached::default(),
        units: vec![1.5, 0.25],
    }
}

fn message(header: &Header, objects: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut message = Writer::begin(Kind::Request, header, &mut bytes).expect("fits");
    for object in objects {
        message.write_all(object).expect("memory");
    }
    message.finish().expect("memory");
    bytes
}

/// Reads a message with `objects` bytes of objects.
fn read(bytes: &[u8], objects: usize) -> Result<(Header, Vec<u8>)> {
    let mut message = Reader::begin(Kind::Request, bytes)?;
    let mut found = vec![0; objects];
    take(Kind::Request, &mut message, &mut found)?;
    let header = message.header().clone();
    message.finish()?;
    Ok((header, found))
}

fn fault(result: Result<(Header, Vec<u8>)>) -> MessageFault {
    match result {
        Err(Error::Message { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

/// A message without objects, with the byte at `at` changed and both checksums made to fit again.
fn changed(at: usize, value: u8) -> MessageFault {
    let mut bytes = message(&header(), &[]);
    bytes.truncate(bytes.len() - Digest::LEN - 4);
    bytes[at] = value;
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    fault(read(&bytes, 0))
}

/// The fault of a header that was written as it is.
fn refused(change: impl FnOnce(&mut Header)) -> String {
    let mut header = header();
    change(&mut header);
    let shown = fault(read(&message(&header, &[]), 0)).to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    shown
}

#[test]
fn what_is_written_is_read_back() {
    let bytes = message(&header(), &[b"first", b"second"]);
    let (found, objects) = read(&bytes, 11).expect("own bytes");
    assert_eq!((found, objects), (header(), b"firstsecond".to_vec()));
}

#[test]
fn objects_in_another_order_are_refused() {
    let [one, two] = [&b"first object"[..], b"other object"];
    let good = message(&header(), &[one, two]);
    let mut swapped = good.clone();
    let at = good.len() - Digest::LEN - 2 * one.len();
    swapped[at..at + one.len()].copy_from_slice(two);
    swapped[at + one.len()..at + 2 * one.len()].copy_from_slice(one);
    let found = fault(read(&swapped, 2 * one.len()));
    assert!(matches!(found, MessageFault::Digest { .. }), "{found}");
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    let bytes = message(&header(), &[b"object"]);
    for end in 0..bytes.len() {
        let found = fault(read(&bytes[..end], 6));
        assert!(matches!(found, MessageFault::Truncated), "{end}: {found}");
    }
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped, 6).is_err(), "bit {bit}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(matches!(fault(read(&longer, 6)), MessageFault::Trailing));
}

#[test]
fn other_kinds_versions_lengths_and_fields_are_named() {
    let kind = changed(8, 4);
    assert!(matches!(kind, MessageFault::Kind { found } if found.contains("response")));
    assert!(matches!(changed(8, 99), MessageFault::Kind { found } if found.contains("99")));
    for version in [1, 3] {
        let found = changed(10, version);
        let expected = u16::from(version);
        assert!(
            matches!(found, MessageFault::Version { found, expected: 2 } if found == expected),
            "{found}"
        );
    }
    assert!(matches!(
        changed(14, 9),
        MessageFault::Limit { limit: LIMIT, .. }
    ));
    assert!(matches!(changed(16, b'['), MessageFault::Header { .. }));
}

/// A header that declares far more than arrives costs no more than the limit.
#[test]
fn a_declared_length_is_bounded_before_anything_is_read() {
    let mut bytes = message(&header(), &[]);
    bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    let endless = bytes.as_slice().chain(std::io::repeat(0));
    let refused = Reader::begin(Kind::Request, endless).map(|_| ());
    assert!(matches!(
        refused,
        Err(Error::Message {
            fault: MessageFault::Limit {
                found: u32::MAX,
                ..
            },
            ..
        })
    ));
}

/// Nothing of a foreign header reaches a terminal, or the program, as it is.
#[test]
fn fields_of_a_header_are_checked_before_they_are_used() {
    let escape = "\u{1b}[31m";
    assert!(refused(|h| h.session.preset = escape.into()).contains("preset"));
    assert!(refused(|h| h.session.model = escape.into()).contains("model"));
    assert!(refused(|h| h.session.calibration = escape.into()).contains("calibration"));
    assert!(refused(|h| h.key = escape.into()).contains("key"));
    assert!(refused(|h| h.key = "a".repeat(1000)).contains("key"));
    assert!(refused(|h| h.session.preset = String::new()).contains("preset"));
    assert!(refused(|h| h.session.capacity = usize::MAX).contains("capacity"));
    assert!(refused(|h| h.session.capacity = 0).contains("capacity"));
    assert!(refused(|h| h.cached.positions = 1000).contains("positions"));
    assert!(refused(|h| h.cached.windows = 1).contains("1 and 0"));
    assert!(refused(|h| h.units = vec![1.0; MOST_UNITS + 1]).contains("units"));
    assert!(refused(|h| h.conversation = None).contains("conversation"));
    for bad in [0.0, -1.0, f64::MIN_POSITIVE / 2.0] {
        assert!(
            refused(|h| h.units = vec![1.0, bad]).contains("units"),
            "{bad}"
        );
    }
}

/// A field that the parser of JSON quotes is escaped, too.
#[test]
fn unknown_fields_are_shown_escaped() {
    let text = br#"{"\u001b[31m": 1}"#;
    let mut bytes = message(&header(), &[]);
    bytes.truncate(12);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let shown = fault(read(&bytes, 0)).to_string();
    assert!(
        shown.contains("u{1b}") && !shown.contains('\u{1b}'),
        "{shown:?}"
    );
}

#[test]
fn units_are_counted() {
    assert_eq!(
        header().units::<2>(Kind::Request).expect("two"),
        [1.5, 0.25]
    );
    assert!(header().units::<1>(Kind::Request).is_err());
}

#[test]
fn sessions_that_differ_name_the_field() {
    let header = header();
    let other = |change: &dyn Fn(&mut Session)| {
        let mut session = header.session.clone();
        change(&mut session);
        let refused = header.expect(Kind::Request, &session, "00ff");
        refused.expect_err("another session").to_string()
    };
    assert!(other(&|s| s.preset = "n15-boot".into()).contains("preset"));
    let plan = Digest::from_bytes([2; 32]);
    let shown = other(&|s| s.agreement = plan);
    for part in [plan.to_string(), header.session.agreement.to_string()] {
        assert!(shown.contains(&part), "{part} is not in {shown}");
    }
    let refused = header.expect(Kind::Request, &header.session, "11");
    let refused = refused.expect_err("another key").to_string();
    assert!(refused.contains("key"), "{refused}");
}

proptest! {
    /// Whatever is done to a message, it is refused, or is the message still.
    #[test]
    fn mutated_messages_are_refused(
        edits in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 1..6),
        cut in prop::option::of(0.0_f64..1.0),
    ) {
        let good = message(&header(), &[b"first", b"second"]);
        let mut bad = good.clone();
        for (at, byte) in edits {
            bad[(at * good.len() as f64) as usize] = byte;
        }
        if let Some(cut) = cut {
            bad.truncate((cut * good.len() as f64) as usize);
        }
        prop_assert!(bad == good || read(&bad, 11).is_err());
    }

    /// Bytes that nobody of ours wrote, with a mark and a checksum that are right.
    #[test]
    fn no_header_is_a_panic(text in prop::collection::vec(any::<u8>(), 0..300), kind in 0_u8..8) {
        let mut bytes = message(&header(), &[]);
        bytes.truncate(12);
        bytes[8] = kind;
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        prop_assert!(Reader::begin(Kind::Request, &bytes[..]).map(drop).is_err());
    }
}
