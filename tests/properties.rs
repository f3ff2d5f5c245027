//! What holds for every input.

use base32ct::{Base32UpperUnpadded, Encoding};
use ferrotp::uri::{Moving, OtpAuth};
use ferrotp::{Algorithm, Digits, Error, HmacKey, Hotp, Secret, Totp, hotp, random, secret, steam, totp};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;

/// RFC 4226, section 5.3, written from its text, over the `hmac` crate.
fn plain_truncated(algorithm: Algorithm, key: &[u8], message: &[u8]) -> (Vec<u8>, u32) {
    let tag = match algorithm {
        Algorithm::Sha1 => Hmac::<sha1::Sha1>::new_from_slice(key)
            .unwrap()
            .chain_update(message)
            .finalize()
            .into_bytes()
            .to_vec(),
        Algorithm::Sha256 => Hmac::<sha2::Sha256>::new_from_slice(key)
            .unwrap()
            .chain_update(message)
            .finalize()
            .into_bytes()
            .to_vec(),
        Algorithm::Sha512 => Hmac::<sha2::Sha512>::new_from_slice(key)
            .unwrap()
            .chain_update(message)
            .finalize()
            .into_bytes()
            .to_vec(),
    };
    let offset = usize::from(tag[tag.len() - 1] & 0xf);
    let truncated = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    (tag, truncated)
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    // Over both block sizes, where a key is hashed first.
    prop::collection::vec(any::<u8>(), 0..200)
}

