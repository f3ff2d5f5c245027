//! Recovery codes: made, hashed and checked.
//!
//! A code is sixteen symbols of Crockford's base32, 80 random bits. The first two are its *selector*: they are stored in
//! clear, and find the row. The other 70 bits are what a guesser has to find, more than the 64 of NIST SP 800-63B-4,
//! section 3.1.2.2. The code's hash is sealed under the keyring, which makes the keyring its pepper, and one that
//! rotates without the code.
//!
//! Codes that another system made have fewer bits, so none of theirs is in clear: their selectors are numbers, and all of
//! a user's are looked at, by one hash with the salt that they share.

use argon2::{Argon2, Block, Version};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::derivation::{Source, derive};
use crate::vault::{Keyring, Owner, Plain, Purpose, VaultError};
use crate::wipe::{Wiped, with_wiped_stack};

const SYMBOLS: usize = 16;
/// Random bytes of a code: five bits for each symbol.
const RANDOM: usize = 10;
const _: () = assert!(RANDOM * 8 == SYMBOLS * 5);
const SELECTOR: usize = 2;
const SALT: usize = 16;
const HASH: usize = 32;
/// The longest text that is read as a code, in bytes: symbols of three bytes, and as many separators.
const MAX_TEXT: usize = 96;

/// How many codes a set has at most. Their selectors differ, and there are 1,024.
pub const MAX_COUNT: usize = 100;
/// How many codes are drawn for a set at most. One in ten is drawn again, since its selector is there; a generator that
/// repeats itself must not keep the caller for ever.
const MAX_DRAWS: usize = 1_000;

/// How a recovery code is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hashing(Scheme);

/// A password hash and its costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Argon2id (RFC 9106).
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes. They are computed one after the other.
        lanes: u32,
    },
    /// PBKDF2 with HMAC-SHA-256 (RFC 8018), for where FIPS 140 is asked for.
    Pbkdf2 {
        /// How often HMAC is applied.
        iterations: u32,
    },
}

impl Default for Hashing {
    /// OWASP's first choice: Argon2id with 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self(Scheme::Argon2id { memory_kib: 19_456, passes: 2, lanes: 1 })
    }
}

impl Hashing {
    /// The most memory that Argon2id may take, in KiB: 256 MiB.
    pub const MAX_MEMORY_KIB: u32 = 1 << 18;
    /// The most passes over it.
    pub const MAX_PASSES: u32 = 64;
    /// The most lanes.
    pub const MAX_LANES: u32 = 64;
    /// The fewest iterations of PBKDF2 (NIST SP 800-132, section 5.2).
    pub const MIN_ITERATIONS: u32 = 1_000;
    /// The most.
    pub const MAX_ITERATIONS: u32 = 10_000_000;

    /// Refuses what the scheme cannot do, and what no honest record asks for. Low costs are the caller's choice: a code
    /// has 70 random bits already.
    ///
    /// # Errors
    /// [`VaultError::Hashing`].
    pub const fn new(scheme: Scheme) -> Result<Self, VaultError> {
        let possible = match scheme {
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                lanes >= 1
                    && lanes <= Self::MAX_LANES
                    && passes >= 1
                    && passes <= Self::MAX_PASSES
                    && memory_kib >= lanes.saturating_mul(8)
                    && memory_kib <= Self::MAX_MEMORY_KIB
            }
            Scheme::Pbkdf2 { iterations } => {
                iterations >= Self::MIN_ITERATIONS && iterations <= Self::MAX_ITERATIONS
            }
        };
        if possible { Ok(Self(scheme)) } else { Err(VaultError::Hashing) }
    }

    /// The scheme and its costs.
    pub const fn scheme(&self) -> Scheme {
        self.0
    }

    fn write(&self, plain: &mut Plain) -> Result<(), VaultError> {
        match self.0 {
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                plain.push(&[1])?;
                [memory_kib, passes, lanes].iter().try_for_each(|cost| plain.push(&cost.to_be_bytes()))
            }
            Scheme::Pbkdf2 { iterations } => {
                plain.push(&[2])?;
                plain.push(&iterations.to_be_bytes())
            }
        }
    }

    fn read(plain: &[u8]) -> Option<(Self, &[u8])> {
        let number = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes);
        let (scheme, rest) = plain.split_first()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (scheme, rest) = match scheme {
            1 => {
                let (passes, rest) = rest.split_first_chunk()?;
                let (lanes, rest) = rest.split_first_chunk()?;
                let (memory_kib, passes, lanes) = (number(first), number(passes), number(lanes));
                (Scheme::Argon2id { memory_kib, passes, lanes }, rest)
            }
            2 => (Scheme::Pbkdf2 { iterations: number(first) }, rest),
            _ => return None,
        };
        Some((Self::new(scheme).ok()?, rest))
    }
}

