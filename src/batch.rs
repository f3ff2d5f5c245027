//! Many secrets at once: keyed once, in groups whose codes are made side by side.
//!
//! ```
//! use ferrotp::batch::{KeySet, Numbers};
//! use ferrotp::{Algorithm, Digits, HmacKey};
//!
//! let mut set = KeySet::default();
//! let key = HmacKey::new(Algorithm::Sha1, b"12345678901234567890");
//! set.push(&key, Numbers { digits: Digits::SIX, period: 30, steam: false });
//! let mut codes = [0; 6];
//! set.codes(0..1, 59, 6, &mut codes)?;
//! assert_eq!(&codes, b"287082"); // RFC 6238, appendix B, its last six digits
//! # Ok::<(), ferrotp::Error>(())
//! ```

use core::num::{NonZeroU32, NonZeroU64};
use core::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::algorithm::Keys;
use crate::lanes::LANES;
use crate::wipe::with_wiped_stack;
use crate::{Algorithm, Code, Digits, Error, HmacKey, hotp, secret, steam};

/// What a key's codes are made with, besides its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The length of a code; of a Steam code, how many digits of the number are kept before it is written.
    pub digits: Digits,
    /// Seconds of a time step. A key with a period of 0 has no codes.
    pub period: u32,
    /// Whether codes are written in Steam's alphabet.
    pub steam: bool,
}

impl Numbers {
    fn width(self) -> usize {
        if self.steam { steam::LENGTH } else { self.digits.get().into() }
    }

    fn code(self, truncated: u32) -> Code {
        if self.steam {
            steam::from_number(self.digits.reduce(truncated))
        } else {
            Code::from_number(truncated, self.digits)
        }
    }
}

/// Why a secret is not among the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not base32.
    NotBase32,
    /// It has fewer bytes than asked for.
    TooShort,
}

/// Keys that share their numbers and their algorithm, and the places of their owners, in ascending order.
struct Profile {
    numbers: Numbers,
    keys: Keys,
    places: Vec<usize>,
}

impl Profile {
    /// Takes the first `staged` blocks as keys, whose places are there already. Keys that are not taken leave their
    /// places empty: the keys after them must not move to other owners.
    fn take_staged(&mut self, blocks: &mut [[u8; 64]; LANES], staged: &mut usize) {
        let taken = blocks.get_mut(..*staged).is_some_and(|blocks| self.keys.push_sha1(blocks));
        if !taken {
            self.places.truncate(self.places.len().saturating_sub(*staged));
        }
        *staged = 0;
    }
}

/// Keys of TOTP secrets in the order of their places, in buffers that are wiped. A place may stay empty.
#[derive(Default)]
pub struct KeySet {
    profiles: Vec<Profile>,
    length: usize,
}

impl KeySet {
    /// How many places there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no place.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The longest code's characters.
    pub fn width(&self) -> usize {
        self.profiles.iter().map(|profile| profile.numbers.width()).max().unwrap_or(0)
    }

    /// Takes a key to the next place.
    pub fn push(&mut self, key: &HmacKey, numbers: Numbers) {
        let place = self.length;
        let profile = self.profile(key.algorithm(), numbers);
        if profile.keys.push(key) {
            profile.places.push(place);
        }
        self.push_empty();
    }

    /// Leaves the next place empty.
    pub fn push_empty(&mut self) {
        self.length = self.length.saturating_add(1);
    }

