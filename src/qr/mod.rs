//! QR codes (ISO/IEC 18004): a text as a matrix, and the matrix as SVG, PNG or lines for a terminal.
//!
//! ```
//! use ferrotp::qr::{ErrorCorrection, Qr, Style};
//!
//! let qr = Qr::new("otpauth://totp/ACME:alice?secret=GEZDGNBVGY3TQOJQ", ErrorCorrection::M)?;
//! let svg = qr.svg(&Style::default(), Some(256), "QR code")?;
//! assert!(svg.starts_with("<svg xmlns="));
//! # Ok::<(), ferrotp::Error>(())
//! ```

mod colour;
mod encode;
mod mask;
mod png;
mod svg;
mod terminal;

use core::fmt;

pub use colour::{Colour, Style};

use crate::Error;

/// The largest picture, in pixels a side.
pub const LARGEST: u32 = 8192;
/// The widest border, in modules.
pub const WIDEST_BORDER: u32 = 64;

/// How much of a symbol may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCorrection {
    /// About 7 %.
    L,
    /// About 15 %: the usual one.
    M,
    /// About 25 %.
    Q,
    /// About 30 %.
    H,
}

impl ErrorCorrection {
    /// Reads one of the four letters, in either case.
    pub fn from_letter(letter: &str) -> Option<Self> {
        match letter {
            "L" | "l" => Some(Self::L),
            "M" | "m" => Some(Self::M),
            "Q" | "q" => Some(Self::Q),
            "H" | "h" => Some(Self::H),
            _ => None,
        }
    }

    /// How many bytes of any kind fit (ISO/IEC 18004, table 7). Capital letters and digits take less than a byte each.
    pub fn capacity(self) -> u16 {
        match self {
            Self::L => 2953,
            Self::M => 2331,
            Self::Q => 1663,
            Self::H => 1273,
        }
    }
}

impl fmt::Display for ErrorCorrection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A symbol: which modules are dark. The text is not kept, but the modules tell it, so `Debug` shows none.
#[derive(Clone, PartialEq, Eq)]
pub struct Qr {
    /// Row by row; true is dark.
    modules: Box<[bool]>,
    /// Modules a side: 21 to 177.
    side: u8,
    level: ErrorCorrection,
}

impl Qr {
    /// Encodes a text as UTF-8, in the smallest version that holds it.
    pub fn new(text: &str, level: ErrorCorrection) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::QrEmpty);
        }
        encode::encode(text, level).ok_or(Error::QrTooLong(level))
    }

    /// Modules a side, without the border: 21 to 177.
    pub fn side(&self) -> u8 {
        self.side
    }

    /// 1 to 40.
    pub fn version(&self) -> u8 {
        self.side.saturating_sub(17) / 4
    }

    /// The error correction asked for.
    pub fn error_correction(&self) -> ErrorCorrection {
        self.level
    }

    /// The rows, from the top; true is dark.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &[bool]> + ExactSizeIterator {
        self.modules.chunks_exact(self.side.max(1).into())
    }

    /// Modules a side with the border.
    fn side_with(&self, border: u32) -> Result<u32, Error> {
        if border > WIDEST_BORDER {
            return Err(Error::QrSize);
        }
        Ok(u32::from(self.side).saturating_add(border.saturating_mul(2)))
    }
}

impl fmt::Debug for Qr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Qr").field("side", &self.side).field("level", &self.level).finish_non_exhaustive()
    }
}

/// Whether a picture of this size is within what we draw.
fn check_size(size: u32) -> Result<u32, Error> {
    if (1..=LARGEST).contains(&size) { Ok(size) } else { Err(Error::QrSize) }
}
