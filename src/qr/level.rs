//! How much of a symbol may be lost.

use core::fmt;

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
