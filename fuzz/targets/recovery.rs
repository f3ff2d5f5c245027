//! Any text is a recovery code or none. What is read is shown in one way, which is read again. So are keyrings.
#![no_main]

use ferrotp::recovery::RecoveryCode;
use ferrotp::vault::{Key, Keyring};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Some(code) = RecoveryCode::parse(text) {
        let shown = code.to_text();
        let again = RecoveryCode::parse(&shown).expect("our own code");
        assert_eq!(again.to_text(), shown);
        assert_eq!(again.selector(), code.selector());
        assert_eq!(shown.len(), 19);
    }
    let _ = Key::from_text(text);
    if let Ok(keyring) = Keyring::from_text(text) {
        assert!(Keyring::from_text(&keyring.to_text()).is_ok());
    }
});