proptest! {
    #[test]
    fn codes_and_tags_are_those_of_the_hmac_crate(
        algorithm in algorithms(),
        key in keys(),
        counter: u64,
        message in prop::collection::vec(any::<u8>(), 0..300),
        digits in 1u8..=10,
    ) {
        let ours = HmacKey::new(algorithm, &key);
        prop_assert_eq!(ours.mac(&message), plain_truncated(algorithm, &key, &message).0);
        let (_, truncated) = plain_truncated(algorithm, &key, &counter.to_be_bytes());
        prop_assert_eq!(ours.truncated(counter), truncated);
        let code = hotp::code(&ours, counter, Digits::new(digits).unwrap());
        let expected = u64::from(truncated) % 10u64.pow(digits.into());
        prop_assert_eq!(code.as_str(), format!("{expected:0width$}", width = usize::from(digits)));
    }

    #[test]
    fn a_window_finds_the_first_of_its_codes_and_no_other(
        algorithm in algorithms(),
        key in keys(),
        step in 40u64..1 << 40,
        window in 0u64..40,
        offset in -45i64..45,
        digits in 1u8..=10,
    ) {
        let key = HmacKey::new(algorithm, &key);
        let digits = Digits::new(digits).unwrap();
        let code = hotp::code(&key, step.saturating_add_signed(offset), digits);
        let expected = (step - window..=step + window)
            .find(|counter| hotp::code(&key, *counter, digits).as_str() == code.as_str());
        prop_assert_eq!(totp::find(&key, step, window, digits, code.as_str()), Ok(expected));

        let code = steam::code(&key, step.saturating_add_signed(offset));
        let expected = (step - window..=step + window)
            .find(|counter| steam::code(&key, *counter).as_str() == code.as_str());
        prop_assert_eq!(steam::find(&key, step, window, Digits::MAX, code.as_str()), Ok(expected));
    }

    #[test]
    fn base32_comes_back_in_either_case_with_or_without_padding(bytes in keys()) {
        let text = Secret::from_bytes(&bytes).to_base32();
        let padded = format!("{}{}", *text, "=".repeat(text.len().next_multiple_of(8) - text.len()));
        for form in [text.to_string(), text.to_lowercase(), padded.clone(), padded.to_lowercase()] {
            let secret = Secret::from_base32(&form).unwrap();
            prop_assert_eq!(secret.as_bytes(), bytes.as_slice());
            prop_assert_eq!(secret::decoded_len(form.as_bytes()), Ok(bytes.len()));
        }
    }

    #[test]
    fn base32_is_decoded_as_by_the_crate(text in "[A-Za-z2-7]{0,130}") {
        let expected = Base32UpperUnpadded::decode_vec(&text.to_ascii_uppercase()).ok();
        let decoded = Secret::from_base32(&text).ok().map(|secret| secret.as_bytes().to_vec());
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn what_base32_refuses_its_length_check_refuses_too(text in "[A-Za-z0-9=+ éß-]{0,120}") {
        let decoded = Secret::from_base32(&text).map(|secret| secret.as_bytes().len());
        prop_assert_eq!(decoded, secret::decoded_len(text.as_bytes()));
    }

    #[test]
    fn a_written_uri_is_read_back(
        secret in "[A-Z2-7]{16,103}",
        issuer in prop::option::of("[ -~äß漢🦀]{1,40}"),
        account in "[ -~äß漢🦀]{0,40}",
        algorithm in algorithms(),
        digits in 6u8..=8,
        moving in prop_oneof![
            (1u64..1 << 40).prop_map(Moving::Period),
            (0u64..1 << 50).prop_map(Moving::Counter),
        ],
    ) {
        let uri = OtpAuth {
            secret: secret.into(),
            issuer: issuer.map(Into::into),
            account: account.into(),
            algorithm,
            digits,
            moving,
        };
        let written = uri.to_uri();
        prop_assert_eq!(OtpAuth::parse(&written), Ok(uri));
    }

    #[test]
    fn any_text_is_a_uri_or_an_error(text in "(otpauth://)?[ -~äß🦀]{0,80}") {
        let _ = OtpAuth::parse(&text);
    }
}

#[test]
fn a_window_at_the_ends_of_the_counter_is_an_error_and_not_an_overflow() {
    let key = HmacKey::new(Algorithm::Sha1, b"12345678901234567890");
    assert_eq!(totp::find(&key, 0, 1, Digits::SIX, "755224"), Err(Error::WindowOutOfRange));
    assert_eq!(totp::find(&key, u64::MAX, 1, Digits::SIX, "755224"), Err(Error::WindowOutOfRange));
    assert_eq!(totp::find(&key, 1, 1, Digits::SIX, "755224"), Ok(Some(0)));
    let last = hotp::code(&key, u64::MAX, Digits::SIX);
    assert_eq!(totp::find(&key, u64::MAX, 0, Digits::SIX, last.as_str()), Ok(Some(u64::MAX)));
}

#[test]
fn what_is_not_exactly_the_digits_is_no_code() {
    let key = HmacKey::new(Algorithm::Sha1, b"12345678901234567890");
    for text in ["", "75522", "7552244", "+55224", " 755224", "755224 ", "７５５２２４", "75522\0", "755.24"]
    {
        assert!(!hotp::verify(&key, 0, Digits::SIX, text), "{text:?}");
        assert_eq!(totp::find(&key, 0, 0, Digits::SIX, text), Ok(None), "{text:?}");
    }
    assert_eq!(Digits::new(0), Err(Error::InvalidDigits));
    assert_eq!(Digits::new(11), Err(Error::InvalidDigits));
    assert_eq!(totp::time_step(59, 0), Err(Error::InvalidPeriod));
}

#[test]
fn debug_output_holds_no_secret() {
    let secret = Secret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
    let key = HmacKey::new(Algorithm::Sha1, secret.as_bytes());
    let uri = OtpAuth::parse("otpauth://totp/a:b?secret=GEZDGNBVGY3TQOJQ&issuer=a").unwrap();
    assert_eq!(format!("{secret:?}"), "Secret([20 bytes redacted])");
    assert_eq!(format!("{key:?}"), "HmacKey(Sha1, [redacted])");
    assert_eq!(format!("{:?}", hotp::code(&key, 0, Digits::SIX)), "Code([6 characters redacted])");
    assert!(!format!("{uri:?}").contains("GEZDG"));
}

#[test]
fn new_secrets_are_base32_of_the_length_asked_for_and_differ() {
    let secrets: std::collections::HashSet<_> = (0..200)
        .map(|length| {
            let text = random::base32(32 + length % 40).unwrap();
            assert_eq!(text.len(), 32 + length % 40);
            assert!(text.bytes().all(|byte| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".contains(&byte)));
            text.to_string()
        })
        .collect();
    assert_eq!(secrets.len(), 200);
}

#[test]
fn codes_are_equal_where_they_show_the_same() {
    let key = HmacKey::new(Algorithm::Sha1, b"12345678901234567890");
    // RFC 4226, appendix D: 1284755224 and 1094287082 are the numbers of counters 0 and 1.
    let code = |counter, digits| hotp::code(&key, counter, Digits::new(digits).unwrap());
    assert_eq!(code(0, 6), code(0, 6));
    assert_ne!(code(0, 6), code(1, 6));
    assert_ne!(code(0, 6), code(0, 7));
    assert_eq!(steam::code(&key, 0), steam::code(&key, 0));
    assert_ne!(steam::code(&key, 0), steam::code(&key, 1));
    // Of a hundred thousand counters, some have the same six digits and others before them.
    let mut counters = std::collections::HashMap::new();
    let (first, second) = (0..100_000u64)
        .find_map(|counter| {
            let first = counters.insert(code(counter, 6).as_str().to_owned(), counter)?;
            (code(first, 10) != code(counter, 10)).then_some((first, counter))
        })
        .unwrap();
    assert_eq!(code(first, 6), code(second, 6));
}

#[test]
fn the_types_for_one_secret_do_what_the_functions_do() {
    let secret = Secret::from_bytes(b"12345678901234567890");
    let hotp = Hotp::new(&secret);
    assert_eq!(hotp.code(0).as_str(), "755224"); // RFC 4226, appendix D
    assert_eq!(hotp.find("338314", 0, 9), Ok(Some(4)));
    assert_eq!(hotp.find("338314", 0, 3), Ok(None));
    assert_eq!(hotp.find("338314", 5, 9), Ok(None));
    assert_eq!(hotp.find("33831", 0, 9), Ok(None));
    assert_eq!(hotp.find("338314", u64::MAX, 1), Err(Error::WindowOutOfRange));
    assert_eq!(hotp.find(hotp.code(u64::MAX).as_str(), u64::MAX, 0), Ok(Some(u64::MAX)));
    assert_eq!(hotp.resync("338314", "254676", 0, 4), Ok(Some(5)));
    assert_eq!(hotp.resync("338314", "254676", 0, 3), Ok(None));
    assert_eq!(hotp.resync("338314", "254676", u64::MAX, 0), Err(Error::WindowOutOfRange));
    // One of the two is not enough, nor both in another order or with one between.
    for (text, next_text) in [
        ("338314", "000000"),
        ("000000", "254676"),
        ("254676", "338314"),
        ("969429", "254676"),
        ("33831", "254676"),
        ("338314", "25467"),
    ] {
        assert_eq!(hotp.resync(text, next_text, 0, 9), Ok(None), "{text} {next_text}");
    }

    let totp = Totp::with(&secret, Algorithm::Sha1, Digits::new(8).unwrap(), 30).unwrap();
    assert_eq!(totp.code(1_111_111_109).as_str(), "07081804"); // RFC 6238, appendix B
    assert_eq!((totp.step(59), totp.step(60)), (1, 2));
    for (second, window, found) in [(59, 0, Some(1)), (89, 1, Some(1)), (90, 1, None), (30, 0, Some(1))] {
        assert_eq!(totp.find("94287082", second, window, None), Ok(found));
    }
    assert_eq!(totp.find("94287082", 59, 2, None), Err(Error::WindowOutOfRange));
    assert_eq!(totp.find("287082", 59, 1, None), Ok(None));
    assert_eq!(Totp::new(&secret).find("287082", 59, 1, None), Ok(Some(1)));
    let sha256 = Totp::with(
        &Secret::from_bytes(b"12345678901234567890123456789012"),
        Algorithm::Sha256,
        Digits::new(8).unwrap(),
        30,
    );
    assert_eq!(sha256.unwrap().code(59).as_str(), "46119246");
    assert_eq!(Totp::with(&secret, Algorithm::Sha1, Digits::SIX, 0).unwrap_err(), Error::InvalidPeriod);
    assert_eq!(format!("{hotp:?}"), "Hotp { key: HmacKey(Sha1, [redacted]), digits: Digits(6) }");
}

#[test]
fn of_several_steps_with_the_same_code_the_earliest_that_is_newer_than_the_last_one_is_found() {
    // One digit: a window of thirty has twins.
    let (secret, one) = (Secret::from_bytes(b"12345678901234567890"), Digits::new(1).unwrap());
    let (hotp, totp) =
        (Hotp::with(&secret, Algorithm::Sha1, one), Totp::with(&secret, Algorithm::Sha1, one, 30).unwrap());
    for digit in "0123456789".split_terminator("").skip(1) {
        let all = (0..=30).filter(|counter| hotp.code(*counter).as_str() == digit).collect::<Vec<_>>();
        assert_eq!(hotp.find(digit, 0, 30), Ok(all.first().copied()));
        assert_eq!(totp.find(digit, 15 * 30, 15, None), Ok(all.first().copied()));
        for accepted in 0..=31 {
            let newer = all.iter().find(|counter| **counter > accepted).or(all.last());
            assert_eq!(totp.find(digit, 15 * 30, 15, Some(accepted)), Ok(newer.copied()));
        }
    }
}

#[test]
fn a_code_of_every_length_is_accepted_and_its_neighbours_are_not() {
    for algorithm in Algorithm::ALL {
        let key = HmacKey::new(algorithm, b"12345678901234567890");
        for digits in 1..=10 {
            let digits = Digits::new(digits).unwrap();
            for counter in 0..30 {
                let code = hotp::code(&key, counter, digits);
                assert!(hotp::verify(&key, counter, digits, code.as_str()), "{digits:?} {counter}");
                assert!(totp::find(&key, counter, 0, digits, code.as_str()).unwrap() == Some(counter));
                // Each digit counts.
                for place in 0..code.as_str().len() {
                    let mut wrong = code.as_str().as_bytes().to_vec();
                    wrong[place] = if wrong[place] == b'9' { b'0' } else { wrong[place] + 1 };
                    let wrong = String::from_utf8(wrong).unwrap();
                    assert!(!hotp::verify(&key, counter, digits, &wrong), "{digits:?} {counter} {place}");
                }
            }
        }
    }
}

#[test]
fn base32_has_its_thirty_two_symbols_in_either_case_and_no_other() {
    for byte in 0..128u8 {
        for place in 0..8 {
            let mut text = *b"ABCDWXYZ";
            text[place] = byte;
            let symbol =
                matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'2'..=b'7') || (byte == b'=' && place == 7);
            let text = std::str::from_utf8(&text).unwrap();
            assert_eq!(Secret::from_base32(text).is_ok(), symbol, "{text:?}");
            assert_eq!(secret::decoded_len(text.as_bytes()).is_ok(), symbol, "{text:?}");
        }
    }
    for length in 0..=300usize {
        let text = "A".repeat(length);
        let expected =
            if matches!(length % 8, 1 | 3 | 6) { Err(Error::InvalidBase32) } else { Ok(length * 5 / 8) };
        assert_eq!(secret::decoded_len(text.as_bytes()), expected);
        assert_eq!(Secret::from_base32(&text).map(|secret| secret.as_bytes().len()), expected);
        for padding in 1..=9 {
            let fits = padding < 8 && (length + padding) % 8 == 0;
            let padded = Secret::from_base32(&(text.clone() + &"=".repeat(padding)))
                .map(|secret| secret.as_bytes().len());
            assert_eq!(padded, if fits { expected } else { Err(Error::InvalidBase32) }, "{length} {padding}");
        }
    }
}

#[test]
fn a_steam_code_is_the_number_in_base_26_from_its_lowest_place_up() {
    let key = HmacKey::new(Algorithm::Sha1, b"12345678901234567890");
    let alphabet: Vec<char> = "23456789BCDFGHJKMNPQRTVWXY".chars().collect();
    for counter in 0..200 {
        for (digits, cut) in [(5, 100_000), (8, 100_000_000), (10, u64::MAX)] {
            let mut number = u64::from(key.truncated(counter)) % cut;
            let expected: String = (0..5)
                .map(|_| {
                    let symbol = alphabet[(number % 26) as usize];
                    number /= 26;
                    symbol
                })
                .collect();
            let digits = Digits::new(digits).unwrap();
            assert_eq!(steam::reduced_code(&key, counter, digits).as_str(), expected);
            assert_eq!(steam::find(&key, counter, 0, digits, &expected), Ok(Some(counter)));
            if cut == u64::MAX {
                assert_eq!(steam::code(&key, counter).as_str(), expected);
            }
        }
    }
    for text in ["", "2222", "222222"] {
        assert_eq!(steam::find(&key, 40, 40, Digits::MAX, text), Ok(None));
    }
}
