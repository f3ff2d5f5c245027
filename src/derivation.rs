//! PBKDF2 with HMAC-SHA-256 (RFC 8018, section 5.2), for many passwords at once.
//!
//! A derived key is the sum of a chain of tags, or of several. The crate `pbkdf2` computes one chain after the other; here
//! several go side by side, each in a lane of a vector.

use hmac::Hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, HmacKey, Keys};
use crate::lanes::{self, LANES};
use crate::vault::VaultError;
use crate::wipe::wipe;

/// The bytes of a tag, which are what a chain gives.
const TAG: usize = 32;

/// What a key is derived from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) password: &'a [u8],
    pub(crate) salt: &'a [u8],
}

/// The keys of `N` bytes that belong to the sources, in their order. The caller wipes the stack.
///
/// `iterations` must be 1 or more, and so few that the caller can wait for them.
///
/// # Errors
/// [`VaultError::Hashing`], which would be a fault of ours.
pub(crate) fn derive<const N: usize>(
    sources: &[Source<'_>],
    iterations: u32,
) -> Result<Zeroizing<Vec<[u8; N]>>, VaultError> {
    let mut keys = Zeroizing::new(vec![[0; N]; sources.len()]);
    let chains_of_a_key = N.div_ceil(TAG);
    let at_once = LANES.checked_div(chains_of_a_key).unwrap_or_default().max(1);
    for (sources, keys) in sources.chunks(at_once).zip(keys.chunks_mut(at_once)) {
        // One chain alone, which is what a login asks for, goes no further way.
        let chains = sources.len().saturating_mul(chains_of_a_key);
        let is_done = (2..=LANES).contains(&chains) && side_by_side(sources, iterations, keys).is_some();
        if !is_done {
            for (source, key) in sources.iter().zip(keys) {
                pbkdf2::pbkdf2::<Hmac<Sha256>>(source.password, source.salt, iterations, key)
                    .map_err(|_| VaultError::Hashing)?;
            }
        }
    }
    Ok(keys)
}

/// The keys of at most as many chains as there are lanes. `None` where a group gains nothing.
fn side_by_side<const N: usize>(sources: &[Source<'_>], iterations: u32, keys: &mut [[u8; N]]) -> Option<()> {
    let (mut hmac_keys, mut first) = (Keys::new(Algorithm::Sha256), [[0; LANES]; TAG / 4]);
    let mut chains = 0usize;
    for source in sources {
        let hmac_key = HmacKey::new(Algorithm::Sha256, source.password);
        for chain in (1u32..).take(N.div_ceil(TAG)) {
            let tag = Zeroizing::new(hmac_key.mac(&[source.salt, &chain.to_be_bytes()].concat()));
            let mut words = tag.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word));
            lanes::set_lane(&mut first, chains, &core::array::from_fn(|_| words.next().unwrap_or_default()));
            chains = chains.wrapping_add(1);
            if !hmac_keys.push(&hmac_key) {
                return None;
            }
        }
    }
    let sums = hmac_keys.sums(&first, iterations.saturating_sub(1));
    wipe(first.as_flattened_mut());
    let mut sums = sums?;
    for (chain, part) in keys.iter_mut().flat_map(|key| key.chunks_mut(TAG)).enumerate() {
        let sum = lanes::state(&sums, chain).map(u32::to_be_bytes);
        part.copy_from_slice(sum.as_flattened().get(..part.len())?);
    }
    wipe(sums.as_flattened_mut());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by the crate alone.
    fn plain<const N: usize>(source: &Source<'_>, iterations: u32) -> [u8; N] {
        let mut key = [0; N];
        pbkdf2::pbkdf2::<Hmac<Sha256>>(source.password, source.salt, iterations, &mut key).unwrap();
        key
    }

    // The longer vector is tried on the extension, which is optimised: tests/mfa/imports/test_wallet.py.
    #[test]
    fn the_vector_of_rfc_7914_section_11_comes_out_in_every_lane() {
        let source = Source { password: b"passwd", salt: b"salt" };
        for count in 1..=LANES {
            for key in derive::<64>(&vec![source; count], 1).unwrap().iter() {
                assert_eq!(
                    hex::encode(key),
                    "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
                     49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn many_at_once_are_derived_as_one_is(
            sources in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..150), prop::collection::vec(any::<u8>(), 0..70)),
                0..2 * LANES,
            ),
            iterations in 1u32..5,
        ) {
            let sources: Vec<_> =
                sources.iter().map(|(password, salt)| Source { password, salt }).collect();
            macro_rules! check {
                ($($length:literal)+) => {$(
                    let keys = derive::<$length>(&sources, iterations).unwrap();
                    let expected: Vec<_> =
                        sources.iter().map(|source| plain::<$length>(source, iterations)).collect();
                    prop_assert_eq!(&*keys, &expected);
                )+};
            }
            check!(1 32 33 48 513);
        }
    }
}
