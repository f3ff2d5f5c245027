//! A symbol: its modules and its size.

use core::fmt;

use super::{ErrorCorrection, QrError, WIDEST_BORDER, encode};

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
    ///
    /// # Errors
    /// [`QrError::Empty`] for no text, [`QrError::TooLong`] for more than the level holds.
    pub fn new(text: &str, level: ErrorCorrection) -> Result<Self, QrError> {
        if text.is_empty() {
            return Err(QrError::Empty);
        }
        let (modules, side) = encode::encode(text, level).ok_or(QrError::TooLong(level))?;
        Ok(Self { modules, side, level })
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
    pub(super) fn side_with(&self, border: u32) -> Result<u32, QrError> {
        if border > WIDEST_BORDER {
            return Err(QrError::Size);
        }
        Ok(u32::from(self.side).saturating_add(border.saturating_mul(2)))
    }
}

impl fmt::Debug for Qr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Qr").field("side", &self.side).field("level", &self.level).finish_non_exhaustive()
    }
}
