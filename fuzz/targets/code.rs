//! Any text is a code or none: exactly the codes of the window match, and the first step that does is found.
#![no_main]

use ferrotp::{Algorithm, Digits, HmacKey, hotp, totp};

libfuzzer_sys::fuzz_target!(|input: (u64, u8, u8, u8, Option<u8>, &str)| {
    let (step, window, digits, algorithm, take, text) = input;
    let Ok(digits) = Digits::new(digits % 12) else { return };
    let algorithm = Algorithm::ALL[usize::from(algorithm) % 3];
    let key = HmacKey::new(algorithm, b"12345678901234567890");
    let window = u64::from(window % 8);
    let steps: Vec<u64> = (step.saturating_sub(window)..=step.saturating_add(window)).collect();
    // Now and then a code that is right, or right but for what is around it.
    let right = take.map(|take| hotp::code(&key, steps[usize::from(take) % steps.len()], digits));
    let text = right.as_ref().map_or_else(|| text.to_owned(), |code| code.as_str().to_owned() + text);
    let slow = steps.iter().copied().find(|&step| hotp::code(&key, step, digits).as_str() == text);
    match totp::find(&key, step, window, digits, &text) {
        Ok(found) => assert_eq!(found, slow),
        Err(_) => assert!(step.checked_sub(window).is_none() || step.checked_add(window).is_none()),
    }
    assert_eq!(hotp::verify(&key, step, digits, &text), hotp::code(&key, step, digits).as_str() == text);
});
