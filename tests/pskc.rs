//! PSKC, for damaged documents. Good ones and their secrets are in `tests/transfer`.

use ferrotp::transfer::pskc::{self, Credential};
use proptest::prelude::*;

const FIGURE_6: &str = include_str!("transfer/corpus/pskc/good/rfc6030_figure6.xml");
const KEY: [u8; 16] =
    [0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12];

#[test]
fn figure_6_of_rfc_6030_opens_with_its_key_and_with_no_other() {
    let keys = pskc::read(FIGURE_6, Some(Credential::Key(&KEY))).unwrap();
    assert_eq!(keys[0].as_ref().unwrap().secret.as_bytes(), b"12345678901234567890");
    assert!(!format!("{keys:?}").contains("49, 50, 51"));
    for place in 0..KEY.len() * 8 {
        let mut key = KEY;
        key[place / 8] ^= 1 << (place % 8);
        let fault = match pskc::read(FIGURE_6, Some(Credential::Key(&key))) {
            Ok(keys) => keys[0].as_ref().unwrap_err().clone(),
            Err(fault) => fault,
        };
        assert_eq!(fault.kind, ferrotp::transfer::TransferErrorKind::WrongKey);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_damaged_document_is_read_or_refused(place: prop::sample::Index, with: char, cut: bool) {
        let mut text: Vec<char> = FIGURE_6.chars().collect();
        let place = place.index(text.len());
        text[place] = with;
        if cut {
            text.truncate(place + 1);
        }
        let text: String = text.into_iter().collect();
        // A secret that comes out is the right one, or its MAC did not fit.
        if let Ok(keys) = pskc::read(&text, Some(Credential::Key(&KEY))) {
            for key in keys.into_iter().flatten() {
                prop_assert_eq!(key.secret.as_bytes(), b"12345678901234567890");
            }
        }
    }
}
