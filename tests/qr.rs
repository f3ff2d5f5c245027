//! The matrix against `qrcodegen`'s own, and the limits.

use ferrotp::qr::{Colour, ErrorCorrection, Qr, QrError, Style};
use proptest::prelude::*;
use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};

const LEVELS: [(ErrorCorrection, QrCodeEcc); 4] = [
    (ErrorCorrection::L, QrCodeEcc::Low),
    (ErrorCorrection::M, QrCodeEcc::Medium),
    (ErrorCorrection::Q, QrCodeEcc::Quartile),
    (ErrorCorrection::H, QrCodeEcc::High),
];

#[test]
fn what_fits_is_what_the_standard_says() {
    for (level, _) in LEVELS {
        let capacity = usize::from(level.capacity());
        assert_eq!(Qr::new(&"a".repeat(capacity), level).unwrap().version(), 40);
        assert_eq!(Qr::new(&"a".repeat(capacity + 1), level).unwrap_err(), QrError::TooLong(level));
    }
    assert_eq!(Qr::new("", ErrorCorrection::M).unwrap_err(), QrError::Empty);
}

#[test]
fn weak_and_inverted_colours_are_refused() {
    let grey = |value| Some(Colour([value; 3]));
    assert!(Style::new(4, Colour::BLACK, grey(0x59), false).is_err()); // 2.98:1
    assert!(Style::new(4, Colour::BLACK, grey(0x5a), false).is_ok()); // 3.03:1
    assert!(matches!(Style::new(4, Colour::WHITE, grey(0), false), Err(QrError::Inverted { .. })));
    assert!(Style::new(4, Colour::WHITE, grey(0), true).is_ok());
    assert!(matches!(Style::new(4, Colour::WHITE, None, true), Err(QrError::WeakContrast { .. })));
}

proptest! {
    /// Modes of their own for long runs of capitals only ever make a symbol smaller, and every row is of its length.
    #[test]
    fn a_symbol_is_no_larger_than_in_one_mode(text in "[a-z:/?=&]{1,40}([A-Z2-7%]{1,110}[a-z&=]{1,20}){0,3}") {
        for (level, ecc) in LEVELS {
            let ours = Qr::new(&text, level).unwrap();
            let whole = QrSegment::make_segments(&text);
            let theirs = QrCode::encode_segments_advanced(&whole, ecc, Version::MIN, Version::MAX, None, false).unwrap();
            prop_assert!(ours.version() <= theirs.version().value());
            prop_assert_eq!(usize::from(ours.side()), ours.rows().len());
            prop_assert!(ours.rows().all(|row| row.len() == usize::from(ours.side())));
        }
    }

    #[test]
    fn colours_never_panic(text in "#?[0-9a-fA-Fé]{0,8}") {
        let known = Colour::parse(&text).is_some();
        let digits = text.strip_prefix('#').is_some_and(|hex| {
            matches!(hex.len(), 3 | 6) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        prop_assert_eq!(known, digits);
    }
}
