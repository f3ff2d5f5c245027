//! What cannot be drawn as a QR code.

use core::fmt;

use super::{Colour, ErrorCorrection};

/// A QR code or a picture that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QrError {
    /// A QR code of nothing.
    Empty,
    /// The text does not fit into the largest QR code (version 40) of this error correction.
    TooLong(ErrorCorrection),
    /// A picture has 1 to [`LARGEST`](super::LARGEST) pixels a side, and its border at most
    /// [`WIDEST_BORDER`](super::WIDEST_BORDER) modules.
    Size,
    /// A picture of this many pixels has no pixel for each module; it would need so many.
    TooSmall {
        /// The modules a side, the border among them.
        needed: u32,
    },
    /// Not `#rgb`, `#rrggbb`, `black` or `white`.
    InvalidColour,
    /// The two colours are too alike for a camera.
    WeakContrast {
        /// Of the dark modules.
        dark: Colour,
        /// Of the light modules.
        light: Colour,
        /// WCAG's contrast ratio in hundredths, rounded down.
        hundredths: u16,
    },
    /// The dark modules are the lighter ones, which was not allowed.
    Inverted {
        /// Of the dark modules.
        dark: Colour,
        /// Of the light modules.
        light: Colour,
        /// WCAG's contrast ratio in hundredths, rounded down.
        hundredths: u16,
    },
}

impl fmt::Display for QrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Empty => "there is no text to put into a QR code",
            Self::TooLong(level) => {
                let capacity = level.capacity();
                return write!(
                    f,
                    "the text is too long: a QR code of error correction {level} holds {capacity} bytes"
                );
            }
            Self::Size => "size must be between 1 and 8192 pixels, border between 0 and 64 modules",
            Self::TooSmall { needed } => {
                return write!(f, "size is too small: this QR code needs at least {needed} pixels");
            }
            Self::InvalidColour => "a colour is '#rgb', '#rrggbb', 'black' or 'white'",
            Self::WeakContrast { dark, light, hundredths } => {
                let (whole, part) = (hundredths / 100, hundredths % 100);
                return write!(
                    f,
                    "{dark} on {light} is too weak to scan: the contrast is {whole}.{part:02}:1, and must be at least 3:1"
                );
            }
            Self::Inverted { dark, light, hundredths } => {
                let (whole, part) = (hundredths / 100, hundredths % 100);
                return write!(
                    f,
                    "{dark} on {light} is inverted, which many readers do not read (the contrast is {whole}.{part:02}:1): \
                     swap the colours, or allow it with allow_inverted"
                );
            }
        };
        f.write_str(text)
    }
}

impl core::error::Error for QrError {}
