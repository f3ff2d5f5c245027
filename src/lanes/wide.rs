//! The vector kernels, written once: a vector holds one word of many messages, so that each operation of a hash is one
//! instruction, or a few, for all of them.
//!
//! [`kernels_of_32!`] is expanded where the operations on vectors are, under the names used here, and makes one module for each
//! hash (FIPS 180-4, sections 6.1.2, 6.2.2 and 6.4.2). Everything is inlined into the functions that [`driver!`] writes.

/// The constants of SHA-512 (FIPS 180-4, section 4.2.3). Their upper halves are those of SHA-256 (section 4.2.2): both
/// are the first bits of the cube roots of the first primes.
#[rustfmt::skip]
pub(super) const K: [u64; 80] = [
    0x428a_2f98_d728_ae22, 0x7137_4491_23ef_65cd, 0xb5c0_fbcf_ec4d_3b2f, 0xe9b5_dba5_8189_dbbc,
    0x3956_c25b_f348_b538, 0x59f1_11f1_b605_d019, 0x923f_82a4_af19_4f9b, 0xab1c_5ed5_da6d_8118,
    0xd807_aa98_a303_0242, 0x1283_5b01_4570_6fbe, 0x2431_85be_4ee4_b28c, 0x550c_7dc3_d5ff_b4e2,
    0x72be_5d74_f27b_896f, 0x80de_b1fe_3b16_96b1, 0x9bdc_06a7_25c7_1235, 0xc19b_f174_cf69_2694,
    0xe49b_69c1_9ef1_4ad2, 0xefbe_4786_384f_25e3, 0x0fc1_9dc6_8b8c_d5b5, 0x240c_a1cc_77ac_9c65,
    0x2de9_2c6f_592b_0275, 0x4a74_84aa_6ea6_e483, 0x5cb0_a9dc_bd41_fbd4, 0x76f9_88da_8311_53b5,
    0x983e_5152_ee66_dfab, 0xa831_c66d_2db4_3210, 0xb003_27c8_98fb_213f, 0xbf59_7fc7_beef_0ee4,
    0xc6e0_0bf3_3da8_8fc2, 0xd5a7_9147_930a_a725, 0x06ca_6351_e003_826f, 0x1429_2967_0a0e_6e70,
    0x27b7_0a85_46d2_2ffc, 0x2e1b_2138_5c26_c926, 0x4d2c_6dfc_5ac4_2aed, 0x5338_0d13_9d95_b3df,
    0x650a_7354_8baf_63de, 0x766a_0abb_3c77_b2a8, 0x81c2_c92e_47ed_aee6, 0x9272_2c85_1482_353b,
    0xa2bf_e8a1_4cf1_0364, 0xa81a_664b_bc42_3001, 0xc24b_8b70_d0f8_9791, 0xc76c_51a3_0654_be30,
    0xd192_e819_d6ef_5218, 0xd699_0624_5565_a910, 0xf40e_3585_5771_202a, 0x106a_a070_32bb_d1b8,
    0x19a4_c116_b8d2_d0c8, 0x1e37_6c08_5141_ab53, 0x2748_774c_df8e_eb99, 0x34b0_bcb5_e19b_48a8,
    0x391c_0cb3_c5c9_5a63, 0x4ed8_aa4a_e341_8acb, 0x5b9c_ca4f_7763_e373, 0x682e_6ff3_d6b2_b8a3,
    0x748f_82ee_5def_b2fc, 0x78a5_636f_4317_2f60, 0x84c8_7814_a1f0_ab72, 0x8cc7_0208_1a64_39ec,
    0x90be_fffa_2363_1e28, 0xa450_6ceb_de82_bde9, 0xbef9_a3f7_b2c6_7915, 0xc671_78f2_e372_532b,
    0xca27_3ece_ea26_619c, 0xd186_b8c7_21c0_c207, 0xeada_7dd6_cde0_eb1e, 0xf57d_4f7f_ee6e_d178,
    0x06f0_67aa_7217_6fba, 0x0a63_7dc5_a2c8_98a6, 0x113f_9804_bef9_0dae, 0x1b71_0b35_131c_471b,
    0x28db_77f5_2304_7d84, 0x32ca_ab7b_40c7_2493, 0x3c9e_be0a_15c9_bebc, 0x431d_67c4_9c10_0d4c,
    0x4cc5_d4be_cb3e_42b6, 0x597f_299c_fc65_7e2a, 0x5fcb_6fab_3ad6_faec, 0x6c44_198c_4a47_5817,
];

