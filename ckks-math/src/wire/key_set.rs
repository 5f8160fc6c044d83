//! Sets of switching keys, one key in memory at a time.
//!
//! A set is an object of kind [`Kind::KeySet`] that lists the requests, followed by one object of
//! kind [`Kind::SwitchingKey`] for each, in the order of the list.
//!
//! | payload of a key set | |
//! |---|---|
//! | 4 | number of keys |
//! | 16 each | their requests |

use super::frame::{FrameReader, FrameWriter, object_len};
use super::keys::{REQUEST, check_request, put_request, switching_key_len, take_request};
use super::{Kind, Wire, WireFault, same_parameters};
use crate::backend::Backend;
use crate::context::Context;
use crate::error::Result;
use crate::keys::{EvaluationKeys, KeyRequest, OwnerTag, SwitchingKey};
use crate::params::Params;
use std::collections::{BTreeSet, VecDeque};
use std::io::{Read, Write};

/// Length in bytes of the wire form of a set with these keys.
///
/// # Errors
/// [`Error::Wire`](crate::Error::Wire) for a request that the parameters do not admit.
pub fn key_set_len(params: &Params, requests: &[KeyRequest]) -> Result<u64> {
    requests
        .iter()
        .try_fold(list_len(requests.len()), |sum, &request| {
            check_request(Kind::KeySet, params, request)?;
            Ok(sum + switching_key_len(params, request))
        })
}

/// Writes a set of keys, each as soon as it is made.
pub struct KeySetWriter<'a, W> {
    params: &'a Params,
    out: &'a mut W,
    requests: VecDeque<KeyRequest>,
    owner: Option<OwnerTag>,
}

impl<'a, W: Write> KeySetWriter<'a, W> {
    /// Writes the list of the keys to come.
    ///
    /// # Errors
    /// [`Error::Wire`](crate::Error::Wire) for a request that the parameters do not admit or that
    /// is given twice, and when the output fails.
    pub fn new(params: &'a Params, requests: &[KeyRequest], out: &'a mut W) -> Result<Self> {
        let mut seen = BTreeSet::new();
        for &request in requests {
            check_request(Kind::KeySet, params, request)?;
            once(&mut seen, request)?;
        }
        let payload = list_len(requests.len()) - object_len(0);
        let mut frame = FrameWriter::begin(Kind::KeySet, params.hash(), payload, out)?;
        frame.put_count("number of keys", requests.len())?;
        for &request in requests {
            put_request(&mut frame, request)?;
        }
        frame.finish()?;
        Ok(Self {
            params,
            out,
            requests: requests.iter().copied().collect(),
            owner: None,
        })
    }

    /// The key to write next, `None` when the set is complete.
    pub fn next_request(&self) -> Option<KeyRequest> {
        self.requests.front().copied()
    }

    /// Writes the next key.
    ///
    /// # Errors
    /// When it is not the one listed, belongs to another set or another owner than those before,
    /// and when the output fails.
    pub fn push(&mut self, key: &SwitchingKey) -> Result<()> {
        same_parameters(Kind::SwitchingKey, key.hash, self.params.hash())?;
        self.owner = OwnerTag::common("key set", Some(key.owner), self.owner)?;
        if self.next_request() != Some(key.request()) {
            return Err(out_of_order(key.request(), self.next_request()));
        }
        key.write(self.params, self.out)?;
        self.requests.pop_front();
        Ok(())
    }

    /// Checks that all keys of the list have been written, and flushes.
    ///
    /// # Errors
    /// [`Error::Wire`](crate::Error::Wire) for a key that is missing, and when the output fails.
    pub fn finish(self) -> Result<()> {
        if let Some(missing) = self.next_request() {
            let fault = WireFault::field(
                "key set",
                &format!("without the {} of level {}", missing.purpose, missing.level),
                "all keys that were listed: write them before finishing",
            );
            return Err(Kind::KeySet.fault(fault));
        }
        self.out.flush().map_err(|source| {
            Kind::KeySet.fault(WireFault::Io {
                action: "writing",
                source,
            })
        })
    }
}