/// A hash function with its memory, which a set of codes shares. Wiped on drop.
struct Hasher {
    scheme: Scheme,
    memory: Vec<Block>,
}

/// Blocks that are more than glibc ever takes from its heap (32 MiB). Above it a vector has pages of its own, which go
/// back when it goes; below it, one of 19 MiB after the other tears holes into the heap, until ten times as much is lost.
/// Pages that are not touched take no memory.
const OWN_PAGES: usize = 33 << 10;
/// From where on a vector is worth pages of its own.
const LARGE: usize = 1 << 10;

impl Drop for Hasher {
    fn drop(&mut self) {
        // Not by `Zeroizing`, which would touch what was reserved and never used.
        self.memory.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl Hasher {
    /// For one code.
    fn new(hashing: Hashing) -> Result<Self, VaultError> {
        Self::with_room(hashing, 0)
    }

    /// For a set, where the time that fresh pages take is shared.
    fn for_set(hashing: Hashing) -> Result<Self, VaultError> {
        Self::with_room(hashing, OWN_PAGES)
    }

    fn with_room(hashing: Hashing, room: usize) -> Result<Self, VaultError> {
        let scheme = hashing.0;
        let mut memory = Vec::new();
        if let Scheme::Argon2id { memory_kib, .. } = scheme {
            let blocks = usize::try_from(memory_kib).map_err(|_| VaultError::NoMemory)?;
            let room = if blocks < LARGE { 0 } else { room };
            memory.try_reserve_exact(blocks.max(room)).map_err(|_| VaultError::NoMemory)?;
            memory.resize(blocks, Block::new());
        }
        Ok(Self { scheme, memory })
    }

    fn hash(&mut self, code: &[u8], salt: &[u8; SALT]) -> Result<Wiped<HASH>, VaultError> {
        let mut hash = Wiped::zeros();
        match self.scheme {
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                let parameters = argon2::Params::new(memory_kib, passes, lanes, Some(HASH))
                    .map_err(|_| VaultError::Hashing)?;
                Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, parameters)
                    .hash_password_into_with_memory(code, salt, &mut *hash, self.memory.as_mut_slice())
                    .map_err(|_| VaultError::Hashing)?;
            }
            Scheme::Pbkdf2 { iterations } => {
                let source = Source { password: code, salt };
                if let [key] = derive(&[source], iterations)?.as_slice() {
                    *hash = *key;
                }
            }
        }
        Ok(hash)
    }

    /// Those of a set, in its order: PBKDF2's side by side.
    fn hash_all(&mut self, set: &[(&[u8], &[u8; SALT])]) -> Result<Zeroizing<Vec<[u8; HASH]>>, VaultError> {
        if let Scheme::Pbkdf2 { iterations } = self.scheme {
            let sources: Vec<_> =
                set.iter().map(|(code, salt)| Source { password: code, salt: *salt }).collect();
            return derive(&sources, iterations);
        }
        let mut hashes = Zeroizing::new(Vec::with_capacity(set.len()));
        for (code, salt) in set {
            hashes.push(*self.hash(code, salt)?);
        }
        Ok(hashes)
    }
}

