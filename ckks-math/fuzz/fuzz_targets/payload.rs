//! Payloads of any bytes in a frame whose checksums, kind, length and parameters are right: what a
//! forger sends, and what plain mutations of bytes never reach.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, payload)) = bytes.split_first() else {
        return;
    };
    let kind = u16::from(first % 7) + 1;
    let mut object = b"CKKS\r\n\x1a\n".to_vec();
    object.extend(kind.to_le_bytes());
    object.extend(2_u16.to_le_bytes());
    object.extend(0_u32.to_le_bytes());
    object.extend(common::CONTEXT.params().hash().as_bytes());
    object.extend((payload.len() as u64).to_le_bytes());
    object.extend(crc32fast::hash(&object).to_le_bytes());
    object.extend(payload);
    object.extend(crc32fast::hash(&object).to_le_bytes());
    common::read(kind, &object);
});
