//! Which of the eight masks makes the symbol easiest to read (ISO/IEC 18004, section 7.8.3).
//!
//! A row is a `u128`, the leftmost module its lowest bit, so that a rule is applied to a whole row at once. The symbol
//! itself never depends on what is computed here: only the choice does.

use qrcodegen::QrCode;

/// A symbol's rows fit with their quiet zone; larger ones, from version 26 on, are left to the crate.
const WIDEST: usize = 117;
const QUIET: usize = 4;
/// Every sixth bit.
const EVERY_SIXTH: u128 = {
    let mut bits = 1u128;
    let mut shift = 6u32;
    while shift < 128 {
        bits |= 1u128.wrapping_shl(shift);
        shift = shift.wrapping_add(6);
    }
    bits
};

/// The best mask for a symbol that was drawn with mask 0; `None` if the symbol is too large to tell.
pub(super) fn best(code: &QrCode) -> Option<u8> {
    let side = usize::try_from(code.size()).ok().filter(|side| *side <= WIDEST)?;
    let data = data_modules(side, code.version().value());
    let plain: Vec<u128> = (0..code.size())
        .zip(&data)
        .zip(patterns(0))
        .map(|((y, data), pattern)| {
            let row =
                (0..code.size()).rev().fold(0u128, |row, x| row << 1 | u128::from(code.get_module(x, y)));
            row ^ (pattern & data)
        })
        .collect();
    (0..8).min_by_key(|mask| {
        let mut rows = plain.iter().zip(&data).zip(patterns(*mask));
        penalty(rows.by_ref().map(|((row, data), pattern)| row ^ (pattern & data)), side)
    })
}

/// The rows of a mask's pattern, as often as they are asked for. A pattern repeats after 6 columns and 12 rows.
fn patterns(mask: u8) -> impl Iterator<Item = u128> {
    let row = move |y: u32| {
        let inverts = |x: u32| {
            let product = x.wrapping_mul(y);
            let sum = x.wrapping_add(y);
            match mask {
                0 => sum.is_multiple_of(2),
                1 => y.is_multiple_of(2),
                2 => x.is_multiple_of(3),
                3 => sum.is_multiple_of(3),
                4 => (x / 3).wrapping_add(y / 2).is_multiple_of(2),
                5 => (product % 2).wrapping_add(product % 3) == 0,
                6 => (product % 2).wrapping_add(product % 3).is_multiple_of(2),
                _ => (sum % 2).wrapping_add(product % 3).is_multiple_of(2),
            }
        };
        let six = (0..6).rev().fold(0u128, |bits, x| bits << 1 | u128::from(inverts(x)));
        six.wrapping_mul(EVERY_SIXTH)
    };
    let rows: [u128; 12] = core::array::from_fn(|y| row(y as u32));
    rows.into_iter().cycle()
}

/// Where the data is: all but the finders, the timing lines, the alignment patterns, and format and version.
fn data_modules(side: usize, version: u8) -> Vec<u128> {
    let all = ones(side);
    let span = |from: usize, length: usize| shifted(ones(length), from);
    let mut rows = vec![all & !span(6, 1); side];
    let mut take = |top: usize, height: usize, bits: u128| {
        for row in rows.iter_mut().skip(top).take(height) {
            *row &= !bits;
        }
    };
    let end = side.saturating_sub(8);
    take(6, 1, all);
    take(0, 9, span(0, 9) | span(end, 8));
    take(end, 8, span(0, 9));
    if version >= 7 {
        let end = side.saturating_sub(11);
        take(0, 6, span(end, 3));
        take(end, 3, span(0, 6));
    }
    let centres = alignment_centres(side, version);
    let last = centres.last().copied().unwrap_or_default();
    for y in &centres {
        for x in &centres {
            let in_finder = matches!((*x, *y), (6, 6)) || (*x, *y) == (6, last) || (*x, *y) == (last, 6);
            if !in_finder {
                take(y.saturating_sub(2), 5, span(x.saturating_sub(2), 5));
            }
        }
    }
    rows
}

/// The columns, and rows, of the alignment patterns (ISO/IEC 18004, annex E).
fn alignment_centres(side: usize, version: u8) -> Vec<usize> {
    if version < 2 {
        return Vec::new();
    }
    let version = usize::from(version);
    let gaps = (version / 7).saturating_add(1);
    let twice = gaps.saturating_mul(2);
    let distance = version.saturating_mul(4).saturating_add(4).div_ceil(twice).saturating_mul(2);
    let last = side.saturating_sub(7);
    let mut centres: Vec<usize> =
        (0..gaps).map(|gap| last.saturating_sub(gap.saturating_mul(distance))).collect();
    centres.push(6);
    centres.reverse();
    centres
}