    /// Decodes base32 secrets of at least `least` bytes to the next places, as keys for SHA-1. A place
    /// without a text stays empty. So does the place of a refused text; `refused` is called with it and the reason.
    pub fn push_base32<'a>(
        &mut self,
        texts: impl IntoIterator<Item = Option<&'a [u8]>>,
        numbers: Numbers,
        least: usize,
        mut refused: impl FnMut(usize, Refused),
    ) {
        let mut place = self.length;
        let profile = self.profile(Algorithm::Sha1, numbers);
        let mut blocks = Zeroizing::new([[0; 64]; LANES]);
        let mut staged = 0usize;
        for text in texts {
            let here = place;
            place = place.saturating_add(1);
            let Some(text) = text else { continue };
            let result = secret::with_decoded(text, |key| {
                if key.len() < least {
                    return Err(Refused::TooShort);
                }
                match blocks.get_mut(staged).and_then(|block| block.get_mut(..key.len())) {
                    Some(block) => {
                        block.copy_from_slice(key);
                        staged = staged.wrapping_add(1);
                        profile.places.push(here);
                    }
                    None => {
                        // Over a block, where the key is hashed first. Those before it come first.
                        profile.take_staged(&mut blocks, &mut staged);
                        if profile.keys.push(&HmacKey::new(Algorithm::Sha1, key)) {
                            profile.places.push(here);
                        }
                    }
                }
                Ok(())
            });
            match result.map_err(|_: Error| Refused::NotBase32).flatten() {
                Ok(()) if staged == LANES => profile.take_staged(&mut blocks, &mut staged),
                Ok(()) => {}
                Err(reason) => refused(here, reason),
            }
        }
        profile.take_staged(&mut blocks, &mut staged);
        self.length = place;
    }

    fn profile(&mut self, algorithm: Algorithm, numbers: Numbers) -> &mut Profile {
        let found = self
            .profiles
            .iter()
            .position(|profile| profile.numbers == numbers && profile.keys.algorithm() == algorithm);
        let index = found.unwrap_or_else(|| {
            self.profiles.push(Profile { numbers, keys: Keys::new(algorithm), places: Vec::new() });
            self.profiles.len().saturating_sub(1)
        });
        #[allow(clippy::indexing_slicing, reason = "found there, or just put there")]
        &mut self.profiles[index]
    }

    /// Calls `visit` with each group that has a key of `places`: its number, its time step, the first of its lanes that
    /// does, and the places of that lane and of those after it.
    #[inline]
    fn groups<'a>(
        &'a self,
        places: Range<usize>,
        unix_seconds: u64,
        mut visit: impl FnMut(&'a Profile, usize, u64, usize, &'a [usize]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for profile in &self.profiles {
            let Some(period) = NonZeroU32::new(profile.numbers.period) else { continue };
            let step = unix_seconds / NonZeroU64::from(period);
            let first = profile.places.partition_point(|place| *place < places.start);
            let end = profile.places.partition_point(|place| *place < places.end);
            let mut key = first;
            while key < end {
                let group = key / LANES;
                let next = group.saturating_add(1).saturating_mul(LANES).min(end);
                let lane = key % LANES;
                visit(profile, group, step, lane, profile.places.get(key..next).unwrap_or_default())?;
                key = next;
            }
        }
        Ok(())
    }

    /// Writes the codes of some places at a Unix time, `width` bytes apart, a shorter one filled up with zero bytes. An
    /// empty place's bytes stay as they are.
    ///
    /// # Errors
    /// [`Error::BufferSize`] if `codes` has fewer than `width` bytes for each place, or a code has more than `width`
    /// characters; some codes may have been written by then.
    pub fn codes(
        &self,
        places: Range<usize>,
        unix_seconds: u64,
        width: usize,
        codes: &mut [u8],
    ) -> Result<(), Error> {
        let start = places.start;
        if codes.len() < places.len().saturating_mul(width) {
            return Err(Error::BufferSize);
        }
        self.groups(places, unix_seconds, |profile, group, step, lane, owners| {
            let length = profile.numbers.width();
            if length > width {
                return Err(Error::BufferSize);
            }
            let truncated = profile.keys.truncated(group, &[step; LANES]).ok_or(Error::MissingKey)?;
            let lanes = lane..lane.saturating_add(owners.len());
            for (truncated, place) in truncated.get(lanes).ok_or(Error::MissingKey)?.iter().zip(owners) {
                let code = profile.numbers.code(*truncated);
                let from = place.saturating_sub(start).saturating_mul(width);
                let rest = codes.get_mut(from..).unwrap_or_default();
                rest.get_mut(..length).ok_or(Error::BufferSize)?.copy_from_slice(code.as_bytes());
                if length < width {
                    rest.get_mut(length..width).ok_or(Error::BufferSize)?.fill(0);
                }
            }
            Ok(())
        })
    }

    /// Whether the typed code of each of some places is one of its window's at a Unix time. An empty place's result stays
    /// as it is, and so does that of a window that leaves the range of counters. All codes of a window are made and
    /// compared.
    ///
    /// # Errors
    /// [`Error::BufferSize`] if `typed` or `right` has fewer items than there are places.
    pub fn verify(
        &self,
        places: Range<usize>,
        unix_seconds: u64,
        window: u64,
        typed: &[&[u8]],
        right: &mut [Option<bool>],
    ) -> Result<(), Error> {
        let start = places.start;
        if typed.len().min(right.len()) < places.len() {
            return Err(Error::BufferSize);
        }
        self.groups(places, unix_seconds, |profile, group, step, lane, places| {
            let numbers = profile.numbers;
            let (Some(first), Some(last)) = (step.checked_sub(window), step.checked_add(window)) else {
                return Ok(());
            };
            // What each lane's code must be; a text that is no code is unequal to all.
            let mut wanted = [None; LANES];
            let mut owners = [None; LANES];
            for ((wanted, owner), place) in wanted.iter_mut().zip(&mut owners).skip(lane).zip(places) {
                let place = place.saturating_sub(start);
                *wanted = typed.get(place).copied().and_then(|text| Wanted::of(text, numbers));
                *owner = Some(place);
            }
            let mut found = [Choice::from(0); LANES];
            for step in first..=last {
                let truncated = profile.keys.truncated(group, &[step; LANES]).ok_or(Error::MissingKey)?;
                for ((found, wanted), truncated) in found.iter_mut().zip(&wanted).zip(truncated) {
                    if let Some(wanted) = wanted {
                        *found |= wanted.is(truncated, numbers);
                    }
                }
            }
            for (found, owner) in found.into_iter().zip(owners) {
                if let Some(right) = owner.and_then(|owner| right.get_mut(owner)) {
                    *right = Some(found.into());
                }
            }
            Ok(())
        })
    }
}

