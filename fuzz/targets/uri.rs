//! Any text is an ordinary URI or none. What is read is read again from what is written of it.
#![no_main]

use ferrotp::uri::OtpAuth;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(read) = OtpAuth::parse(text) {
        let written = read.to_uri();
        let again = OtpAuth::parse(&written).expect("our own URI");
        assert!(again == read, "{read:?} became {again:?}");
        assert!(written.is_ascii());
        assert!(format!("{read:?}").contains("secret: \"[redacted]\""));
    }
});