/// How hard a symbol is to read: lines of one colour, blocks, what looks like a finder, and too much of one colour.
fn penalty(symbol: impl Iterator<Item = u128>, side: usize) -> u32 {
    let mut padded = vec![0u128; QUIET];
    padded.extend(symbol);
    padded.extend([0; QUIET]);
    let rows = padded.get(QUIET..QUIET.saturating_add(side)).unwrap_or_default();

    let all = ones(side);
    let mut total = 0u32;
    let mut add = |count: u32, points: u32| total = total.saturating_add(count.saturating_mul(points));
    let mut dark = 0u32;
    for row in rows {
        dark = dark.saturating_add(row.count_ones());
        for colour in [*row, !row & all] {
            // Five in line cost 3 and each further one 1: 1 for each place where five begin, and 2 for each line.
            let five = colour & colour >> 1 & colour >> 2 & colour >> 3 & colour >> 4;
            add(five.count_ones(), 1);
            add((five & !(five << 1)).count_ones(), 2);
        }
        // Dark as they are, with the quiet zone's light on both sides.
        let row = row << QUIET;
        let light = !row;
        let finder = row & light >> 1 & row >> 2 & row >> 3 & row >> 4 & light >> 5 & row >> 6;
        let before = light << 1 & light << 2 & light << 3 & light << 4;
        let after = light >> 7 & light >> 8 & light >> 9 & light >> 10;
        add((finder & before).count_ones(), 40);
        add((finder & after).count_ones(), 40);
    }
    for invert in [0, all] {
        let mut above = 0;
        for window in rows.windows(5) {
            let five = window.iter().fold(all, |five, row| five & (row ^ invert));
            add(five.count_ones(), 1);
            add((five & !above).count_ones(), 2);
            above = five;
        }
        for window in rows.windows(2) {
            let two = window.iter().fold(all, |two, row| two & (row ^ invert));
            add((two & two >> 1).count_ones(), 3);
        }
    }
    for window in padded.windows(11) {
        let &[a, b, c, d, e, f, g, h, i, j, k] = window else { continue };
        let before = !(a | b | c | d) & e & !f & g & h & i & !j & k;
        let after = a & !b & c & d & e & !f & g & !(h | i | j | k);
        add((before & all).count_ones(), 40);
        add((after & all).count_ones(), 40);
    }
    // 10 for each whole 5 % that the share of dark modules is off a half.
    let modules = u32::try_from(side.saturating_mul(side)).unwrap_or(u32::MAX).max(1);
    let off = dark.saturating_mul(20).abs_diff(modules.saturating_mul(10));
    add(off.div_ceil(modules).saturating_sub(1), 10);
    total
}

fn ones(count: usize) -> u128 {
    u128::MAX.checked_shr(128u32.saturating_sub(count as u32)).unwrap_or_default()
}

fn shifted(bits: u128, by: usize) -> u128 {
    bits.checked_shl(by as u32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use qrcodegen::{Mask, QrCodeEcc, QrSegment, Version};

    use super::*;

    fn symbol(version: u8, mask: u8) -> QrCode {
        let segments = [QrSegment::make_bytes(b"otpauth")];
        let version = Version::new(version);
        let mask = Some(Mask::new(mask));
        QrCode::encode_segments_advanced(&segments, QrCodeEcc::Medium, version, version, mask, false).unwrap()
    }

    fn rows(code: &QrCode) -> Vec<u128> {
        let row = |y| (0..code.size()).fold(0, |row, x| row | u128::from(code.get_module(x, y)) << x);
        (0..code.size()).map(row).collect()
    }

    #[test]
    fn masks_change_the_data_modules_by_their_patterns_and_nothing_else() {
        for version in 1..=25 {
            let first = symbol(version, 0);
            let data = data_modules(first.size() as usize, version);
            for mask in 1..8 {
                let other = rows(&symbol(version, mask));
                let pairs = rows(&first).into_iter().zip(other).zip(data.iter());
                for (y, (((a, b), data), (p, q))) in pairs.zip(patterns(0).zip(patterns(mask))).enumerate() {
                    // The format says which mask it is: in column 8 and row 8.
                    let format = if y == 8 { u128::MAX } else { 1 << 8 };
                    let (changed, expected) = (a ^ b, (p ^ q) & data);
                    let outside = !format | data;
                    assert_eq!(
                        changed & outside,
                        expected & outside,
                        "version {version}, mask {mask}, row {y}"
                    );
                }
            }
        }
    }

    /// The rules read out module by module.
    fn plain_penalty(rows: &[u128]) -> u32 {
        let side = rows.len() as i32;
        let inside = |at: i32| (0..side).contains(&at);
        let across = |x: i32, y: i32| inside(x) && inside(y) && rows[y as usize] >> x & 1 == 1;
        let down = |x: i32, y: i32| across(y, x);
        let mut total = 0;
        for module in [&across as &dyn Fn(i32, i32) -> bool, &down] {
            for y in 0..side {
                let line: Vec<bool> = (0..side).map(|x| module(x, y)).collect();
                total += line
                    .chunk_by(|a, b| a == b)
                    .filter(|run| run.len() >= 5)
                    .map(|run| run.len() - 2)
                    .sum::<usize>();
                let quiet: Vec<bool> = (-4..side + 4).map(|x| module(x, y)).collect();
                for window in quiet.windows(11) {
                    let text: String = window.iter().map(|dark| if *dark { '1' } else { '0' }).collect();
                    total += 40 * usize::from(text == "00001011101" || text == "10111010000");
                }
            }
        }
        for y in 1..side {
            for x in 1..side {
                let here = across(x, y);
                let same =
                    [(x - 1, y), (x, y - 1), (x - 1, y - 1)].iter().all(|(x, y)| across(*x, *y) == here);
                total += 3 * usize::from(same);
            }
        }
        let dark: u32 = rows.iter().map(|row| row.count_ones()).sum();
        let percent = 100.0 * f64::from(dark) / f64::from(side * side);
        let steps = ((percent - 50.0).abs() / 5.0).ceil() - 1.0;
        total as u32 + 10 * steps.max(0.0) as u32
    }

    #[test]
    fn the_penalty_is_that_of_the_rules() {
        for version in 1..=25 {
            for mask in 0..8 {
                let rows = rows(&symbol(version, mask));
                assert_eq!(
                    penalty(rows.iter().copied(), rows.len()),
                    plain_penalty(&rows),
                    "{version}, {mask}"
                );
            }
        }
    }
}
