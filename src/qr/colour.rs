//! Colours, and whether a camera can tell two of them apart.

use core::fmt;

/// Red, green and blue (sRGB). Shown as `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl Colour {
    /// `#000000`.
    pub const BLACK: Self = Self([0; 3]);
    /// `#ffffff`.
    pub const WHITE: Self = Self([255; 3]);

    /// Reads `#rgb`, `#rrggbb`, `black` or `white`. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "black" => return Some(Self::BLACK),
            "white" => return Some(Self::WHITE),
            _ => {}
        }
        let hex = text.strip_prefix('#')?;
        let mut digits = [0u8; 6];
        let mut count = 0usize;
        for (slot, digit) in digits.iter_mut().zip(hex.chars()) {
            *slot = digit.to_digit(16)?.try_into().ok()?;
            count = count.saturating_add(1);
        }
        if hex.len() != count {
            return None;
        }
        let [a, b, c, d, e, f] = digits;
        match count {
            3 => Some(Self([a, b, c].map(|digit| digit << 4 | digit))),
            6 => Some(Self([a << 4 | b, c << 4 | d, e << 4 | f])),
            _ => None,
        }
    }

    /// Relative luminance (WCAG 2.2): 0 for black, 1 for white.
    pub(super) fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}
