//! SHA-1, SHA-256 and SHA-512, and HMAC from midstates.
//!
//! HMAC (RFC 2104) begins both of its hashes with a block that depends on the key alone. An [`HmacKey`] keeps the two
//! hash states after that block, so a code costs two compressions instead of four, and the key itself is not kept.

use zeroize::Zeroize;

use crate::lanes::{self, LANES};
use crate::wipe::{Wiped, wipe};

/// A hash that RFC 6238 allows under HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC-SHA-1: RFC 4226, and what every authenticator app understands.
    Sha1,
    /// HMAC-SHA-256 (RFC 6238, section 1.2).
    Sha256,
    /// HMAC-SHA-512 (RFC 6238, section 1.2).
    Sha512,
}

impl Algorithm {
    /// All of them, in the order of their tag lengths.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    /// The name in an `otpauth` URI.
    pub const fn uri_name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

/// A counter as two words of SHA-1 and SHA-256, or a word of SHA-512 as two.
#[inline]
fn halves(word: u64) -> [u32; 2] {
    [(word >> 32) as u32, word as u32]
}

/// A counter as one word of SHA-512.
#[inline]
fn whole(counter: u64) -> [u64; 1] {
    [counter]
}

/// Dynamic truncation of a tag of SHA-1, in words.
#[inline]
fn truncate_sha1(tag: [u32; 5]) -> u32 {
    let [.., last] = tag;
    lanes::truncate(tag, last)
}

/// The same of SHA-256.
#[inline]
fn truncate_sha256([w0, w1, w2, w3, w4, .., last]: [u32; 8]) -> u32 {
    lanes::truncate([w0, w1, w2, w3, w4], last)
}

/// The same of SHA-512, whose words are twice as long.
#[inline]
fn truncate_sha512([w0, w1, w2, .., last]: [u64; 8]) -> u32 {
    let ([w0, w1], [w2, w3], [w4, _]) = (halves(w0), halves(w1), halves(w2));
    lanes::truncate([w0, w1, w2, w3, w4], last as u32)
}

/// Writes HMAC for one hash: `$words` words of `$word` in its state, blocks of `$block` bytes, a length field of
/// `$length` at the end of the padding (FIPS 180-4, section 5.1), the words of a counter, and the truncation of a tag.
macro_rules! hmac {
    ($name:ident, $word:ty, $words:literal, $block:literal, $length:ty, $counter_words:expr, $truncate:path, $compress:path, $group:path, $enough:path, $initial:expr) => {
        mod $name {
            use zeroize::Zeroize;

            use super::LANES;
            use crate::lanes;
            use crate::wipe::{Wiped, wipe};

            pub(super) const TAG: usize = $words * size_of::<$word>();
            pub(super) type State = [$word; $words];
            /// The states after the inner and the outer key block.
            pub(super) type Midstates = [State; 2];

            pub(super) const INITIAL: State = $initial;
            const BLOCK: usize = $block;
            const LENGTH_AT: usize = BLOCK - size_of::<$length>();

            pub(super) fn midstates(key: &[u8]) -> Midstates {
                let mut block = Wiped::<BLOCK>::zeros();
                // A key longer than a block is replaced by its hash (RFC 2104, section 2).
                if let Some(start) = block.get_mut(..key.len()) {
                    start.copy_from_slice(key);
                } else {
                    let mut hashed = Wiped::<TAG>::zeros();
                    *hashed = to_bytes(&hash(INITIAL, key, 0));
                    fill(&mut block, &*hashed);
                }
                // The outer pad is laid over the inner one.
                [0x36, 0x36 ^ 0x5c].map(|pad| {
                    block.iter_mut().for_each(|byte| *byte ^= pad);
                    let mut state = INITIAL;
                    $compress(&mut state, core::slice::from_ref(&*block)); // lent: a copy would not be wiped
                    state
                })
            }

            /// The truncated tag of an eight-byte counter: one compression inside, one outside.
            #[inline]
            pub(super) fn truncated([inner, outer]: &Midstates, counter: u64) -> u32 {
                let mut state = *inner;
                $compress(&mut state, &[last_block(&$counter_words(counter))]);
                $truncate(finish(outer, &state))
            }

            /// The truncated tags of counters in a row. `few` does some of them, where a whole group does not pay.
            #[inline]
            pub(super) fn run(
                states: &Midstates,
                mut first: u64,
                truncated: &mut [u32],
                few: impl Fn(&Midstates, u64, &mut [u32]),
            ) {
                let enough = $enough();
                if truncated.len() < enough {
                    return few(states, first, truncated);
                }
                let mut keys = lanes::splat(states);
                for truncated in truncated.chunks_mut(LANES) {
                    if truncated.len() < enough {
                        few(states, first, truncated);
                    } else {
                        let all = truncated_group(
                            &keys,
                            &core::array::from_fn(|lane| first.wrapping_add(lane as u64)),
                        );
                        for (to, from) in truncated.iter_mut().zip(all) {
                            *to = from;
                        }
                    }
                    first = first.wrapping_add(LANES as u64);
                }
                wipe(keys.as_flattened_mut().as_flattened_mut());
            }

            /// The truncated tags of a group's counters, by a kernel or one after the other.
            pub(super) fn truncated_group(keys: &Group, counters: &[u64; LANES]) -> [u32; LANES] {
                $group(keys, counters).unwrap_or_else(|| {
                    let mut lane = 0;
                    counters.map(|counter| {
                        let truncated = truncated(&lanes::lane(keys, lane), counter);
                        lane = lane.wrapping_add(1);
                        truncated
                    })
                })
            }

            pub(super) type Group = lanes::Group<$word, $words>;

            /// Keys in groups. Wiped on drop, and where they were when there was no more room.
            #[derive(Default)]
            pub(super) struct Keys {
                pub(super) groups: Vec<Group>,
                pub(super) length: usize,
            }

            impl Keys {
                pub(super) fn push(&mut self, states: &Midstates) {
                    let lane = self.length % LANES;
                    if lane == 0 {
                        self.push_empty();
                    }
                    if let Some([inner, outer]) = self.groups.last_mut() {
                        let [from_inner, from_outer] = states;
                        lanes::set_lane(inner, lane, from_inner);
                        lanes::set_lane(outer, lane, from_outer);
                    }
                    self.length = self.length.wrapping_add(1);
                }

                #[inline(never)]
                pub(super) fn push_empty(&mut self) {
                    if self.groups.len() == self.groups.capacity() {
                        let mut larger = Vec::with_capacity(self.groups.len().saturating_mul(2).max(4));
                        larger.extend_from_slice(&self.groups);
                        self.groups.zeroize();
                        self.groups = larger;
                    }
                    self.groups.push([[[0; LANES]; $words]; 2]);
                }

                #[inline]
                pub(super) fn truncated(
                    &self,
                    group: usize,
                    counters: &[u64; LANES],
                ) -> Option<[u32; LANES]> {
                    self.groups.get(group).map(|keys| truncated_group(keys, counters))
                }
            }

            impl Drop for Keys {
                fn drop(&mut self) {
                    self.groups.zeroize();
                }
            }

            pub(super) fn mac([inner, outer]: &Midstates, message: &[u8]) -> [u8; TAG] {
                to_bytes(&finish(outer, &hash(*inner, message, BLOCK)))
            }

            #[inline]
            fn finish(outer: &State, inner_hash: &State) -> State {
                let mut state = *outer;
                $compress(&mut state, &[last_block(inner_hash)]);
                state
            }

            /// The second block of a message, after a key block: some words and the padding. Built of words, since the
            /// compression loads sixteen bytes at a time, which stalls on bytes just written one by one.
            #[inline]
            fn last_block<const LEN: usize>(message: &[$word; LEN]) -> [u8; BLOCK] {
                const WORD: usize = size_of::<$word>();
                let mut words: [$word; BLOCK / WORD] = [0; _];
                for (to, from) in words.iter_mut().zip(message.iter().chain(&[1 << (<$word>::BITS - 1)])) {
                    *to = *from;
                }
                if let Some(bits) = words.last_mut() {
                    *bits = const { ((BLOCK + LEN * WORD) * 8) as $word };
                }
                let mut block = [0; BLOCK];
                for (to, word) in block.as_chunks_mut::<WORD>().0.iter_mut().zip(words) {
                    *to = word.to_be_bytes();
                }
                block
            }

            /// Hashes `message` into `state`, which already holds `before` bytes (a whole number of blocks).
            fn hash(mut state: State, message: &[u8], before: usize) -> State {
                let (blocks, rest) = message.as_chunks::<BLOCK>();
                $compress(&mut state, blocks);
                let mut block = Wiped::<BLOCK>::zeros();
                fill(&mut block, rest);
                if let Some(end) = block.get_mut(rest.len()) {
                    *end = 0x80;
                }
                if rest.len() >= LENGTH_AT {
                    $compress(&mut state, core::slice::from_ref(&*block));
                    *block = [0; BLOCK];
                }
                let bits = (before as $length).wrapping_add(message.len() as $length).wrapping_mul(8);
                if let Some(length) = block.last_chunk_mut() {
                    *length = bits.to_be_bytes();
                }
                $compress(&mut state, core::slice::from_ref(&*block));
                state
            }

            #[inline]
            fn fill(block: &mut [u8; BLOCK], bytes: &[u8]) {
                if let Some(start) = block.get_mut(..bytes.len()) {
                    start.copy_from_slice(bytes);
                }
            }

            #[inline]
            fn to_bytes(state: &State) -> [u8; TAG] {
                let mut bytes = [0u8; TAG];
                for (to, word) in bytes.chunks_exact_mut(size_of::<$word>()).zip(state) {
                    to.copy_from_slice(&word.to_be_bytes());
                }
                bytes
            }
        }
    };
}

hmac!(
    sha1,
    u32,
    5,
    64,
    u64,
    super::halves,
    super::truncate_sha1,
    ::sha1::block_api::compress,
    crate::lanes::sha1_group,
    crate::lanes::sha1_enough,
    [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
);
hmac!(
    sha256,
    u32,
    8,
    64,
    u64,
    super::halves,
    super::truncate_sha256,
    ::sha2::block_api::compress256,
    crate::lanes::sha256_group,
    crate::lanes::sha256_enough,
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,]
);
hmac!(
    sha512,
    u64,
    8,
    128,
    u128,
    super::whole,
    super::truncate_sha512,
    ::sha2::block_api::compress512,
    crate::lanes::sha512_group,
    crate::lanes::sha512_enough,
    [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ]
);

impl sha1::Keys {
    /// The states of up to [`LANES`] keys, as blocks filled up with zeros.
    fn start(blocks: &[[u8; 64]]) -> sha1::Group {
        let mut words = [[0; LANES]; 16];
        for (lane, block) in blocks.iter().take(LANES).enumerate() {
            let mut block = block.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word));
            lanes::set_lane(&mut words, lane, &core::array::from_fn(|_| block.next().unwrap_or_default()));
        }
        let group = [0x3636_3636, 0x5c5c_5c5c].map(|pad| {
            let mut words = words.map(|lanes| lanes.map(|word| word ^ pad));
            let states = lanes::sha1_start(&sha1::INITIAL, &words).unwrap_or_else(|| {
                let mut states = [[0; LANES]; 5];
                for lane in 0..LANES {
                    let mut block = Wiped::<64>::zeros();
                    for (to, word) in block.as_chunks_mut().0.iter_mut().zip(lanes::state(&words, lane)) {
                        *to = word.to_be_bytes();
                    }
                    let mut state = sha1::INITIAL;
                    ::sha1::block_api::compress(&mut state, core::slice::from_ref(&*block));
                    lanes::set_lane(&mut states, lane, &state);
                }
                states
            });
            wipe(words.as_flattened_mut());
            states
        });
        wipe(words.as_flattened_mut());
        group
    }

    /// Takes a group's first `count` keys.
    fn push_group(&mut self, group: &sha1::Group, count: usize) {
        if count == LANES && self.length.is_multiple_of(LANES) {
            self.push_empty();
            if let Some(last) = self.groups.last_mut() {
                *last = *group;
            }
            self.length = self.length.wrapping_add(LANES);
            return;
        }
        for lane in 0..count {
            let mut states = lanes::lane(group, lane);
            self.push(&states);
            states.zeroize();
        }
    }
}

