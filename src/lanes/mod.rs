//! Many codes side by side.
//!
//! One hash leaves most of a CPU idle, since each step waits for the one before it. The kernels here hash several
//! messages in step: a few lanes by the CPU's own instructions for a hash (x86's SHA extensions, ARMv8's), or a lane for
//! each word of a vector. What the CPU has is asked
//! for once, at run time; without it, and where one kernel is worse than none, the plain path of
//! `HmacKey` hashes one message after the other, by the crates `sha1` and `sha2`.
//!
//! The environment variable `FERROTP_KERNEL` leaves only one of the kernels: `portable`, `sha-ni`, `avx2`, `avx512`, `armv8`
//! or `neon`.
//! A kernel that the CPU has not, and any other name, is as if it were not set.

use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(target_arch = "aarch64")]
mod armv8;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "what only the kernels use"))]
mod group;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod wide;

pub(crate) use group::{Group, LANES, Midstates, lane, set_lane, splat, state, truncate};

/// The kernels in use. Bits: the SHA extensions may be there beside one of the vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kernels(u8);

impl Kernels {
    const PORTABLE: Self = Self(1);
    const SHA_NI: Self = Self(2);
    const AVX2: Self = Self(4);
    const AVX512: Self = Self(8);
    const NEON: Self = Self(16);
    const ARMV8: Self = Self(32);
    const ALL: [(&'static str, Self); 6] = [
        ("avx512", Self::AVX512),
        ("avx2", Self::AVX2),
        ("sha-ni", Self::SHA_NI),
        ("armv8", Self::ARMV8),
        ("neon", Self::NEON),
        ("portable", Self::PORTABLE),
    ];

    const fn has(self, kernel: Self) -> bool {
        self.0 & kernel.0 != 0
    }

    /// What the CPU can run.
    fn detected() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let sha_ni = std::is_x86_feature_detected!("sha")
                && std::is_x86_feature_detected!("sse4.1")
                && std::is_x86_feature_detected!("ssse3");
            let avx2 = std::is_x86_feature_detected!("avx2");
            let avx512 = std::is_x86_feature_detected!("avx512f");
            Self::with(&[(sha_ni, Self::SHA_NI), (avx2, Self::AVX2), (avx512, Self::AVX512)])
        }
        #[cfg(target_arch = "aarch64")]
        {
            let neon = std::arch::is_aarch64_feature_detected!("neon");
            // SHA-1's instructions are asked for under this name too.
            let armv8 = neon && std::arch::is_aarch64_feature_detected!("sha2");
            Self::with(&[(neon, Self::NEON), (armv8, Self::ARMV8)])
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        Self::PORTABLE
    }

    /// The portable kernel, and those that are there.
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64")),
        allow(dead_code, reason = "there are none")
    )]
    fn with(found: &[(bool, Self)]) -> Self {
        let there = found.iter().filter(|(there, _)| *there);
        Self(there.fold(Self::PORTABLE.0, |all, (_, kernel)| all | kernel.0))
    }

    /// What is used of it.
    fn chosen() -> Self {
        let detected = Self::detected();
        let asked = std::env::var_os("FERROTP_KERNEL");
        let named = Self::ALL.iter().find(|(name, _)| asked.as_deref().is_some_and(|asked| asked == *name));
        named.map(|(_, kernel)| *kernel).filter(|kernel| detected.has(*kernel)).unwrap_or(detected)
    }

    #[inline]
    fn in_use() -> Self {
        static IN_USE: AtomicU8 = AtomicU8::new(0);
        #[cold]
        fn choose() -> u8 {
            let chosen = Kernels::chosen().0;
            IN_USE.store(chosen, Ordering::Relaxed);
            chosen
        }
        match IN_USE.load(Ordering::Relaxed) {
            0 => Self(choose()),
            known => Self(known),
        }
    }
}

/// The kernels in use, the widest first. `"portable"` is always among them, unless another was asked for.
pub fn kernels() -> impl Iterator<Item = &'static str> {
    let in_use = Kernels::in_use();
    Kernels::ALL.into_iter().filter(move |(_, kernel)| in_use.has(*kernel)).map(|(name, _)| name)
}

