//! Colours, and whether a camera can tell two of them apart.

use core::fmt;

use crate::Error;

/// Red, green and blue (sRGB). Shown as `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl Colour {
    /// `#000000`.
    pub const BLACK: Self = Self([0; 3]);
    /// `#ffffff`.
    pub const WHITE: Self = Self([255; 3]);

    /// Reads `#rgb`, `#rrggbb`, `black` or `white`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "black" => return Ok(Self::BLACK),
            "white" => return Ok(Self::WHITE),
            _ => {}
        }
        let hex = text.strip_prefix('#').ok_or(Error::InvalidColour)?;
        let mut digits = [0u8; 6];
        let mut count = 0usize;
        for (slot, digit) in digits.iter_mut().zip(hex.chars()) {
            *slot = digit.to_digit(16).and_then(|digit| digit.try_into().ok()).ok_or(Error::InvalidColour)?;
            count = count.saturating_add(1);
        }
        if hex.len() != count {
            return Err(Error::InvalidColour);
        }
        let [a, b, c, d, e, f] = digits;
        match count {
            3 => Ok(Self([a, b, c].map(|digit| digit << 4 | digit))),
            6 => Ok(Self([a << 4 | b, c << 4 | d, e << 4 | f])),
            _ => Err(Error::InvalidColour),
        }
    }

    /// Relative luminance (WCAG 2.2): 0 for black, 1 for white.
    fn luminance(self) -> f64 {
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

/// How a picture looks: the border, in modules, and two colours that a camera can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub(super) border: u32,
    pub(super) dark: Colour,
    /// None is transparent.
    pub(super) light: Option<Colour>,
}

impl Default for Style {
    /// Black on white, with the four modules of border that the standard asks for.
    fn default() -> Self {
        Self { border: 4, dark: Colour::BLACK, light: Some(Colour::WHITE) }
    }
}

impl Style {
    /// Refuses colours whose contrast is under 3:1 (WCAG's ratio) and, unless they are allowed, inverted ones.
    ///
    /// Without a light colour the picture is transparent there, and is judged as on white.
    pub fn new(
        border: u32,
        dark: Colour,
        light: Option<Colour>,
        allow_inverted: bool,
    ) -> Result<Self, Error> {
        let on = light.unwrap_or(Colour::WHITE);
        let (ink, paper) = (dark.luminance() + 0.05, on.luminance() + 0.05);
        let hundredths = (100.0 * ink.max(paper) / ink.min(paper)) as u16;
        if hundredths < 300 {
            return Err(Error::WeakContrast { dark, light: on, hundredths });
        }
        if ink > paper && !allow_inverted {
            return Err(Error::Inverted { dark, light: on, hundredths });
        }
        Ok(Self { border, dark, light })
    }
}