/// Writes what leads into one hash and out of it, around its `compress`.
macro_rules! driver {
    ($features:literal, $word:ty, $words:literal, $block:literal, $split:path, $truncate:path) => {
        use $crate::lanes::group::{Group, LANES};

        type State = [Vector; $words];
        type Block = [Vector; 16];

        /// The truncated tags of a group's counters.
        #[target_feature(enable = $features)]
        pub(in crate::lanes) fn truncated(
            [inner, outer]: &Group<$word, $words>,
            counters: &[u64; LANES],
        ) -> [u32; LANES] {
            let counters = $split(counters);
            let mut tags = [[0; LANES]; $words];
            for part in 0..LANES / WIDTH {
                let counter = counters.each_ref().map(|words| load(words, part));
                let hash = compress(inner.each_ref().map(|words| load(words, part)), last_block(counter));
                let tag = compress(outer.each_ref().map(|words| load(words, part)), last_block(hash));
                for (words, word) in tags.iter_mut().zip(tag) {
                    store(words, part, word);
                }
            }
            $truncate(tags)
        }

        /// The second block of a message, after a key block: some words and the padding (FIPS 180-4, section 5.1).
        #[inline]
        #[target_feature(enable = $features)]
        fn last_block<const LEN: usize>(message: [Vector; LEN]) -> Block {
            let mut block = [splat(0); 16];
            let end = splat(1 << (<$word>::BITS - 1));
            for (to, from) in block.iter_mut().zip(message.into_iter().chain([end])) {
                *to = from;
            }
            let bits = const { ($block + LEN * size_of::<$word>()) as $word * 8 };
            let [.., last] = &mut block;
            *last = splat(bits);
            block
        }
    };
}
pub(super) use driver;

/// Writes SHA-2's `compress` for one length of word, with its rotations and the constants that `$k` reads.
#[rustfmt::skip] // as below
macro_rules! sha2 {
    (
        $features:literal, [$($eights:literal),+], $k:path,
        ($a1:literal, $a2:literal, $a3:literal), ($e1:literal, $e2:literal, $e3:literal),
        ($s1:literal, $s2:literal, $s3:literal), ($t1:literal, $t2:literal, $t3:literal)
    ) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn eight_rounds<const T: usize>(state: State, w: &mut Block) -> State {
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
            macro_rules! round {
                ($t:literal, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
                    let t = const { T + $t };
                    if t >= 16 {
                        let (old, new) = (w[(t + 1) % 16], w[(t + 14) % 16]);
                        let old = xor3(rotate_right::<$s1>(old), rotate_right::<$s2>(old), shift_right::<$s3>(old));
                        let new = xor3(rotate_right::<$t1>(new), rotate_right::<$t2>(new), shift_right::<$t3>(new));
                        w[t % 16] = add(add(w[t % 16], old), add(w[(t + 9) % 16], new));
                    }
                    let sum = xor3(rotate_right::<$e1>($e), rotate_right::<$e2>($e), rotate_right::<$e3>($e));
                    let k = add(w[t % 16], splat(const { $k(T + $t) }));
                    let first = add(add($h, k), add(sum, choose($e, $f, $g)));
                    let sum = xor3(rotate_right::<$a1>($a), rotate_right::<$a2>($a), rotate_right::<$a3>($a));
                    $d = add($d, first);
                    $h = add(first, add(sum, majority($a, $b, $c)));
                };
            }
            round!(0, a b c d e f g h);
            round!(1, h a b c d e f g);
            round!(2, g h a b c d e f);
            round!(3, f g h a b c d e);
            round!(4, e f g h a b c d);
            round!(5, d e f g h a b c);
            round!(6, c d e f g h a b);
            round!(7, b c d e f g h a);
            [a, b, c, d, e, f, g, h]
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn compress(state: State, mut w: Block) -> State {
            let mut new = state;
            $(new = eight_rounds::<$eights>(new, &mut w);)+
            for (new, old) in new.iter_mut().zip(state) {
                *new = add(*new, old);
            }
            new
        }
    };
}
pub(super) use sha2;

