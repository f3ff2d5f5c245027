//! Any text is a PSKC document or none, with and without something to open it.
#![no_main]

use ferrotp::transfer::pskc::{self, Credential};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = pskc::read(text, None);
    let _ = pskc::read(text, Some(Credential::Key(&[7; 16])));
});