/// The SHA-1 tags of a few counters of one key, if there is a kernel for few.
#[inline]
pub(crate) fn sha1<const N: usize>(key: &Midstates, counters: [u64; N]) -> Option<[[u32; 5]; N]> {
    #[cfg(target_arch = "x86_64")]
    if Kernels::in_use().has(Kernels::SHA_NI) {
        // SAFETY: the CPU has what the kernel is compiled for.
        return Some(unsafe { sha_ni::tags([key; N], counters) });
    }
    #[cfg(target_arch = "aarch64")]
    if Kernels::in_use().has(Kernels::ARMV8) {
        // SAFETY: as above.
        return Some(unsafe { armv8::sha1::tags([key; N], counters) });
    }
    let _ = (key, counters);
    None
}

/// SHA-1 by the SHA extensions for all lanes of a group, four at a time.
#[cfg(target_arch = "x86_64")]
mod sha_ni_group {
    use super::{Group, LANES, Midstates, group, sha_ni};

    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    pub(super) fn truncated(keys: &Group<u32, 5>, counters: &[u64; LANES]) -> [u32; LANES] {
        let keys: [Midstates; LANES] = core::array::from_fn(|lane| group::lane(keys, lane));
        let mut tags = [[0; LANES]; 5];
        let fours = keys.as_chunks::<4>().0.iter().zip(counters.as_chunks::<4>().0);
        for (four, (keys, counters)) in fours.enumerate() {
            for (lane, tag) in sha_ni::tags(keys.each_ref(), *counters).iter().enumerate() {
                group::set_lane(&mut tags, four.wrapping_mul(4).wrapping_add(lane), tag);
            }
        }
        group::truncate_sha1(tags)
    }

    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    pub(super) fn start(initial: &[u32; 5], blocks: &[[u32; LANES]; 16]) -> [[u32; LANES]; 5] {
        let blocks: [[u32; 16]; LANES] = core::array::from_fn(|lane| group::state(blocks, lane));
        let mut states = [[0; LANES]; 5];
        for (four, blocks) in blocks.as_chunks::<4>().0.iter().enumerate() {
            for (lane, state) in sha_ni::start(initial, blocks.each_ref()).iter().enumerate() {
                group::set_lane(&mut states, four.wrapping_mul(4).wrapping_add(lane), state);
            }
        }
        states
    }
}

/// Runs a group's function of the first kernel that is in use.
macro_rules! by_group {
    ($function:ident $arguments:tt, $($arch:tt $kernel:ident $module:path),+) => {{
        $(
            #[cfg(target_arch = $arch)]
            if Kernels::in_use().has(Kernels::$kernel) {
                use $module as kernel;
                // SAFETY: the CPU has what the kernel is compiled for.
                return Some(unsafe { kernel::$function $arguments });
            }
        )+
        let _ = $arguments;
        None
    }};
}

/// The truncated tags of a group's counters under SHA-1, if there is a kernel.
pub(crate) fn sha1_group(keys: &Group<u32, 5>, counters: &[u64; LANES]) -> Option<[u32; LANES]> {
    by_group!(
        truncated(keys, counters),
        "x86_64" AVX512 avx512::sha1, "x86_64" SHA_NI sha_ni_group, "x86_64" AVX2 avx2::sha1,
        "aarch64" ARMV8 armv8::sha1, "aarch64" NEON neon::sha1
    )
}

/// The states after one block for each lane, if there is a kernel.
pub(crate) fn sha1_start(initial: &[u32; 5], blocks: &[[u32; LANES]; 16]) -> Option<[[u32; LANES]; 5]> {
    by_group!(
        start(initial, blocks),
        "x86_64" AVX512 avx512::sha1, "x86_64" SHA_NI sha_ni_group, "x86_64" AVX2 avx2::sha1,
        "aarch64" ARMV8 armv8::sha1, "aarch64" NEON neon::sha1
    )
}

/// [`sha1_group`] for SHA-256.
pub(crate) fn sha256_group(keys: &Group<u32, 8>, counters: &[u64; LANES]) -> Option<[u32; LANES]> {
    by_group!(
        truncated(keys, counters),
        "x86_64" AVX512 avx512::sha256, "x86_64" AVX2 avx2::sha256,
        "aarch64" ARMV8 armv8::sha256, "aarch64" NEON neon::sha256
    )
}

