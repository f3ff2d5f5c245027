//! From text to modules. The symbol is `qrcodegen`'s; ours are the cuts between its modes, and the choice of the mask.

use qrcodegen::{Mask, QrCode, QrCodeEcc, QrSegment, Version};

use super::{ErrorCorrection, mask};

/// A run of capitals, digits and `$%*+-./:` pays for a mode of its own from this length on: it saves 2.5 bits a
/// character, and going there and back costs up to 39 bits.
const ALPHANUMERIC_RUN: usize = 16;

/// The modules of the smallest symbol, row by row, and how many there are a side. `None` if no symbol holds the text.
pub(super) fn encode(text: &str, level: ErrorCorrection) -> Option<(Box<[bool]>, u8)> {
    let segments = segments(text);
    let ecc = match level {
        ErrorCorrection::L => QrCodeEcc::Low,
        ErrorCorrection::M => QrCodeEcc::Medium,
        ErrorCorrection::Q => QrCodeEcc::Quartile,
        ErrorCorrection::H => QrCodeEcc::High,
    };
    let draw = |mask| {
        QrCode::encode_segments_advanced(&segments, ecc, Version::new(1), Version::new(40), mask, false).ok()
    };
    // With a mask given, the crate is 30 times faster than when it has to choose one.
    let first = draw(Some(Mask::new(0)))?;
    let code = match mask::best(&first) {
        Some(0) => first,
        best => draw(best.map(Mask::new))?,
    };
    let side = code.size();
    let modules = (0..side).flat_map(|y| (0..side).map(move |x| (x, y))).map(|(x, y)| code.get_module(x, y));
    Some((modules.collect(), side.try_into().ok()?))
}

/// Long alphanumeric runs in their mode, the rest as bytes. A base32 secret is such a run.
fn segments(text: &str) -> Vec<QrSegment> {
    if QrSegment::is_numeric(text) {
        return vec![QrSegment::make_numeric(text)];
    }
    if QrSegment::is_alphanumeric(text) {
        return vec![QrSegment::make_alphanumeric(text)];
    }
    let mut segments = Vec::new();
    let mut bytes = text; // what is not in a segment yet
    let mut rest = text; // what is not looked at yet
    while let Some(start) = rest.find(is_alphanumeric) {
        let (_, from_run) = rest.split_at(start);
        let length = from_run.find(|c| !is_alphanumeric(c)).unwrap_or(from_run.len());
        let (run, after) = from_run.split_at(length);
        if run.len() >= ALPHANUMERIC_RUN {
            let (before, _) = bytes.split_at(bytes.len().saturating_sub(from_run.len()));
            if !before.is_empty() {
                segments.push(QrSegment::make_bytes(before.as_bytes()));
            }
            segments.push(QrSegment::make_alphanumeric(run));
            bytes = after;
        }
        rest = after;
    }
    if !bytes.is_empty() {
        segments.push(QrSegment::make_bytes(bytes.as_bytes()));
    }
    segments
}

fn is_alphanumeric(character: char) -> bool {
    matches!(character, '0'..='9' | 'A'..='Z' | ' ' | '$' | '%' | '*' | '+' | '-' | '.' | '/' | ':')
}