/// A code in its one spelling: upper case, no separators. `Debug` shows nothing of it.
pub struct RecoveryCode(Box<Wiped<SYMBOLS>>);

impl RecoveryCode {
    /// A new one from the operating system's generator.
    ///
    /// # Errors
    /// [`VaultError::NoRandomness`] if the operating system gave none.
    pub fn generate() -> Result<Self, VaultError> {
        with_wiped_stack(Self::draw)
    }

    fn draw() -> Result<Self, VaultError> {
        let mut random = Wiped::<RANDOM>::zeros();
        getrandom::fill(&mut *random).map_err(|_| VaultError::NoRandomness)?;
        let mut code = Self(Box::new(Wiped::zeros()));
        for (symbols, bytes) in code.0.as_chunks_mut::<8>().0.iter_mut().zip(random.as_chunks::<5>().0) {
            let mut bits = bytes.iter().fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
            for symbol in symbols.iter_mut().rev() {
                *symbol = symbol_of((bits & 0x1f) as u8);
                bits >>= 5;
            }
        }
        Ok(code)
    }

    /// Reads a code as people type it: in either case, with spaces and hyphens of any kind between its symbols, O for 0,
    /// I or L for 1, and in full width. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut code = Self(Box::new(Wiped::zeros()));
        let mut places = code.0.iter_mut();
        for character in text.chars() {
            if is_separator(character) {
                continue;
            }
            let ascii = match character {
                '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character).wrapping_sub(0xfee0))?,
                ascii => ascii,
            };
            *places.next()? = match ascii.to_ascii_uppercase() {
                'O' => b'0',
                'I' | 'L' => b'1',
                'U' => return None,
                symbol @ ('0'..='9' | 'A'..='Z') => symbol as u8,
                _ => return None,
            };
        }
        if places.next().is_some() { None } else { Some(code) }
    }

    /// The two symbols that find the row.
    pub fn selector(&self) -> &str {
        self.0.get(..SELECTOR).and_then(|selector| core::str::from_utf8(selector).ok()).unwrap_or_default()
    }

    /// The code as it is shown, once: `XXXX-XXXX-XXXX-XXXX`.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SYMBOLS + SYMBOLS / 4));
        for group in self.0.chunks(4) {
            if !text.is_empty() {
                text.push('-');
            }
            text.extend(group.iter().map(|symbol| char::from(*symbol)));
        }
        text
    }
}

impl core::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RecoveryCode([redacted])")
    }
}

/// Crockford's symbol of five bits, without a table or a branch: letters go on after 9, less I, L, O and U.
fn symbol_of(value: u8) -> u8 {
    let letter = |from: u8| u8::from(value >= from);
    let skipped = letter(18).wrapping_add(letter(20)).wrapping_add(letter(22)).wrapping_add(letter(27));
    value.wrapping_add(b'0').wrapping_add(letter(10).wrapping_mul(b'A' - b'9' - 1)).wrapping_add(skipped)
}

fn is_separator(character: char) -> bool {
    // Hyphens and dashes, as phones and word processors like to put them, minus, and the full-width hyphen.
    character.is_whitespace() || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}')
}

/// A new code, and the record to keep in its stead.
#[derive(Debug)]
pub struct NewCode {
    /// To show to the user, once.
    pub code: RecoveryCode,
    /// Its hash, sealed for the user and the code's selector.
    pub record: Vec<u8>,
}