impl core::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeySet([{} keys redacted])", self.length)
    }
}

/// A typed code as it is compared, in a time that depends on neither side.
#[derive(Clone, Copy)]
enum Wanted {
    Number(u64),
    Steam([u8; steam::LENGTH]),
}

impl Wanted {
    fn of(text: &[u8], numbers: Numbers) -> Option<Self> {
        if numbers.steam {
            text.try_into().ok().map(Self::Steam)
        } else {
            hotp::number(text, numbers.digits).map(Self::Number)
        }
    }

    #[inline]
    fn is(self, truncated: u32, numbers: Numbers) -> Choice {
        match self {
            Self::Number(number) => u64::from(numbers.digits.reduce(truncated)).ct_eq(&number),
            Self::Steam(text) => numbers.code(truncated).as_bytes().ct_eq(&text),
        }
    }
}

/// Fewer items than this are not worth a second thread: starting one takes as long as some hundred codes.
pub const ENOUGH_FOR_THREADS: usize = 2048;
/// The items of a part: whole groups, so that none is hashed twice, and no more than stay in a core's own cache.
const PART: usize = 64 * LANES;

/// Calls `work` with parts of `0..count` on up to `threads` threads, this one among them, each with its own part of
/// `results`, of which there are `width` for an item.
///
/// A thread takes the next part when it has done one, so a thread that starts late, or shares its core, does not hold up
/// the others, and one that cannot be started is not missed.
///
/// # Errors
/// The first error of `work`. Parts that were not begun by then are left out.
pub fn in_parts<T: Send>(
    count: usize,
    threads: usize,
    results: &mut [T],
    width: usize,
    work: impl Fn(Range<usize>, &mut [T]) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let threads = if count < ENOUGH_FOR_THREADS { 1 } else { threads.min(count.div_ceil(PART)) };
    let parts = Mutex::new(results.chunks_mut(PART.saturating_mul(width).max(1)).enumerate());
    let outcome = Mutex::new(Ok(()));
    let run = || {
        with_wiped_stack(|| {
            loop {
                // Not in the loop's head, where the lock would be held until its end.
                let next = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((part, results)) = next else { break };
                let start = part.saturating_mul(PART);
                let done = work(start..start.saturating_add(PART).min(count), results);
                let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                *outcome = outcome.and(done);
                if outcome.is_err() {
                    break;
                }
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            if Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}
