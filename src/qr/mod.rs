//! QR codes (ISO/IEC 18004): a text as a matrix, and the matrix as SVG, PNG or lines for a terminal.
//!
//! ```
//! use ferrotp::qr::{ErrorCorrection, Qr, Style};
//!
//! let qr = Qr::new("otpauth://totp/ACME:alice?secret=GEZDGNBVGY3TQOJQ", ErrorCorrection::M)?;
//! let svg = qr.svg(&Style::default(), Some(256), "QR code")?;
//! assert!(svg.starts_with("<svg xmlns="));
//! # Ok::<(), ferrotp::qr::QrError>(())
//! ```

mod colour;
mod encode;
mod error;
mod level;
mod mask;
mod png;
mod style;
mod svg;
mod symbol;
mod terminal;

pub use colour::Colour;
pub use error::QrError;
pub use level::ErrorCorrection;
use style::check_size;
pub use style::{LARGEST, Style, WIDEST_BORDER};
pub use symbol::Qr;