/// What PBKDF2 with HMAC-SHA-256 makes of a group's keys (RFC 8018, section 5.2): of each the sum of its `first` tag and
/// of `further` ones, each of which is the tag of the one before it. `None` where `keys` that are so few take less time
/// one after the other: a group costs the same whatever it holds.
#[cfg(feature = "vault")]
pub(crate) fn sha256_sums(
    keys: &Group<u32, 8>,
    count: usize,
    first: &[[u32; LANES]; 8],
    further: u32,
) -> Option<[[u32; LANES]; 8]> {
    let in_use = Kernels::in_use();
    // Measured: beside the CPU's own instructions for the hash, AVX2 gains a fifth with all lanes full.
    let has_own = in_use.has(Kernels::SHA_NI) || in_use.has(Kernels::ARMV8);
    let enough = if in_use.has(Kernels::AVX512) || !has_own { LANES / 4 + 1 } else { LANES - 1 };
    if count < enough || in_use.has(Kernels::ARMV8) {
        return None;
    }
    by_group!(
        sums(keys, first, further),
        "x86_64" AVX512 avx512::sha256, "x86_64" AVX2 avx2::sha256, "aarch64" NEON neon::sha256
    )
}

/// [`sha1_group`] for SHA-512.
pub(crate) fn sha512_group(keys: &Group<u64, 8>, counters: &[u64; LANES]) -> Option<[u32; LANES]> {
    by_group!(truncated(keys, counters), "x86_64" AVX512 avx512::sha512, "x86_64" AVX2 avx2::sha512)
}

/// From how many counters of one SHA-1 key on a group takes less time than as many by themselves.
#[inline]
pub(crate) fn sha1_enough() -> usize {
    let in_use = Kernels::in_use();
    let few = in_use.has(Kernels::SHA_NI) || in_use.has(Kernels::ARMV8);
    if in_use.has(Kernels::AVX512) {
        // Measured: SHA-NI takes for four as long as AVX-512 for sixteen.
        LANES / 4 + 1
    } else if (in_use.has(Kernels::AVX2) || in_use.has(Kernels::NEON)) && !few {
        LANES / 2
    } else {
        usize::MAX
    }
}

/// The same for SHA-256, which has no kernel for few.
#[inline]
pub(crate) fn sha256_enough() -> usize {
    const WIDE: u8 = Kernels::AVX512.0 | Kernels::AVX2.0 | Kernels::ARMV8.0 | Kernels::NEON.0;
    if Kernels::in_use().has(Kernels(WIDE)) { LANES / 2 } else { usize::MAX }
}