/// Writes the kernels of SHA-1 and SHA-256 for a CPU that has `$features`, over the vectors of `w32`.
#[rustfmt::skip] // it moves nested macros to the right each time
macro_rules! kernels_of_32 {
    ($features:literal) => {
        #[allow(
            clippy::indexing_slicing,
            clippy::arithmetic_side_effects,
            reason = "constants, taken modulo 16"
        )]
        pub(in crate::lanes) mod sha1 {
            use super::w32::*;

            $crate::lanes::wide::driver!(
                $features,
                u32,
                5,
                64,
                $crate::lanes::group::halves,
                $crate::lanes::group::truncate_sha1
            );

            /// The states after one block each.
            #[target_feature(enable = $features)]
            pub(in crate::lanes) fn start(
                initial: &[u32; 5],
                blocks: &[[u32; LANES]; 16],
            ) -> [[u32; LANES]; 5] {
                let mut states = [[0; LANES]; 5];
                for part in 0..LANES / WIDTH {
                    let block = blocks.each_ref().map(|words| load(words, part));
                    let state = compress(initial.map(|word| splat(word)), block);
                    for (words, word) in states.iter_mut().zip(state) {
                        store(words, part, word);
                    }
                }
                states
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn compress(state: State, mut w: Block) -> State {
                let [mut a, mut b, mut c, mut d, mut e] = state;
                macro_rules! round {
                    ($f:ident, $k:literal, $t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident) => {
                        if $t >= 16 {
                            let sum =
                            xor3(w[($t + 13) % 16], w[($t + 8) % 16], xor(w[($t + 2) % 16], w[$t % 16]));
                            w[$t % 16] = rotate_right::<31>(sum);
                        }
                        $e = add(
                        add($e, add(w[$t % 16], splat($k))),
                        add(rotate_right::<27>($a), $f($b, $c, $d)),
                        );
                        $b = rotate_right::<2>($b);
                    };
                }
                macro_rules! five_rounds {
                    ($f:ident, $k:literal, $t:literal) => {
                        round!($f, $k, $t, a b c d e);
                        round!($f, $k, $t + 1, e a b c d);
                        round!($f, $k, $t + 2, d e a b c);
                        round!($f, $k, $t + 3, c d e a b);
                        round!($f, $k, $t + 4, b c d e a);
                    };
                }
                five_rounds!(choose, 0x5a82_7999, 0);
                five_rounds!(choose, 0x5a82_7999, 5);
                five_rounds!(choose, 0x5a82_7999, 10);
                five_rounds!(choose, 0x5a82_7999, 15);
                five_rounds!(xor3, 0x6ed9_eba1, 20);
                five_rounds!(xor3, 0x6ed9_eba1, 25);
                five_rounds!(xor3, 0x6ed9_eba1, 30);
                five_rounds!(xor3, 0x6ed9_eba1, 35);
                five_rounds!(majority, 0x8f1b_bcdc, 40);
                five_rounds!(majority, 0x8f1b_bcdc, 45);
                five_rounds!(majority, 0x8f1b_bcdc, 50);
                five_rounds!(majority, 0x8f1b_bcdc, 55);
                five_rounds!(xor3, 0xca62_c1d6, 60);
                five_rounds!(xor3, 0xca62_c1d6, 65);
                five_rounds!(xor3, 0xca62_c1d6, 70);
                five_rounds!(xor3, 0xca62_c1d6, 75);
                let [a0, b0, c0, d0, e0] = state;
                [add(a, a0), add(b, b0), add(c, c0), add(d, d0), add(e, e0)]
            }
        }

        #[allow(
            clippy::indexing_slicing,
            clippy::arithmetic_side_effects,
            reason = "constants, taken modulo 16"
        )]
        pub(in crate::lanes) mod sha256 {
            use super::w32::*;

            $crate::lanes::wide::driver!(
                $features,
                u32,
                8,
                64,
                $crate::lanes::group::halves,
                $crate::lanes::group::truncate_sha256
            );
            $crate::lanes::wide::sha2!(
                $features,
                [0, 8, 16, 24, 32, 40, 48, 56],
                $crate::lanes::wide::k32,
                (2, 13, 22),
                (6, 11, 25),
                (7, 18, 3),
                (17, 19, 10)
            );

            /// The sums of PBKDF2: see `lanes::sha256_sums`.
            #[cfg(feature = "vault")]
            #[target_feature(enable = $features)]
            pub(in crate::lanes) fn sums(
                [inner, outer]: &Group<u32, 8>,
                first: &[[u32; LANES]; 8],
                further: u32,
            ) -> [[u32; LANES]; 8] {
                let mut sums = *first;
                for part in 0..LANES / WIDTH {
                    let inner = inner.each_ref().map(|words| load(words, part));
                    let outer = outer.each_ref().map(|words| load(words, part));
                    let mut tag = first.each_ref().map(|words| load(words, part));
                    let mut sum = tag;
                    for _ in 0..further {
                        tag = compress(outer, last_block(compress(inner, last_block(tag))));
                        for (sum, word) in sum.iter_mut().zip(tag) {
                            *sum = xor(*sum, word);
                        }
                    }
                    for (words, word) in sums.iter_mut().zip(sum) {
                        store(words, part, word);
                    }
                }
                sums
            }
        }

    };
}
pub(super) use kernels_of_32;

/// Writes those of SHA-512, over the vectors of `w64`.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip] // as above
macro_rules! kernels_of_64 {
    ($features:literal) => {
        #[allow(
            clippy::indexing_slicing,
            clippy::arithmetic_side_effects,
            reason = "constants, taken modulo 16"
        )]
        pub(in crate::lanes) mod sha512 {
            use super::w64::*;

            $crate::lanes::wide::driver!(
                $features,
                u64,
                8,
                128,
                $crate::lanes::group::whole,
                $crate::lanes::group::truncate_sha512
            );
            $crate::lanes::wide::sha2!(
                $features,
                [0, 8, 16, 24, 32, 40, 48, 56, 64, 72],
                $crate::lanes::wide::k64,
                (28, 34, 39),
                (14, 18, 41),
                (1, 8, 7),
                (19, 61, 6)
            );
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(super) use kernels_of_64;

/// SHA-512's constant of a round.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::indexing_slicing, reason = "called in constants only")]
pub(super) const fn k64(round: usize) -> u64 {
    K[round]
}

/// SHA-256's.
#[allow(clippy::indexing_slicing, reason = "called in constants only")]
pub(super) const fn k32(round: usize) -> u32 {
    (K[round] >> 32) as u32
}
