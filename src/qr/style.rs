//! How a picture looks.

use super::{Colour, QrError};

/// The largest picture, in pixels a side.
pub const LARGEST: u32 = 8192;
/// The widest border, in modules.
pub const WIDEST_BORDER: u32 = 64;

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
    ///
    /// # Errors
    /// [`QrError::WeakContrast`] and [`QrError::Inverted`].
    pub fn new(
        border: u32,
        dark: Colour,
        light: Option<Colour>,
        allow_inverted: bool,
    ) -> Result<Self, QrError> {
        let on = light.unwrap_or(Colour::WHITE);
        let (ink, paper) = (dark.luminance() + 0.05, on.luminance() + 0.05);
        let hundredths = (100.0 * ink.max(paper) / ink.min(paper)) as u16;
        if hundredths < 300 {
            return Err(QrError::WeakContrast { dark, light: on, hundredths });
        }
        if ink > paper && !allow_inverted {
            return Err(QrError::Inverted { dark, light: on, hundredths });
        }
        Ok(Self { border, dark, light })
    }
}

/// Whether a picture of this size is within what we draw.
pub(super) fn check_size(size: u32) -> Result<u32, QrError> {
    if (1..=LARGEST).contains(&size) { Ok(size) } else { Err(QrError::Size) }
}