/// Reads a set of keys, one after the other; stops for good after the first error.
pub struct KeySetReader<'a, R> {
    params: &'a Params,
    input: &'a mut R,
    requests: Vec<KeyRequest>,
    position: usize,
}

impl<'a, R: Read> KeySetReader<'a, R> {
    /// Reads the list of keys.
    ///
    /// # Errors
    /// [`Error::WrongParameters`](crate::Error::WrongParameters) for a set of other parameters,
    /// [`Error::Wire`](crate::Error::Wire) for a request that these do not admit or that is listed
    /// twice, for a set of more than `limit` bytes in whole, and for whatever else is wrong with
    /// the bytes.
    pub fn new(params: &'a Params, limit: u64, input: &'a mut R) -> Result<Self> {
        let hash = params.hash();
        let mut frame = FrameReader::open(Kind::KeySet, Some(hash), limit, input)?;
        let count = frame.take_u32()?;
        frame.expect_left(u128::from(count) * u128::from(REQUEST))?;
        let mut bytes = list_len(count as usize);
        // Each listed key takes far more bytes than its entries here: the limit bounds both.
        let (mut requests, mut seen) = (Vec::new(), BTreeSet::new());
        for _ in 0..count {
            let request = take_request(&mut frame, params)?;
            once(&mut seen, request)?;
            bytes += switching_key_len(params, request);
            if bytes > limit {
                return Err(frame.fault(WireFault::Limit { bytes, limit }));
            }
            requests.push(request);
        }
        frame.finish()?;
        Ok(Self {
            params,
            input,
            requests,
            position: 0,
        })
    }

    /// The keys of the set, in order.
    pub fn requests(&self) -> &[KeyRequest] {
        &self.requests
    }

    fn read(&mut self, request: KeyRequest) -> Result<SwitchingKey> {
        let limit = switching_key_len(self.params, request);
        let key = SwitchingKey::read(self.params, limit, self.input)?;
        if key.request() != request {
            return Err(out_of_order(key.request(), Some(request)));
        }
        Ok(key)
    }
}

impl<R: Read> Iterator for KeySetReader<'_, R> {
    type Item = Result<SwitchingKey>;

    fn next(&mut self) -> Option<Self::Item> {
        let request = *self.requests.get(self.position)?;
        let key = self.read(request);
        self.position = match key {
            Ok(_) => self.position + 1,
            Err(_) => self.requests.len(),
        };
        Some(key)
    }
}

/// Reads a set of at most `limit` bytes onto a device, with one key at a time on the host.
///
/// # Errors
/// As [`KeySetReader::new`] and [`SwitchingKey::read`],
/// [`Error::WrongOwner`](crate::Error::WrongOwner) for keys of two secrets.
pub fn read_evaluation_keys<B: Backend>(
    context: &Context<B>,
    limit: u64,
    input: &mut impl Read,
) -> Result<EvaluationKeys<B>> {
    let mut keys = EvaluationKeys::new();
    for key in KeySetReader::new(context.params(), limit, input)? {
        keys.insert(context, key?)?;
    }
    Ok(keys)
}

/// Bytes of the list of `count` keys.
fn list_len(count: usize) -> u64 {
    object_len(4 + count as u64 * REQUEST)
}

fn once(seen: &mut BTreeSet<KeyRequest>, request: KeyRequest) -> Result<()> {
    if seen.insert(request) {
        return Ok(());
    }
    let found = format!("{} of level {}, twice", request.purpose, request.level);
    Err(Kind::KeySet.fault(WireFault::field("list of keys", &found, "each key once")))
}

fn out_of_order(found: KeyRequest, expected: Option<KeyRequest>) -> crate::Error {
    let name = |r: KeyRequest| format!("{} of level {}", r.purpose, r.level);
    let admitted = expected.map_or_else(|| "no further key".into(), name);
    Kind::KeySet.fault(WireFault::field("next key", &name(found), admitted))
}