/// A keyed HMAC, ready to make codes. Wiped on drop.
///
/// SHA-1's midstates are held in place, since nearly every secret uses them; the larger ones are boxed.
pub struct HmacKey(Midstates);

enum Midstates {
    Sha1(sha1::Midstates),
    Sha256(Box<sha256::Midstates>),
    Sha512(Box<sha512::Midstates>),
}

impl HmacKey {
    /// Keys HMAC with any number of bytes (RFC 2104; an authenticator's secret has 16 or more, RFC 4226 R6).
    pub fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        Self(match algorithm {
            Algorithm::Sha1 => Midstates::Sha1(sha1::midstates(key)),
            Algorithm::Sha256 => Midstates::Sha256(Box::new(sha256::midstates(key))),
            Algorithm::Sha512 => Midstates::Sha512(Box::new(sha512::midstates(key))),
        })
    }

    /// The hash under this HMAC.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Midstates::Sha1(_) => Algorithm::Sha1,
            Midstates::Sha256(_) => Algorithm::Sha256,
            Midstates::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// HMAC of a counter as eight big-endian bytes, cut to 31 bits (RFC 4226, sections 5.2 and 5.3).
    #[inline]
    pub fn truncated(&self, counter: u64) -> u32 {
        match &self.0 {
            Midstates::Sha1(states) => match lanes::sha1(states, [counter]) {
                Some([tag]) => truncate_sha1(tag),
                None => sha1::truncated(states, counter),
            },
            Midstates::Sha256(states) => sha256::truncated(states, counter),
            Midstates::Sha512(states) => sha512::truncated(states, counter),
        }
    }

    /// [`truncated`](Self::truncated) of `first` and the counters after it, few enough to be known in advance.
    #[inline]
    pub(crate) fn truncated_few<const N: usize>(&self, first: u64) -> [u32; N] {
        match &self.0 {
            Midstates::Sha1(states) => sha1_few(states, first),
            _ => core::array::from_fn(|lane| self.truncated(first.wrapping_add(lane as u64))),
        }
    }

    /// [`truncated`](Self::truncated) of `first` and the counters after it, side by side where the CPU can.
    #[inline]
    pub(crate) fn truncated_run(&self, first: u64, truncated: &mut [u32]) {
        match &self.0 {
            Midstates::Sha1(states) => sha1::run(states, first, truncated, |states, mut first, truncated| {
                // Three lanes are what a window of one step before and after needs.
                let (fours, rest) = match truncated.len() {
                    3 => (Default::default(), truncated),
                    _ => truncated.as_chunks_mut::<4>(),
                };
                for four in fours {
                    *four = sha1_few(states, first);
                    first = first.wrapping_add(4);
                }
                match rest {
                    [one] => [*one] = sha1_few(states, first),
                    [one, two] => [*one, *two] = sha1_few(states, first),
                    [one, two, three] => [*one, *two, *three] = sha1_few(states, first),
                    more => each(first, more, |counter| sha1::truncated(states, counter)),
                }
            }),
            Midstates::Sha256(states) => sha256::run(states, first, truncated, |states, first, truncated| {
                each(first, truncated, |counter| sha256::truncated(states, counter));
            }),
            Midstates::Sha512(states) => sha512::run(states, first, truncated, |states, first, truncated| {
                each(first, truncated, |counter| sha512::truncated(states, counter));
            }),
        }
    }

    /// HMAC of a message of any length.
    pub fn mac(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Midstates::Sha1(states) => sha1::mac(states, message).to_vec(),
            Midstates::Sha256(states) => sha256::mac(states, message).to_vec(),
            Midstates::Sha512(states) => sha512::mac(states, message).to_vec(),
        }
    }
}