impl Keyring {
    /// A set of 1 to [`MAX_COUNT`] codes with selectors of their own.
    ///
    /// # Errors
    /// [`VaultError::Count`] for a number that a set cannot have, [`VaultError::EmptyOwner`] and [`VaultError::LongOwner`] for the names,
    /// [`VaultError::NoRandomness`] and [`VaultError::NoMemory`].
    pub fn new_recovery_codes(
        &self,
        tenant: &str,
        user: &str,
        count: usize,
        hashing: Hashing,
    ) -> Result<Vec<NewCode>, VaultError> {
        if !(1..=MAX_COUNT).contains(&count) {
            return Err(VaultError::Count);
        }
        Owner::new(tenant, user, "any")?; // wrong names are refused before anything is hashed
        let mut set: Vec<(RecoveryCode, [u8; SALT])> = Vec::with_capacity(count);
        for _ in 0..MAX_DRAWS {
            if set.len() == count {
                break;
            }
            let code = RecoveryCode::generate()?;
            if set.iter().any(|(other, _)| other.selector() == code.selector()) {
                continue;
            }
            let mut salt = [0; SALT];
            getrandom::fill(&mut salt).map_err(|_| VaultError::NoRandomness)?;
            set.push((code, salt));
        }
        if set.len() < count {
            return Err(VaultError::NoRandomness);
        }
        let to_hash: Vec<_> = set.iter().map(|(code, salt)| (code.0.as_slice(), salt)).collect();
        let hashes = with_wiped_stack(|| Hasher::for_set(hashing)?.hash_all(&to_hash))?;
        let sealed = set.into_iter().zip(hashes.iter()).map(|((code, salt), hash)| {
            let record = self.seal_hash(tenant, user, code.selector(), hashing, &salt, hash)?;
            Ok(NewCode { code, record })
        });
        sealed.collect()
    }

    /// The record of a code's hash.
    fn seal_hash(
        &self,
        tenant: &str,
        user: &str,
        selector: &str,
        hashing: Hashing,
        salt: &[u8; SALT],
        hash: &[u8; HASH],
    ) -> Result<Vec<u8>, VaultError> {
        self.seal(&Owner::new(tenant, user, selector)?, Purpose::Recovery, |plain| {
            hashing.write(plain)?;
            plain.push(salt)?;
            plain.push(hash)
        })
    }

    /// Whether `text` is the code of a record. The record is opened in any case, so that a changed one is found; what
    /// cannot be a recovery code is then refused without hashing.
    ///
    /// # Errors
    /// [`VaultError::Malformed`], [`VaultError::UnknownKey`] and [`VaultError::Changed`] if the record does not open for this user and
    /// selector, [`VaultError::NoMemory`] if its hash asks for more than there is.
    pub fn check_recovery_code(
        &self,
        tenant: &str,
        user: &str,
        selector: &str,
        record: &[u8],
        text: &str,
    ) -> Result<bool, VaultError> {
        let owner = Owner::new(tenant, user, selector)?;
        with_wiped_stack(|| {
            let plain = self.open(&owner, Purpose::Recovery, record)?;
            let (hashing, salt, expected) = hashed(plain.as_slice())?;
            let Some(code) = RecoveryCode::parse(text) else {
                return Ok(false);
            };
            Ok(Hasher::new(hashing)?.hash(&**code.0, salt)?.ct_eq(expected).into())
        })
    }
}

/// The longest code of another system that is taken over, in bytes.
const MAX_FOREIGN: usize = 64;

/// The one spelling of another system's code: small letters, no separators. `None` for what is too long, or nothing.
fn folded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut code = Zeroizing::new(Vec::with_capacity(MAX_FOREIGN));
    if text.len() > 4 * MAX_FOREIGN {
        return None;
    }
    let mut utf8 = [0; 4];
    for character in text.chars().filter(|character| !is_separator(*character)) {
        let narrow = match character {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character).wrapping_sub(0xfee0))?,
            other => other,
        };
        let symbol = narrow.to_ascii_lowercase().encode_utf8(&mut utf8).as_bytes();
        if code.len().saturating_add(symbol.len()) > MAX_FOREIGN {
            return None;
        }
        code.extend_from_slice(symbol);
    }
    if code.is_empty() { None } else { Some(code) }
}

/// What a record holds: how the code was hashed, with which salt, and to what.
type Hashed<'a> = (Hashing, &'a [u8; SALT], &'a [u8; HASH]);