/// The same for SHA-512.
#[inline]
pub(crate) fn sha512_enough() -> usize {
    const WIDE: u8 = Kernels::AVX512.0 | Kernels::AVX2.0;
    if Kernels::in_use().has(Kernels(WIDE)) { LANES / 2 } else { usize::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The second block of a message, after a key block, as FIPS 180-4 pads it.
    fn block<const BLOCK: usize>(message: &[u8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..message.len()].copy_from_slice(message);
        block[message.len()] = 0x80;
        block[BLOCK - 8..].copy_from_slice(&((BLOCK + message.len()) as u64 * 8).to_be_bytes());
        block
    }

    /// HMAC from midstates by the plain compression functions.
    macro_rules! plain {
        ($name:ident, $word:ty, $words:literal, $block:literal, $compress:path) => {
            fn $name([inner, outer]: &[[$word; $words]; 2], counter: u64) -> [$word; $words] {
                let hash = |mut state: [$word; $words], message: &[u8]| {
                    $compress(&mut state, &[block::<$block>(message)]);
                    state
                };
                let inner = hash(*inner, &counter.to_be_bytes());
                hash(*outer, inner.map(<$word>::to_be_bytes).as_flattened())
            }
        };
    }
    plain!(plain1, u32, 5, 64, ::sha1::block_api::compress);
    plain!(plain256, u32, 8, 64, ::sha2::block_api::compress256);
    plain!(plain512, u64, 8, 128, ::sha2::block_api::compress512);

    /// RFC 4226, section 5.3, byte by byte.
    fn truncated(tag: &[u8]) -> u32 {
        let offset = usize::from(tag[tag.len() - 1] & 0xf);
        u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff
    }

    fn few_are_plain<const N: usize>(key: &Midstates, counters: [u64; N]) {
        if let Some(tags) = sha1(key, counters) {
            assert_eq!(tags, counters.map(|counter| plain1(key, counter)));
        }
    }

    /// Every kernel that this CPU has for a hash, called by itself, whatever is in use.
    macro_rules! every_group_kernel {
        ($check:expr, $($arch:tt $kernel:ident $module:path),+) => {{
            let detected = Kernels::detected();
            $(
                #[cfg(target_arch = $arch)]
                if detected.has(Kernels::$kernel) {
                    use $module as kernel;
                    // SAFETY: the CPU has it.
                    $check(stringify!($module), &|keys, counters| unsafe { kernel::truncated(keys, counters) });
                }
            )+
            let _ = detected;
        }};
    }

    macro_rules! groups_are_plain {
        ($keys:expr, $counters:expr, $plain:ident, $word:ty, $words:literal, $($arch:tt $kernel:ident $module:path),+) => {{
            let keys: [[[$word; $words]; 2]; LANES] = $keys;
            let counters: [u64; LANES] = $counters;
            let mut group: Group<$word, $words> = [[[0; LANES]; $words]; 2];
            for (place, states) in keys.iter().enumerate() {
                let [inner, outer] = &mut group;
                set_lane(inner, place, &states[0]);
                set_lane(outer, place, &states[1]);
                assert_eq!(lane(&group, place), *states);
            }
            let expected: [u32; LANES] = core::array::from_fn(|lane| {
                truncated($plain(&keys[lane], counters[lane]).map(<$word>::to_be_bytes).as_flattened())
            });
            every_group_kernel!(
                |name: &str, kernel: &dyn Fn(&Group<$word, $words>, &[u64; LANES]) -> [u32; LANES]| {
                    assert_eq!(kernel(&group, &counters), expected, "{name}");
                },
                $($arch $kernel $module),+
            );
            let _ = expected;
        }};
    }

    proptest! {
        // States are random words, not only those that a key can lead to.
        #[test]
        fn every_number_of_lanes_equals_the_sha1_crate(key: Midstates, counters: [u64; 8]) {
            let [a, b, c, d, ..] = counters;
            few_are_plain(&key, [a]);
            few_are_plain(&key, [a, b]);
            few_are_plain(&key, [a, b, c]);
            few_are_plain(&key, [a, b, c, d]);
            few_are_plain(&key, counters);
        }

        #[test]
        fn every_kernel_for_groups_equals_the_sha1_crate(keys: [Midstates; LANES], counters: [u64; LANES]) {
            groups_are_plain!(
                keys, counters, plain1, u32, 5,
                "x86_64" AVX512 avx512::sha1, "x86_64" SHA_NI sha_ni_group, "x86_64" AVX2 avx2::sha1,
                "aarch64" ARMV8 armv8::sha1, "aarch64" NEON neon::sha1
            );
        }

        #[test]
        fn every_kernel_for_groups_equals_sha256_of_the_sha2_crate(
            keys: [[[u32; 8]; 2]; LANES], counters: [u64; LANES],
        ) {
            groups_are_plain!(
                keys, counters, plain256, u32, 8,
                "x86_64" AVX512 avx512::sha256, "x86_64" AVX2 avx2::sha256,
                "aarch64" ARMV8 armv8::sha256, "aarch64" NEON neon::sha256
            );
        }

        #[test]
        fn every_kernel_for_groups_equals_sha512_of_the_sha2_crate(
            keys: [[[u64; 8]; 2]; LANES], counters: [u64; LANES],
        ) {
            groups_are_plain!(
                keys, counters, plain512, u64, 8, "x86_64" AVX512 avx512::sha512, "x86_64" AVX2 avx2::sha512
            );
        }

        #[cfg(feature = "vault")]
        #[test]
        fn every_kernel_sums_tags_as_the_sha2_crate_does(
            keys: [[[u32; 8]; 2]; LANES], first: [[u32; 8]; LANES], further in 0u32..5,
        ) {
            let mut group: Group<u32, 8> = [[[0; LANES]; 8]; 2];
            let mut words = [[0; LANES]; 8];
            for (place, (states, first)) in keys.iter().zip(&first).enumerate() {
                let [inner, outer] = &mut group;
                set_lane(inner, place, &states[0]);
                set_lane(outer, place, &states[1]);
                set_lane(&mut words, place, first);
            }
            let sum_of = |place: usize| {
                let [inner, outer] = keys[place];
                let hash = |mut state: [u32; 8], message: [u32; 8]| {
                    let block = block::<64>(message.map(u32::to_be_bytes).as_flattened());
                    ::sha2::block_api::compress256(&mut state, &[block]);
                    state
                };
                let (mut tag, mut sum) = (first[place], first[place]);
                for _ in 0..further {
                    tag = hash(outer, hash(inner, tag));
                    sum = core::array::from_fn(|word| sum[word] ^ tag[word]);
                }
                sum
            };
            let check = |sums: [[u32; LANES]; 8]| {
                for place in 0..LANES {
                    assert_eq!(state(&sums, place), sum_of(place));
                }
            };
            let detected = Kernels::detected();
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the CPU has each that is called.
            unsafe {
                if detected.has(Kernels::AVX512) { check(avx512::sha256::sums(&group, &words, further)); }
                if detected.has(Kernels::AVX2) { check(avx2::sha256::sums(&group, &words, further)); }
            }
            #[cfg(target_arch = "aarch64")]
            if detected.has(Kernels::NEON) {
                // SAFETY: as above.
                check(unsafe { neon::sha256::sums(&group, &words, further) });
            }
            let _ = (detected, check);
        }

        #[test]
        fn every_kernel_starts_a_hash_as_the_sha1_crate_does(initial: [u32; 5], blocks: [[u32; 16]; LANES]) {
            let mut words = [[0; LANES]; 16];
            for (place, block) in blocks.iter().enumerate() {
                set_lane(&mut words, place, block);
                assert_eq!(state(&words, place), *block);
            }
            let expected = blocks.map(|block| {
                let mut state = initial;
                ::sha1::block_api::compress(&mut state, &[block.map(u32::to_be_bytes).as_flattened().try_into().unwrap()]);
                state
            });
            let check = |states: [[u32; LANES]; 5]| {
                for (place, expected) in expected.iter().enumerate() {
                    assert_eq!(state(&states, place), *expected);
                }
            };
            #[cfg(target_arch = "x86_64")]
            {
                let detected = Kernels::detected();
                // SAFETY: the CPU has each that is called.
                unsafe {
                    if detected.has(Kernels::AVX512) { check(avx512::sha1::start(&initial, &words)); }
                    if detected.has(Kernels::AVX2) { check(avx2::sha1::start(&initial, &words)); }
                    if detected.has(Kernels::SHA_NI) { check(sha_ni_group::start(&initial, &words)); }
                }
            }
            #[cfg(target_arch = "aarch64")]
            {
                let detected = Kernels::detected();
                // SAFETY: as above.
                unsafe {
                    if detected.has(Kernels::ARMV8) { check(armv8::sha1::start(&initial, &words)); }
                    if detected.has(Kernels::NEON) { check(neon::sha1::start(&initial, &words)); }
                }
            }
            let _ = check;
        }
    }

    #[test]
    fn the_environment_leaves_one_kernel_or_what_the_cpu_has() {
        let names = |kernels: Kernels| {
            Kernels::ALL
                .into_iter()
                .filter(|(_, kernel)| kernels.has(*kernel))
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let expected = match std::env::var("FERROTP_KERNEL") {
            Ok(asked) if names(Kernels::detected()).contains(&asked.as_str()) => vec![asked],
            _ => names(Kernels::detected()).into_iter().map(str::to_owned).collect(),
        };
        assert_eq!(kernels().collect::<Vec<_>>(), expected);
    }
}