/// Some counters in a row of one SHA-1 key.
#[inline]
fn sha1_few<const N: usize>(states: &sha1::Midstates, first: u64) -> [u32; N] {
    let counters = core::array::from_fn(|lane| first.wrapping_add(lane as u64));
    match lanes::sha1(states, counters) {
        Some(tags) => tags.map(truncate_sha1),
        None => counters.map(|counter| sha1::truncated(states, counter)),
    }
}

/// Counters one after the other.
#[inline]
fn each(mut first: u64, truncated: &mut [u32], of: impl Fn(u64) -> u32) {
    for truncated in truncated {
        *truncated = of(first);
        first = first.wrapping_add(1);
    }
}

/// Many keys of one algorithm, in groups of [`LANES`]. Wiped on drop.
pub(crate) struct Keys(Groups);

enum Groups {
    Sha1(sha1::Keys),
    Sha256(sha256::Keys),
    Sha512(sha512::Keys),
}

impl Keys {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha1 => Groups::Sha1(Default::default()),
            Algorithm::Sha256 => Groups::Sha256(Default::default()),
            Algorithm::Sha512 => Groups::Sha512(Default::default()),
        })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self.0 {
            Groups::Sha1(_) => Algorithm::Sha1,
            Groups::Sha256(_) => Algorithm::Sha256,
            Groups::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Takes a key of the same algorithm. False if it has another, and is left out.
    #[must_use]
    pub(crate) fn push(&mut self, key: &HmacKey) -> bool {
        match (&mut self.0, &key.0) {
            (Groups::Sha1(keys), Midstates::Sha1(states)) => keys.push(states),
            (Groups::Sha256(keys), Midstates::Sha256(states)) => keys.push(states),
            (Groups::Sha512(keys), Midstates::Sha512(states)) => keys.push(states),
            _ => return false,
        }
        true
    }

    /// Takes SHA-1 keys of at most a block, side by side, and wipes `blocks`, which hold them filled up with zeros.
    /// False if these keys have another algorithm, and nothing is taken.
    #[must_use]
    pub(crate) fn push_sha1(&mut self, blocks: &mut [[u8; 64]]) -> bool {
        let Groups::Sha1(keys) = &mut self.0 else { return false };
        for blocks in blocks.chunks_mut(LANES) {
            let mut group = sha1::Keys::start(blocks);
            keys.push_group(&group, blocks.len());
            wipe(group.as_flattened_mut());
            wipe(blocks.as_flattened_mut());
        }
        true
    }

    /// What PBKDF2 makes of the first group's keys: see [`lanes::sha256_sums`]. `None` if they are none of SHA-256, too.
    #[cfg(feature = "vault")]
    pub(crate) fn sums(&self, first: &[[u32; LANES]; 8], further: u32) -> Option<[[u32; LANES]; 8]> {
        match &self.0 {
            Groups::Sha256(keys) => lanes::sha256_sums(keys.groups.first()?, keys.length, first, further),
            _ => None,
        }
    }

    /// [`HmacKey::truncated`] of each key of a group. `None` if there is no such group.
    #[inline]
    pub(crate) fn truncated(&self, group: usize, counters: &[u64; LANES]) -> Option<[u32; LANES]> {
        match &self.0 {
            Groups::Sha1(keys) => keys.truncated(group, counters),
            Groups::Sha256(keys) => keys.truncated(group, counters),
            Groups::Sha512(keys) => keys.truncated(group, counters),
        }
    }
}

impl Drop for HmacKey {
    fn drop(&mut self) {
        match &mut self.0 {
            Midstates::Sha1(states) => states.zeroize(),
            Midstates::Sha256(states) => states.zeroize(),
            Midstates::Sha512(states) => states.zeroize(),
        }
    }
}

impl core::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "HmacKey({:?}, [redacted])", self.algorithm())
    }
}