fn hashed(plain: &[u8]) -> Result<Hashed<'_>, VaultError> {
    let (hashing, rest) = Hashing::read(plain).ok_or(VaultError::Malformed)?;
    let (salt, expected) = rest.split_first_chunk::<SALT>().ok_or(VaultError::Malformed)?;
    Ok((hashing, salt, expected.try_into().map_err(|_| VaultError::Malformed)?))
}

impl Keyring {
    /// The records of codes that another system made, each with its selector: `~00`, `~01` and so on, which say nothing
    /// of the code. A code that stands twice gets one record. They share a salt, so that [`find_recovery_code`](Self::find_recovery_code) hashes once.
    ///
    /// # Errors
    /// [`VaultError::Count`] for a number that a set cannot have, or a code that is empty or over 64 bytes; else as
    /// [`new_recovery_codes`](Self::new_recovery_codes).
    pub fn hash_recovery_codes(
        &self,
        tenant: &str,
        user: &str,
        codes: &[&str],
        hashing: Hashing,
    ) -> Result<Vec<(String, Vec<u8>)>, VaultError> {
        if !(1..=MAX_COUNT).contains(&codes.len()) {
            return Err(VaultError::Count);
        }
        Owner::new(tenant, user, "any")?; // wrong names are refused before anything is hashed
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| VaultError::NoRandomness)?;
        let mut known: Vec<Zeroizing<Vec<u8>>> = Vec::with_capacity(codes.len());
        for text in codes {
            let code = folded(text).ok_or(VaultError::Count)?;
            // Two records of one code would be two uses of it.
            if !known.contains(&code) {
                known.push(code);
            }
        }
        let to_hash: Vec<_> = known.iter().map(|code| (code.as_slice(), &salt)).collect();
        let hashes = with_wiped_stack(|| Hasher::for_set(hashing)?.hash_all(&to_hash))?;
        let sealed = hashes.iter().enumerate().map(|(place, hash)| {
            let selector = format!("~{place:02}");
            let record = self.seal_hash(tenant, user, &selector, hashing, &salt, hash)?;
            Ok((selector, record))
        });
        sealed.collect()
    }

    /// Which of these records, as `(selector, record)`, is that of the code, if any is. Every record is opened and
    /// compared; a hash is computed for each salt among them, of which an import makes one.
    ///
    /// # Errors
    /// As [`check_recovery_code`](Self::check_recovery_code), for any of the records.
    pub fn find_recovery_code<'a>(
        &self,
        tenant: &str,
        user: &str,
        records: &[(&'a str, &[u8])],
        text: &str,
    ) -> Result<Option<&'a str>, VaultError> {
        with_wiped_stack(|| {
            let code = folded(text);
            let mut computed: Option<(Hashing, [u8; SALT], Wiped<HASH>)> = None;
            let mut found = None;
            for (selector, record) in records {
                let plain = self.open(&Owner::new(tenant, user, selector)?, Purpose::Recovery, record)?;
                let (hashing, salt, expected) = hashed(plain.as_slice())?;
                let Some(code) = &code else { continue };
                if !computed.as_ref().is_some_and(|(how, with, _)| (*how, with) == (hashing, salt)) {
                    computed = Some((hashing, *salt, Hasher::new(hashing)?.hash(code, salt)?));
                }
                if computed.as_ref().is_some_and(|(_, _, hash)| hash.ct_eq(expected).into()) {
                    found = Some(*selector);
                }
            }
            Ok(found)
        })
    }
}

/// The work of a check, for a code whose selector is not stored: refusing it then takes as long as checking a stored one.
///
/// # Errors
/// [`VaultError::NoMemory`] if the hash asks for more than there is.
pub fn dummy_check(hashing: Hashing) -> Result<(), VaultError> {
    Hasher::new(hashing)?.hash(&[b'0'; SYMBOLS], &[0; SALT]).map(drop)
}
