//! Sixteen keys in the layout of the vector kernels.

/// Keys in a group.
pub(crate) const LANES: usize = 16;

/// SHA-1 states of one key after the inner and the outer key block.
pub(crate) type Midstates = [[u32; 5]; 2];

/// The states after the inner and the outer key block of [`LANES`] keys, word by word.
pub(crate) type Group<W, const WORDS: usize> = [[[W; LANES]; WORDS]; 2];

/// Dynamic truncation (RFC 4226, section 5.3) of [`LANES`] tags: the first five words of each, and the last, whose low
/// bits say where the 31 bits begin. No address depends on a tag.
#[inline(always)]
pub(super) fn truncate([w0, w1, w2, w3, w4, last]: [[u32; LANES]; 6]) -> [u32; LANES] {
    let mut truncated = [0; LANES];
    let lanes = truncated.iter_mut().zip(last).zip(w0).zip(w1).zip(w2).zip(w3).zip(w4);
    for ((((((to, last), w0), w1), w2), w3), w4) in lanes {
        let (low, high) = if last & 8 == 0 {
            if last & 4 == 0 { (w1, w0) } else { (w2, w1) }
        } else {
            if last & 4 == 0 { (w3, w2) } else { (w4, w3) }
        };
        let pair = u64::from(high) << 32 | u64::from(low);
        *to = (pair.wrapping_shl((last & 3) << 3) >> 32) as u32 & 0x7fff_ffff;
    }
    truncated
}

/// Counters as two words each.
#[inline(always)]
pub(super) fn halves(counters: &[u64; LANES]) -> [[u32; LANES]; 2] {
    [counters.map(|counter| (counter >> 32) as u32), counters.map(|counter| counter as u32)]
}

/// Counters as one word each.
#[inline(always)]
pub(super) fn whole(counters: &[u64; LANES]) -> [[u64; LANES]; 1] {
    [*counters]
}

/// The first five words of tags, and the last.
#[inline(always)]
pub(super) fn ends_of_32<const WORDS: usize>(tags: &[[u32; LANES]; WORDS]) -> [[u32; LANES]; 6] {
    let mut ends = [[0; LANES]; 6];
    let [first @ .., end] = &mut ends;
    for (to, from) in first.iter_mut().zip(tags) {
        *to = *from;
    }
    if let Some(last) = tags.last() {
        *end = *last;
    }
    ends
}

/// The same of tags whose words are twice as long.
#[inline(always)]
pub(super) fn ends_of_64<const WORDS: usize>(tags: &[[u64; LANES]; WORDS]) -> [[u32; LANES]; 6] {
    let mut halves = [[0; LANES]; 5];
    for (place, to) in halves.iter_mut().enumerate() {
        let shift = if place.is_multiple_of(2) { 32 } else { 0 };
        if let Some(from) = tags.get(place / 2) {
            *to = from.map(|word| (word >> shift) as u32);
        }
    }
    let [w0, w1, w2, w3, w4] = halves;
    [w0, w1, w2, w3, w4, tags.last().map_or([0; LANES], |words| words.map(|word| word as u32))]
}

/// One lane's words.
#[inline(always)]
pub(crate) fn state<W: Copy + Default, const WORDS: usize>(
    words: &[[W; LANES]; WORDS],
    lane: usize,
) -> [W; WORDS] {
    words.each_ref().map(|lanes| lanes.get(lane).copied().unwrap_or_default())
}

/// Sets one lane's words.
#[inline(always)]
pub(crate) fn set_lane<W: Copy, const WORDS: usize>(
    words: &mut [[W; LANES]; WORDS],
    lane: usize,
    state: &[W; WORDS],
) {
    for (lanes, word) in words.iter_mut().zip(state) {
        if let Some(to) = lanes.get_mut(lane) {
            *to = *word;
        }
    }
}

/// One lane's states.
#[inline(always)]
pub(crate) fn lane<W: Copy + Default, const WORDS: usize>(
    group: &Group<W, WORDS>,
    lane: usize,
) -> [[W; WORDS]; 2] {
    group.each_ref().map(|words| state(words, lane))
}

/// One key in every lane.
#[inline]
pub(crate) fn splat<W: Copy, const WORDS: usize>(states: &[[W; WORDS]; 2]) -> Group<W, WORDS> {
    states.map(|state| state.map(|word| [word; LANES]))
}
